//! What happened, for anyone who watches: nothing is written down unless someone asked for it.

use super::status::{DesiredStatus, LastStatus};
use super::task::Task;
use jiff::Timestamp;
use std::time::Duration;

/// Something that happened at ECS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `RunTask` took effect.
    Started {
        /// The task's id.
        task: String,
        /// Its `startedBy`.
        started_by: String,
    },
    /// `StopTask` named a task that there is.
    StopAsked {
        /// The task's id.
        task: String,
        /// Its `startedBy`.
        started_by: String,
        /// The reason that was given.
        reason: String,
    },
    /// Reads leave a task out that is there.
    LeftOut {
        /// The task's id.
        task: String,
        /// Its `startedBy`.
        started_by: String,
        /// For so long from now on.
        lasts: Duration,
    },
    /// A task is somewhere else in its life.
    Moved {
        /// The task's id.
        task: String,
        /// Its `startedBy`.
        started_by: String,
        /// Where it is.
        last: LastStatus,
        /// Where ECS wants it.
        desired: DesiredStatus,
        /// Why it ends.
        reason: Option<String>,
    },
    /// A container's main process ended.
    Exited {
        /// The task's id.
        task: String,
        /// Its `startedBy`.
        started_by: String,
        /// With this code.
        code: i32,
    },
}

/// What was written down, and when.
#[derive(Clone, Debug, Default)]
pub struct Journal(Option<Vec<(Timestamp, Change)>>);

impl Journal {
    /// From now on changes are written down.
    pub fn keep(&mut self) {
        self.0.get_or_insert_default();
    }

    /// What was written down since the last time.
    pub fn take(&mut self) -> Vec<(Timestamp, Change)> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn note(
        &mut self,
        at: Timestamp,
        task: &Task,
        change: impl FnOnce(String, String) -> Change,
    ) {
        if let Some(changes) = &mut self.0 {
            changes.push((
                at,
                change(
                    task.id.to_string(),
                    task.started_by.clone().unwrap_or_default(),
                ),
            ));
        }
    }
}
