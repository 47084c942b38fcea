//! What a transition changes: everything that is to be written in one transaction.

use std::collections::BTreeSet;

use crate::model::id::{JobId, PoolName};
use crate::model::job::{JobRecord, WaitingJob};
use crate::model::job_timeline::JobTimeline;
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::Runner;
use crate::model::start_health::PoolHealth;
use crate::model::story::Reason;

/// What is said to anyone who sent the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The ledger has it, now or from before.
    Recorded,
    /// It is written down that no pool takes the job, for this reason.
    Unplaced(Reason),
    /// Not for us, for this reason.
    Ignored(Reason),
}

/// What happens to a waiting row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingChange {
    /// It comes to this pool or, if it was read there, changes.
    Put(PoolName, WaitingJob),
    /// It goes from this pool.
    Remove(PoolName, JobId),
}

/// What changes, of one job and one runner at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The job's record. It guards the job's rows: a row that was not read comes or goes with it
    /// only.
    pub record: Option<JobRecord>,
    /// The job's waiting rows: more than one only where it moves to another pool.
    pub waiting: Vec<WaitingChange>,
    /// The row of an open runner.
    pub runner: Option<Runner>,
    /// The record of a runner that closes: its row goes.
    pub closed: Option<Runner>,
    /// How starts go in a pool.
    pub health: Option<(PoolName, PoolHealth)>,
    /// What sweeper has to see to, should nothing else settle it.
    pub follow_ups: Vec<OutboxEntry>,
    /// What sweeper need not see to any more: the follow-up goes.
    pub completed: Option<FollowUp>,
    /// Pools to be woken afterwards.
    pub wake: BTreeSet<PoolName>,
}

impl JobRecord {
    /// That the row by which the job waits in its pool is this one now.
    pub(crate) fn row_changed(&self, row: WaitingJob) -> Vec<WaitingChange> {
        let pool = self.pool.clone();
        let change = pool.map(|pool| WaitingChange::Put(pool, row));
        change.into_iter().collect()
    }
}

impl Changes {
    /// A runner's row, and nothing else.
    #[must_use]
    pub fn of_runner(after: Runner) -> Self {
        Self {
            runner: Some(after),
            ..Self::default()
        }
    }

    /// A follow-up, and nothing else.
    #[must_use]
    pub fn of_follow_up(follow_up: OutboxEntry) -> Self {
        Self {
            follow_ups: vec![follow_up],
            ..Self::default()
        }
    }

    /// The runner that this shows to have run a job that was not admitted, where none may run so.
    #[must_use]
    pub fn unadmitted(&self) -> Option<&Runner> {
        self.runner
            .as_ref()
            .filter(|runner| runner.refused == Some(Reason::Unadmitted))
    }

    /// When the steps to a job's start were reached, if the job waited for a runner and started
    /// with this change: once for each wait, however often GitHub reports the start.
    #[must_use]
    pub fn began(&self) -> Option<JobTimeline> {
        let record = self.record.as_ref()?;
        record.running_at?;
        let gone = |change: &WaitingChange| matches!(change, WaitingChange::Remove(_, job) if *job == record.id);
        self.waiting
            .iter()
            .any(gone)
            .then(|| JobTimeline::of(record, self.runner.as_ref()))
    }

    /// True if there is nothing to write; pools may be there to be woken.
    #[must_use]
    pub fn writes_nothing(&self) -> bool {
        self.record.is_none()
            && self.waiting.is_empty()
            && self.runner.is_none()
            && self.closed.is_none()
            && self.health.is_none()
            && self.follow_ups.is_empty()
            && self.completed.is_none()
    }

    /// The waiting row as it is afterwards, if it is written.
    #[must_use]
    pub fn row(&self) -> Option<&WaitingJob> {
        self.waiting.iter().find_map(|change| match change {
            WaitingChange::Put(_, row) => Some(row),
            WaitingChange::Remove(..) => None,
        })
    }
}
