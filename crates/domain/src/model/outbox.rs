//! Follow-ups: what sweeper has yet to ask or to do about something that no waiting job and no open
//! runner leads it to.
//!
//! A follow-up is written in the transaction that leaves something open, and goes when it is
//! settled. So what is open is a list to be read, and nothing has to be searched for.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::failed_delivery::{DeliveryGuid, Redelivery};
use crate::model::id::{InstallationId, JobId, RunnerId};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUp {
    /// Ask GitHub where a job is: deliveries held it back, or began it on a runner that is not, or
    /// no longer, an open one of ours.
    CheckJob(JobId),
    /// Rematch a job that no pool took, once the pools file is another one.
    MatchJob {
        /// The job.
        job: JobId,
        /// The version of the pools file by which none did. 0 for a job whose pool is gone.
        pools_version: u64,
    },
    /// Take away at GitHub what a runner left there that has ended.
    DeregisterRunner(RunnerId),
    /// Ask GitHub to run a job again whose runner AWS reclaimed.
    RerunJob(JobId),
    /// Ask GitHub to deliver again what it could not deliver.
    RedeliverWebhook(Redelivery),
}

impl FollowUp {
    /// The name of the follow-up for an event that GitHub could not deliver.
    #[must_use]
    pub fn redelivery_name(guid: &DeliveryGuid) -> String {
        format!("redeliver_webhook#{guid}")
    }
}

/// What a follow-up's name begins with, by kind. Those that someone waits for come first; of the
/// last there may be thousands, of jobs that are none of ours.
pub const KINDS: [&str; 5] = [
    "redeliver_webhook#",
    "rerun_job#",
    "deregister_runner#",
    "check_job#",
    "match_job#",
];

/// One kind and one thing: a follow-up for it replaces an earlier one.
impl fmt::Display for FollowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckJob(job) => write!(f, "check_job#{job}"),
            Self::MatchJob { job, .. } => write!(f, "match_job#{job}"),
            Self::DeregisterRunner(runner) => write!(f, "deregister_runner#{runner}"),
            Self::RerunJob(job) => write!(f, "rerun_job#{job}"),
            Self::RedeliverWebhook(delivery) => f.write_str(&Self::redelivery_name(&delivery.guid)),
        }
    }
}

/// A follow-up that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// What is to be done.
    pub follow_up: FollowUp,
    /// The installation whose limits the calls for it count against; none for what is asked as the
    /// App itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationId>,
    /// Since when.
    pub since: Timestamp,
    /// Not before.
    pub not_before: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

impl OutboxEntry {
    /// A follow-up that comes up now, to be run after `wait`.
    #[must_use]
    pub fn new(
        follow_up: FollowUp,
        installation: impl Into<Option<InstallationId>>,
        now: Timestamp,
        wait: Duration,
    ) -> Self {
        Self {
            follow_up,
            installation: installation.into(),
            since: now,
            not_before: now.plus(wait),
            tries: 0,
        }
    }

    /// True if it is its turn.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> bool {
        self.not_before <= now
    }

    /// The follow-up, to be run again after exactly this time; it does not count as a try.
    #[must_use]
    pub fn retry_after(&self, wait: Duration, now: Timestamp) -> Self {
        Self {
            not_before: now.plus(wait),
            ..self.clone()
        }
    }

    /// The follow-up of a job that no pool takes by this version of the pools file either: to be
    /// run when there is another one.
    #[must_use]
    pub fn matched_by(&self, pools_version: u64) -> Self {
        let follow_up = match &self.follow_up {
            FollowUp::MatchJob { job, .. } => FollowUp::MatchJob {
                job: *job,
                pools_version,
            },
            other => other.clone(),
        };
        Self {
            follow_up,
            ..self.clone()
        }
    }

    /// The follow-up after a try that did not settle it: the next one follows after `first`, then
    /// twice that, up to an hour.
    #[must_use]
    pub fn retry_with_backoff(&self, first: Duration, now: Timestamp) -> Self {
        let wait = timeouts::exponential_backoff(first, self.tries, timeouts::LONGEST_WAIT);
        Self {
            not_before: now.plus(wait),
            tries: self.tries.saturating_add(1),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_an_hour() {
        let minute = Duration::from_secs(60);
        let mut open = OutboxEntry::new(
            FollowUp::CheckJob(JobId(7)),
            InstallationId(1),
            Timestamp::from_millis(5),
            minute,
        );
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = open.not_before;
            open = open.retry_with_backoff(minute, now);
            waits.push(open.not_before.since(now).as_secs() / 60);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(open.since, Timestamp::from_millis(5));
    }

    #[test]
    fn a_follow_up_is_due_when_its_wait_is_over() {
        let now = Timestamp::from_millis(5);
        let open = OutboxEntry::new(
            FollowUp::CheckJob(JobId(7)),
            InstallationId(1),
            now,
            Duration::from_millis(10),
        );
        let due = |millis| open.due(Timestamp::from_millis(millis));
        assert_eq!((due(14), due(15)), (false, true));
    }

    #[test]
    fn what_no_pool_takes_remembers_the_pools_file_that_was_tried() {
        let job = JobId(7);
        let before = FollowUp::MatchJob {
            job,
            pools_version: 1,
        };
        let open = OutboxEntry::new(
            before,
            InstallationId(1),
            Timestamp::from_millis(5),
            Duration::ZERO,
        );
        let after = open.matched_by(8);
        let tried = FollowUp::MatchJob {
            job,
            pools_version: 8,
        };
        assert_eq!(after.follow_up, tried);
    }

    #[test]
    fn every_follow_up_is_of_a_kind() {
        let runner = RunnerId::from_ulid(7);
        let follow_ups = [
            FollowUp::CheckJob(JobId(7)),
            FollowUp::MatchJob {
                job: JobId(7),
                pools_version: 1,
            },
            FollowUp::DeregisterRunner(runner),
            FollowUp::RerunJob(JobId(7)),
        ];
        for follow_up in follow_ups {
            assert_eq!(
                KINDS
                    .iter()
                    .filter(|kind| follow_up.to_string().starts_with(**kind))
                    .count(),
                1,
                "{follow_up}"
            );
        }
        assert!(
            FollowUp::redelivery_name(&"guid".to_owned().try_into().unwrap()).starts_with(KINDS[0])
        );
    }
}
