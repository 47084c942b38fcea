//! Pushes, as many situations need them.

use super::super::chance::Chance;
use crate::simulation::scenario::{Act, Batch, Deed};

/// Where the pool of [`one_pool`](super::super::pools::one_pool) gets its jobs from.
pub(super) const REPOSITORY: &str = "acme/app";

/// What its jobs ask for.
pub(super) fn labels() -> Vec<String> {
    ["self-hosted", "mayfly"].map(str::to_owned).to_vec()
}

/// Somebody pushes: so many jobs, each of so many seconds.
pub(super) fn push(id: u32, at: f64, count: u32, seconds: f64) -> Act {
    push_to(REPOSITORY, (id, at), (count, seconds))
}

/// Short jobs that come when the moment of the story is over: they find everything as it should be.
pub(super) fn afterwards(chance: &mut Chance, at: f64) -> Act {
    push(1_000, at, chance.count(18, 30), chance.seconds(5, 20))
}

/// One job that only its own runner covers: one whose job was cancelled gets no other of these, and is idle.
pub(super) fn own_push(id: u32, at: f64, seconds: f64) -> Act {
    let labels = labels().into_iter().chain(["run={run_id}".to_owned()]).collect();
    let batch = Batch { id, repository: REPOSITORY.to_owned(), labels, count: 1, seconds, one_run: true, ..Batch::default() };
    Act { at, deed: Deed::Queue(batch) }
}

/// [`push`] to another repository.
pub(super) fn push_to(repository: &str, (id, at): (u32, f64), (count, seconds): (u32, f64)) -> Act {
    let batch = Batch { id, repository: repository.to_owned(), labels: labels(), count, seconds, ..Batch::default() };
    Act { at, deed: Deed::Queue(batch) }
}
