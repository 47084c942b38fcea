//! Whether GitHub gives jobs to runners that register for a repository.
//!
//! That a runner registers shows that it can talk to GitHub, not that it is given anything: GitHub
//! gives no job to a runner of a version that is too old, or in a group that does not admit the
//! repository, and says nothing of it. Each job is tried three times and then hourly; this bounds
//! what all jobs of a repository cost.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::id::{JobId, RepositoryId};
use crate::model::job::WaitingJob;
use crate::model::runner::{Runner, RunnerState};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// When runners for so many different jobs in a row were given nothing, one runner at a time is
/// tried.
pub const OPENS: usize = 5;

/// So many jobs must wait of which GitHub itself said, after their runners ended, that they do:
/// what looks given nothing is most often a cancelled job whose delivery is late.
const CONFIRMED: usize = 3;

/// Repositories that a pool remembers; the one heard of longest ago is forgotten.
pub(crate) const REMEMBERED: usize = 50;

/// How it went with the runners of one repository since one was given a job last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The repository.
    pub repository: RepositoryId,
    /// Fingerprint of image, size and role of the runners: a changed one is tried at once.
    pub definition: String,
    /// Jobs whose runners were given nothing, as many as it takes.
    pub jobs: BTreeSet<JobId>,
    /// How often all of that was found to be so: by the last of the first jobs, then by each runner
    /// on trial.
    #[serde(default)]
    pub probes: u32,
    /// When last.
    pub at: Timestamp,
    /// No runner before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// What counting a runner that was given nothing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The entry is another one now.
    pub(crate) changed: bool,
    /// A runner on trial was the first to be given nothing, too: a person must act.
    pub(crate) opened: bool,
}

impl Assignment {
    pub(crate) fn new(repository: RepositoryId, definition: &str, now: Timestamp) -> Self {
        Self {
            repository,
            definition: definition.to_owned(),
            jobs: BTreeSet::new(),
            probes: 0,
            at: now,
            not_before: None,
        }
    }

    /// Counts a runner, meant for the job since then, that registered for it and was given nothing
    /// although the job still waits.
    pub(crate) fn record_not_assigned(
        &mut self,
        job: JobId,
        meant: Timestamp,
        now: Timestamp,
    ) -> Counted {
        if self.probes == 0 {
            let changed = self.jobs.insert(job);
            self.at = now;
            if self.jobs.len() >= OPENS {
                self.found_so(now);
            }
            return Counted {
                changed,
                opened: false,
            };
        }
        // Of the wave that opened it; a later one was on trial.
        if meant <= self.at {
            return Counted {
                changed: false,
                opened: false,
            };
        }
        self.found_so(now);
        Counted {
            changed: true,
            opened: self.probes == 2,
        }
    }

    fn found_so(&mut self, now: Timestamp) {
        self.probes = self.probes.saturating_add(1);
        self.at = now;
        self.not_before = Some(now.plus(timeouts::exponential_backoff(
            timeouts::BACK_OFF_MIN,
            self.probes - 1,
            PROBE,
        )));
    }

    /// When the next runner may be started, if one at a time is tried: `None` unless all of them
    /// are suspect. `jobs` and `runners` are those of the pool.
    #[must_use]
    pub fn probe_at(
        &self,
        definition: &str,
        jobs: &[WaitingJob],
        runners: &[Runner],
    ) -> Option<Timestamp> {
        let not_before = self.not_before.filter(|_| self.definition == definition)?;
        let given = |runner: &&Runner| {
            runner.repository == Some(self.repository) && runner.state == RunnerState::Busy
        };
        // Long before its end is written down.
        if runners
            .iter()
            .filter(given)
            .any(|runner| runner.busy_at.is_some_and(|busy| busy > self.at))
        {
            return None;
        }
        let confirmed = |job: &&WaitingJob| {
            job.repository == self.repository && job.attempts > 0 && !job.needs_check
        };
        (self.probes > 1 || jobs.iter().filter(confirmed).count() >= CONFIRMED)
            .then_some(not_before)
    }
}

/// The longest wait between two runners on trial. Each is paid for until its pool's `idle_timeout`.
const PROBE: Duration = Duration::from_secs(15 * 60);

/// What a person can do about it.
pub const ADVICE: &str = "Is the runner's version in the image still allowed by GitHub? Does the runner group allow the repository? Does another pool, \
     or a person, register runners with the same labels? The next apply of another image retries at once";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn five_jobs_open_it_and_only_runners_started_later_count_on() {
        let mut assignment = Assignment::new(RepositoryId(1), "d", at(0));
        for job in 1..=4 {
            assert_eq!(
                assignment.record_not_assigned(JobId(job), at(0), at(300)),
                Counted {
                    changed: true,
                    opened: false
                }
            );
        }
        assert_eq!(
            assignment.record_not_assigned(JobId(4), at(0), at(300)),
            Counted {
                changed: false,
                opened: false
            },
            "the same job"
        );
        assert_eq!(assignment.not_before, None);
        assert!(
            assignment
                .record_not_assigned(JobId(5), at(0), at(301))
                .changed
        );
        assert_eq!(
            (assignment.probes, assignment.not_before),
            (1, Some(at(361)))
        );
        assert!(
            !assignment
                .record_not_assigned(JobId(6), at(10), at(302))
                .changed,
            "of the same wave"
        );
        assert_eq!(
            assignment.record_not_assigned(JobId(6), at(361), at(700)),
            Counted {
                changed: true,
                opened: true
            }
        );
        assert_eq!(
            assignment.record_not_assigned(JobId(7), at(900), at(1_300)),
            Counted {
                changed: true,
                opened: false
            },
            "told once"
        );
        assert_eq!(assignment.not_before, Some(at(1_300 + 240)));
    }
}
