//! Repositories whose runners GitHub gives nothing: one runner at a time is tried for each of them.

use std::collections::BTreeMap;

use crate::model::id::RepositoryId;
use crate::model::job::WaitingJob;
use crate::model::runner::{Runner, RunnerState};
use crate::model::start_health::PoolHealth;
use crate::model::time::Timestamp;

/// What was read of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolState<'a> {
    /// How starts and runners went.
    pub health: &'a PoolHealth,
    /// Its waiting jobs.
    pub jobs: &'a [WaitingJob],
    /// Its open runners.
    pub runners: &'a [Runner],
}

/// Which runners are tried, for one who decides on a runner: scaler on a new one, registrar on one of
/// the idle floor. Both must go by it. A floor is refilled for each runner that leaves it, so runners
/// of it that each tried a job would start and end for as long as GitHub gives them nothing.
#[derive(Clone, Debug)]
pub struct Probes<'a> {
    known: PoolState<'a>,
    /// Runners of each repository that have no job yet.
    without_job: BTreeMap<RepositoryId, u32>,
}

impl<'a> Probes<'a> {
    /// Of a pool.
    #[must_use]
    pub fn new(known: PoolState<'a>) -> Self {
        let mut without_job = BTreeMap::new();
        for repository in known
            .runners
            .iter()
            .filter(|runner| runner.state != RunnerState::Busy)
            .filter_map(|runner| runner.repository)
        {
            *without_job.entry(repository).or_default() += 1;
        }
        Self { known, without_job }
    }

    /// The earliest time at which a runner of this task definition, not yet registered for the
    /// repository, may be tried for the job; none if it may be tried now.
    #[must_use]
    pub fn hold(&self, job: &WaitingJob, definition: &str, now: Timestamp) -> Option<Timestamp> {
        let PoolState {
            health,
            jobs,
            runners,
        } = self.known;
        health
            .assignment(job.repository)?
            .probe_at(definition, jobs, runners)
            .filter(|at| *at > now || self.without_job.contains_key(&job.repository))
    }

    /// Another runner becomes one of the repository.
    pub fn take(&mut self, repository: RepositoryId) {
        *self.without_job.entry(repository).or_default() += 1;
    }
}
