//! What several situations are made of.

use super::super::chance::Chance;
use crate::simulation::scenario::{Act, Action, Batch};
use mayfly_github_model::jobs::Gate;

/// Where the pool of [`one_pool`](super::super::pools::one_pool) gets its jobs from.
pub(super) const REPOSITORY: &str = "acme/app";

/// What its jobs ask for.
pub(super) fn labels() -> Vec<String> {
    ["self-hosted", "mayfly"].map(str::to_owned).to_vec()
}

/// So many jobs of a repository that the pool takes, each of so many seconds.
pub(super) fn jobs(id: u32, repository: &str, count: u32, seconds: f64) -> Batch {
    Batch {
        id,
        repository: repository.to_owned(),
        labels: labels(),
        count,
        seconds,
        ..Batch::default()
    }
}

/// They come.
pub(super) fn queue(at: f64, batch: Batch) -> Act {
    Act {
        at,
        action: Action::Queue(batch),
    }
}

/// Someone pushes: so many jobs, each of so many seconds.
pub(super) fn push(id: u32, at: f64, count: u32, seconds: f64) -> Act {
    queue(at, jobs(id, REPOSITORY, count, seconds))
}

/// [`push`] to another repository.
pub(super) fn push_to(repository: &str, (id, at): (u32, f64), (count, seconds): (u32, f64)) -> Act {
    queue(at, jobs(id, repository, count, seconds))
}

/// One job that only its own runner covers: one whose job was cancelled gets no other of these, and
/// is idle.
pub(super) fn own_push(id: u32, at: f64, seconds: f64) -> Act {
    let labels = labels()
        .into_iter()
        .chain(["run={run_id}".to_owned()])
        .collect();
    queue(
        at,
        Batch {
            labels,
            one_run: true,
            ..jobs(id, REPOSITORY, 1, seconds)
        },
    )
}

/// Short jobs that come when the moment of the story is over: they find everything as it should be.
pub(super) fn afterwards(chance: &mut Chance, at: f64) -> Act {
    push(1_000, at, chance.count(18, 30), chance.seconds(5, 20))
}

/// A gate of which GitHub says at once that it holds the job back.
pub(super) fn plain_gate(chance: &mut Chance) -> Gate {
    chance.pick(&[Gate::Deployment, Gate::Concurrency])
}
