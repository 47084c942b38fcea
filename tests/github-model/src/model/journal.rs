//! What happened, for anyone who watches: nothing is written down unless someone asked for it.

use super::Model;
use crate::id::{DeliveryId, JobId, RunnerId};
use crate::jobs::{Conclusion, Status};
use crate::runners::{Removal, Scope};

/// Something that happened at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A job is in another state; none before: it is new.
    Job {
        /// Which job.
        id: JobId,
        /// Its state before.
        from: Option<Status>,
        /// Its state now.
        to: Status,
        /// How it ended.
        conclusion: Option<Conclusion>,
        /// Who runs or ran it: its name.
        runner: Option<String>,
    },
    /// A job was given to a runner, or taken back from one.
    Given {
        /// Which job.
        id: JobId,
        /// The runner's name.
        runner: Option<String>,
    },
    /// A runner was registered.
    Registered {
        /// Its id.
        id: RunnerId,
        /// Its name.
        name: String,
        /// Where.
        scope: Scope,
    },
    /// A registration is gone.
    Removed {
        /// Its id.
        id: RunnerId,
        /// Its name.
        name: String,
        /// Why.
        why: Removal,
    },
    /// A delivery left, or GitHub noted that it could not.
    Sent {
        /// Of this attempt.
        id: DeliveryId,
        /// Of the event.
        guid: String,
        /// The event's action.
        action: Option<String>,
        /// The job it is about.
        job: Option<JobId>,
        /// Someone asked for it again.
        redelivery: bool,
    },
    /// A delivery is over: with this status, 0 for none.
    Answered {
        /// Of this attempt.
        id: DeliveryId,
        /// Of the event.
        guid: String,
        /// The HTTP status as GitHub has it.
        code: u16,
    },
}

/// What was written down.
#[derive(Debug, Clone, Default)]
pub struct Journal(Option<Vec<Change>>);

impl Journal {
    /// From now on changes are written down.
    pub fn keep(&mut self) {
        self.0.get_or_insert_default();
    }

    /// What was written down since the last time.
    pub fn take(&mut self) -> Vec<Change> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.0 {
            changes.push(change());
        }
    }
}

impl Model {
    /// A job came to be, or is in another state.
    pub(super) fn note_job(&mut self, id: JobId, from: Option<Status>) {
        let Some(job) = self.jobs.get(id).filter(|_| self.journal.is_kept()) else {
            return;
        };
        let runner = job.executor.as_ref().map(|executor| executor.name.clone());
        let change = Change::Job {
            id,
            from,
            to: job.status,
            conclusion: job.conclusion,
            runner,
        };
        self.journal.note(|| change);
    }

    /// Removes a runner's registration.
    pub(super) fn remove_runner(&mut self, id: RunnerId, why: Removal, now: jiff::Timestamp) {
        if let Some(runner) = self
            .runners
            .get(id)
            .filter(|runner| runner.removed.is_none())
        {
            let name = &runner.name;
            self.journal.note(|| Change::Removed {
                id,
                name: name.clone(),
                why,
            });
            self.removals += 1;
        }
        self.runners.remove(id, why, now);
    }
}
