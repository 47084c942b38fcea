//! What happens in one story: plain data, made from a seed, shrunk when it fails, kept as JSON.

mod act;
mod order;
mod pools;
mod tight;
mod timing;
mod trouble;

pub use act::{Act, Action, Batch, Fake, Moment, Stranger};
pub(super) use pools::Asked;
use pools::is_zero;
pub use pools::{PoolSpec, PoolsFile};
pub use tight::Tight;
pub use timing::Timing;
pub use trouble::{CallFaultKind, FaultProfile, NthCallFault, Outage, PlatformSpec, Rate};

use std::time::Duration;

use mayfly_domain::model::timeouts;
use serde::{Deserialize, Serialize};

/// A story before it is told: the same one is told the same way every time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What every draw of the models comes from.
    pub seed: u64,
    /// The situation that it tells, if it was made for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<String>,
    /// Seconds that a task takes to start.
    pub start_seconds: u64,
    /// The pools file at the beginning.
    pub pools: PoolsFile,
    /// Repositories that are not private.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<String>,
    /// Runner groups besides `Default`, as `owner/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What people do, in the order of their times.
    pub acts: Vec<Act>,
    /// What goes wrong by itself until [`Scenario::calm_at`].
    #[serde(default)]
    pub faults: FaultProfile,
    /// How long GitHub, clocks and containers take.
    #[serde(default, skip_serializing_if = "Timing::is_usual")]
    pub timing: Timing,
    /// Seconds after which nothing goes wrong any more and no one does anything.
    pub calm_at: u64,
    /// Most items on a page of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<usize>,
    /// Steps of up to 9 ms that pass between two items that a plan's transaction shows, besides
    /// one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lingers: u32,
    /// What the world outside gives until then, where that is less than it really does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tight: Option<Tight>,
    /// Every log line is searched for secrets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logs: bool,
}

impl Scenario {
    /// How many jobs it queues, those that are run again not counted.
    #[must_use]
    pub fn jobs(&self) -> u32 {
        self.batches().map(|batch| batch.count).sum()
    }

    /// Jobs that come together, in the order of their times.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.acts.iter().filter_map(|act| match &act.action {
            Action::Queue(batch) => Some(batch),
            _ => None,
        })
    }

    /// What the jobs of a batch ask for.
    pub(super) fn asked<'a>(&'a self, batch: &'a Batch) -> Asked<'a> {
        Asked {
            repository: &batch.repository,
            private: !self.public.contains(&batch.repository),
            labels: &batch.labels,
        }
    }

    /// Repositories that are made public or private.
    pub(super) fn flipped(&self) -> impl Iterator<Item = &str> {
        self.acts.iter().filter_map(|act| match &act.action {
            Action::Show { repository, .. } => Some(repository.as_str()),
            _ => None,
        })
    }

    /// True if the App may not see a repository for a while.
    pub(super) fn hides(&self, repository: &str) -> bool {
        let owner = repository.split('/').next().unwrap_or_default();
        self.acts.iter().any(|act| match &act.action {
            Action::Cover {
                repository: one,
                on: false,
            }
            | Action::Delete { repository: one }
            | Action::Transfer {
                repository: one, ..
            } => one == repository,
            Action::Uninstall { account } | Action::Suspend { account } => account == owner,
            _ => false,
        })
    }

    /// Every pools file that is ever in force.
    pub fn files(&self) -> impl Iterator<Item = &PoolsFile> {
        let applied = self.acts.iter().filter_map(|act| match &act.action {
            Action::Apply(file) => Some(file),
            _ => None,
        });
        std::iter::once(&self.pools).chain(applied)
    }

    /// The longest time that a registered runner may wait for a job by any pools file.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        let longest = self
            .files()
            .flat_map(|file| &file.pools)
            .filter_map(|pool| pool.idle_timeout)
            .max();
        Duration::from_secs(60 * longest.unwrap_or_default()).max(timeouts::IDLE_TIMEOUT)
    }

    /// True if nothing ever goes wrong, whatever people want: then nothing outlives its use from
    /// the beginning on.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let harmless = |act: &Act| {
            matches!(
                act.action,
                Action::Queue(_)
                    | Action::Cancel { .. }
                    | Action::Approve { .. }
                    | Action::Reject { .. }
                    | Action::Rerun { .. }
                    | Action::Apply(_)
                    | Action::Forge { .. }
                    | Action::Intrude {
                        stranger: Stranger::OtherTask
                            | Stranger::NoTask
                            | Stranger::OtherRole
                            | Stranger::OtherAccount
                    }
                    | Action::Kill
            )
        };
        self.faults.is_none() && !self.is_throttled() && self.acts.iter().all(harmless)
    }
}
