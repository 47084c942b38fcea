//! Errands: what sweeper has yet to ask or to do about something that no waiting job and no open runner leads it to.
//!
//! An errand is written in the transaction that leaves something open, and goes when it is settled. So what is open is a list
//! to be read, and nothing has to be searched for.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::failed_delivery::{DeliveryGuid, Redelivery};
use crate::model::id::{InstallationId, JobId, RunnerId};
use crate::model::time::Timestamp;
use crate::model::times;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Ask GitHub where a job is: deliveries held it back, or began it on a runner that is not, or no longer, an open one of ours.
    Ask(JobId),
    /// Match a job anew that no pool took, once the pools file is another one.
    Place {
        /// The job.
        job: JobId,
        /// The version of the pools file by which none did. 0 for a job whose pool is gone.
        generation: u64,
    },
    /// Take away at GitHub what a runner left there that has ended.
    Unregister(RunnerId),
    /// Ask GitHub to run a job again whose runner AWS took back.
    Rerun(JobId),
    /// Ask GitHub to deliver again what it could not deliver.
    Redeliver(Redelivery),
}

impl Errand {
    /// The name of the errand for an event that GitHub could not deliver.
    #[must_use]
    pub fn redeliver(guid: &DeliveryGuid) -> String {
        format!("redeliver#{guid}")
    }
}

/// What an errand's name begins with, by kind. Those that somebody waits for come first; of the last there may be thousands, of jobs that are none of ours.
pub const KINDS: [&str; 5] = ["redeliver#", "rerun#", "unregister#", "ask#", "place#"];

/// One kind and one thing: an errand for it replaces an earlier one.
impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(job) => write!(f, "ask#{job}"),
            Self::Place { job, .. } => write!(f, "place#{job}"),
            Self::Unregister(runner) => write!(f, "unregister#{runner}"),
            Self::Rerun(job) => write!(f, "rerun#{job}"),
            Self::Redeliver(delivery) => f.write_str(&Self::redeliver(&delivery.guid)),
        }
    }
}

/// An errand that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// How often it was written. A later errand for the same thing never has the number of an earlier one.
    pub rev: u64,
    /// What is to be done.
    pub errand: Errand,
    /// The installation whose limits the calls for it count against; none for what is asked as the App itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationId>,
    /// Since when.
    pub since: Timestamp,
    /// Not before.
    pub not_before: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

impl Open {
    /// An errand that comes up now, to be run after `wait`.
    #[must_use]
    pub fn new(errand: Errand, installation: impl Into<Option<InstallationId>>, now: Timestamp, wait: Duration) -> Self {
        // Milliseconds, so that whoever works on an earlier one of the same name cannot take this for it.
        let rev = u64::try_from(now.millis()).unwrap_or(1).max(1);
        Self { rev, errand, installation: installation.into(), since: now, not_before: now.plus(wait), tries: 0 }
    }

    /// True if it is its turn.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> bool {
        self.not_before <= now
    }

    /// The errand, to be run again after exactly this time; it does not count as a try.
    #[must_use]
    pub fn after(&self, wait: Duration, now: Timestamp) -> Self {
        Self { rev: self.rev + 1, not_before: now.plus(wait), ..self.clone() }
    }

    /// The errand of a job that no pool takes by this version of the pools file either: to be run when there is another one.
    #[must_use]
    pub fn matched_by(&self, generation: u64) -> Self {
        let errand = match &self.errand {
            Errand::Place { job, .. } => Errand::Place { job: *job, generation },
            other => other.clone(),
        };
        Self { rev: self.rev + 1, errand, ..self.clone() }
    }

    /// The errand after a try that did not settle it: the next one follows after `first`, then twice that, up to an hour.
    #[must_use]
    pub fn again(&self, first: Duration, now: Timestamp) -> Self {
        let wait = times::doubled(first, self.tries, times::LONGEST_WAIT);
        Self { rev: self.rev + 1, not_before: now.plus(wait), tries: self.tries.saturating_add(1), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_an_hour() {
        let minute = Duration::from_secs(60);
        let mut open = Open::new(Errand::Ask(JobId(7)), InstallationId(1), Timestamp::from_millis(5), minute);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = open.not_before;
            open = open.again(minute, now);
            waits.push(open.not_before.since(now).as_secs() / 60);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(open.since, Timestamp::from_millis(5));
    }

    #[test]
    fn every_errand_is_of_a_kind() {
        let runner = RunnerId::from_ulid(7);
        let errands =
            [Errand::Ask(JobId(7)), Errand::Place { job: JobId(7), generation: 1 }, Errand::Unregister(runner), Errand::Rerun(JobId(7))];
        for errand in errands {
            assert_eq!(KINDS.iter().filter(|kind| errand.to_string().starts_with(**kind)).count(), 1, "{errand}");
        }
        assert!(Errand::redeliver(&"guid".to_owned().try_into().unwrap()).starts_with(KINDS[0]));
    }

    #[test]
    fn a_later_errand_for_the_same_thing_has_another_number() {
        let at = |millis| Open::new(Errand::Ask(JobId(7)), InstallationId(1), Timestamp::from_millis(millis), Duration::ZERO);
        let mut first = at(1_000);
        for _ in 0..20 {
            first = first.again(Duration::from_secs(60), Timestamp::from_millis(2_000));
        }
        assert!(first.rev < at(2_000).rev);
    }
}
