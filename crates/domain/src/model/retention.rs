//! How long records are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long the record of a job or a runner is kept after it closed, in days. It is written into a
/// record when that is made, so that anyone who closes it knows, and each keeps what was promised
/// for it. DynamoDB's TTL deletes later, never earlier
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html>), and readers check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Retention(u16);

impl Retention {
    /// A month: what a monthly report is made of.
    pub const LEAST: Self = Self(30);

    /// Ten years: what those ask for longest who must keep records.
    pub const MOST: Self = Self(3_650);

    /// A number of days, if it is within the limits.
    #[must_use]
    pub fn of_days(days: u16) -> Option<Self> {
        let keep = Self(days);
        (Self::LEAST..=Self::MOST).contains(&keep).then_some(keep)
    }

    /// In days.
    #[must_use]
    pub fn days(self) -> u16 {
        self.0
    }

    /// As a time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 24 * 60 * 60)
    }
}

/// Half a year. GitHub keeps logs for 90 days by default
/// (<https://docs.github.com/en/organizations/managing-organization-settings/configuring-the-retention-period-for-github-actions-artifacts-and-logs-in-your-organization>).
impl Default for Retention {
    fn default() -> Self {
        Self(180)
    }
}
