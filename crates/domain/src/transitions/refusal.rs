//! Places where GitHub refuses every runner: repositories that it does not show to the App or lets
//! nothing register at, targets whose labels it does not take or whose group is full.
//!
//! A registration request names a target and no job. So a refusal of the target holds for all its
//! jobs, and one of the repository for all jobs of the repository. Each of them tried by itself
//! would spend the installation's requests, and as some job of many is always due, runners would
//! wait for their turn for as long as that lasts. So one job is tried for all of them, and the
//! others wait.

use std::collections::BTreeMap;

use crate::model::id::{InstallationId, JobId, RepositoryId};
use crate::model::job::{RefusalScope, WaitingJob};
use crate::model::size::Size;
use crate::model::target::TargetKey;
use crate::model::time::Timestamp;

/// Where GitHub refuses every runner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedPlace {
    /// At a repository.
    Repository(InstallationId, RepositoryId),
    /// With a target's group and labels.
    Target(TargetKey),
}

impl RefusedPlace {
    /// What of the job's is refused, if GitHub refuses so much.
    #[must_use]
    pub fn at(scope: RefusalScope, job: &WaitingJob) -> Self {
        match scope {
            RefusalScope::Repository => Self::Repository(job.installation, job.repository),
            RefusalScope::Target => Self::Target(job.target.clone()),
        }
    }

    /// All places that the job is at.
    pub fn of(job: &WaitingJob) -> impl Iterator<Item = Self> {
        [RefusalScope::Repository, RefusalScope::Target]
            .map(|scope| Self::at(scope, job))
            .into_iter()
    }
}

/// By place and size, the job that is tried for all others, and when: the refused job whose next
/// try is the latest, so that each further refusal makes all of them wait longer.
///
/// Sizes are apart: where runners of one size do not start at all, its jobs must not keep those of
/// another one waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(BTreeMap<(RefusedPlace, Size), (Option<Timestamp>, JobId)>);

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
        for job in jobs {
            let Some(scope) = job.refused else { continue };
            let next = (job.not_before, job.id);
            let tried = self
                .0
                .entry((RefusedPlace::at(scope, job), job.size))
                .or_insert(next);
            *tried = next.max(*tried);
        }
    }

    /// The earliest time at which a job may be tried while another one is tried in its place; none
    /// if it may be tried now. A job that is tried for others never waits for another one:
    /// otherwise a repository's and a target's could wait for each other.
    #[must_use]
    pub fn hold(&self, job: &WaitingJob) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        let tried: Vec<_> = RefusedPlace::of(job)
            .filter_map(|place| self.0.get(&(place, job.size)))
            .collect();
        if tried.iter().any(|(_, tried)| *tried == job.id) {
            return None;
        }
        tried
            .into_iter()
            .map(|(at, _)| at.unwrap_or(job.queued_at))
            .max()
    }
}
