//! Orphans: tasks of ours that no open row names.

use crate::model::runner::Runner;
use crate::model::story::Reason;
use crate::model::task::{Task, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// What the ledger has of the runner that a task says it belongs to, read after the task was seen:
/// a row is written before its task is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrphanSnapshot<'a> {
    /// Its open row.
    pub row: Option<&'a Runner>,
    /// Its record, if it is closed.
    pub record: Option<&'a Runner>,
}

/// What is to be done about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrphanAction {
    /// Nothing: it is its row's, ends by itself, or is so young that its row or its ARN may yet be
    /// written.
    None,
    /// Its row knows no task: this is it.
    Adopt,
    /// To be stopped, for this reason: GitHub cannot know it.
    Stop(Reason),
    /// To be taken away at GitHub first, and stopped only if GitHub says that it has no job: it may
    /// have a registration.
    DeregisterFirst(Reason),
}

/// Decides about a task of ours.
#[must_use]
pub fn orphan_action(task: &Task, known: OrphanSnapshot<'_>, now: Timestamp) -> OrphanAction {
    if matches!(task.status, TaskStatus::Stopping | TaskStatus::Stopped) {
        return OrphanAction::None;
    }
    // A task whose beginning ECS does not tell has none yet.
    let old = task
        .timeline
        .created
        .is_some_and(|created| now.since(created) > timeouts::ORPHAN_TASK);
    match (known.row, known.record) {
        (Some(row), _) if row.arn.is_none() => OrphanAction::Adopt,
        (Some(row), _) if row.may_own(&task.arn) => OrphanAction::None,
        // registrar compares the caller with the row's ARN, which never changes: this task cannot
        // have got a registration.
        (Some(_), _) if old => OrphanAction::Stop(Reason::OtherTask),
        (None, Some(record)) if record.last_attempt_at.is_some() && record.may_own(&task.arn) => {
            OrphanAction::DeregisterFirst(Reason::RunnerClosed)
        }
        (None, Some(_)) => OrphanAction::Stop(Reason::RunnerClosed),
        (None, None) if old => OrphanAction::Stop(Reason::RunnerUnknown),
        (Some(_) | None, None) | (Some(_), Some(_)) => OrphanAction::None,
    }
}
