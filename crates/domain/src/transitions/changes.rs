//! What the transitions of jobs change, to be written in one transaction.

use std::collections::BTreeSet;

use crate::model::id::{JobId, PoolName};
use crate::model::job::{JobRecord, WaitingJob};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::Runner;
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

/// What happens to the job's waiting row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingChange {
    /// Nothing.
    Keep,
    /// The job waits in this pool from now on.
    Put(PoolName, WaitingJob),
    /// The job waits no longer.
    Remove(PoolName, JobId),
}

/// What a delivery changes, to be written in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryChanges {
    /// The answer.
    pub verdict: Verdict,
    /// The job's record, if it changes.
    pub record: Option<JobRecord>,
    /// The waiting row.
    pub waiting: WaitingChange,
    /// The runner, if it changes.
    pub runner: Option<Runner>,
    /// What sweeper has to see to, should no further delivery settle it.
    pub follow_up: Option<OutboxEntry>,
    /// What sweeper need not see to any more: the follow-up goes.
    pub completed: Option<FollowUp>,
    /// Pools to be woken afterwards.
    pub wake: BTreeSet<PoolName>,
}

impl DeliveryChanges {
    /// Nothing to write, no one to wake.
    pub(crate) fn nothing(verdict: Verdict) -> Self {
        Self {
            verdict,
            record: None,
            waiting: WaitingChange::Keep,
            runner: None,
            follow_up: None,
            completed: None,
            wake: BTreeSet::new(),
        }
    }

    /// The runner that this shows to have run a job that was not admitted, where none may run so.
    #[must_use]
    pub fn unadmitted(&self) -> Option<&Runner> {
        self.runner
            .as_ref()
            .filter(|runner| runner.refused == Some(Reason::Unadmitted))
    }

    /// True if there is nothing to write.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.record.is_none() && self.runner.is_none()
    }
}
