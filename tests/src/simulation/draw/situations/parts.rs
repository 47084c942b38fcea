//! What several situations are made of.

use super::super::chance::Chance;
use crate::github::jobs::Gate;
use crate::simulation::scenario::{Act, Batch, Deed};

/// Jobs of a repository that the pool of [`super::super::one_pool`] takes.
pub(super) fn jobs(id: u32, repository: &str, count: u32, seconds: f64) -> Batch {
    let labels = ["self-hosted", "mayfly"].map(str::to_owned).to_vec();
    Batch { id, repository: repository.to_owned(), labels, count, seconds, ..Batch::default() }
}

/// Somebody pushes them.
pub(super) fn push(at: f64, batch: Batch) -> Act {
    Act { at, deed: Deed::Queue(batch) }
}

/// A gate of which GitHub says at once that it holds the job back.
pub(super) fn plain_gate(chance: &mut Chance) -> Gate {
    chance.pick(&[Gate::Deployment, Gate::Concurrency])
}
