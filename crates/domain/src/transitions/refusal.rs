//! Repositories for which GitHub refuses every runner: it does not show them to the App, or lets
//! nothing register there.
//!
//! What GitHub says of the place holds for all jobs of the repository. Each of them tried by itself
//! would spend the installation's requests, and as some job of many is always due, runners would
//! wait for their turn for as long as that lasts. So one job is tried for all of them, and the
//! others wait.

use std::collections::BTreeMap;

use crate::model::id::{InstallationId, JobId, RepositoryId};
use crate::model::job::WaitingJob;
use crate::model::time::Timestamp;

/// By repository, the job that is tried for all others, and when: of those that were refused the
/// one whose next try is the latest, so that each further refusal makes all of them wait longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(BTreeMap<(InstallationId, RepositoryId), (Option<Timestamp>, JobId)>);

impl Refusals {
    /// What waiting jobs of a pool tell.
    #[must_use]
    pub fn of(jobs: &[WaitingJob]) -> Self {
        let mut refusals = Self::default();
        refusals.add(jobs);
        refusals
    }

    /// The same, by more of the pool's waiting jobs.
    pub fn add<'a>(&mut self, jobs: impl IntoIterator<Item = &'a WaitingJob>) {
        for job in jobs.into_iter().filter(|job| job.refused) {
            let next = (job.not_before, job.id);
            let tried = self
                .0
                .entry((job.installation, job.repository))
                .or_insert(next);
            *tried = next.max(*tried);
        }
    }

    /// When a job may be tried at the earliest that another one of its repository is tried for;
    /// none if nothing speaks against this one.
    #[must_use]
    pub fn hold(&self, job: &WaitingJob) -> Option<Timestamp> {
        let (at, tried) = self.0.get(&(job.installation, job.repository))?;
        (*tried != job.id).then(|| at.unwrap_or(job.queued_at))
    }
}
