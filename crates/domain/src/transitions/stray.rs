//! Strays: tasks of ours that no open row names.

use crate::model::runner::Runner;
use crate::model::story::Reason;
use crate::model::task::{Task, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::times;

/// What the ledger has of the runner that a task says it belongs to, read after the task was seen: a row is written before its task is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Its open row.
    pub row: Option<&'a Runner>,
    /// Its record, if it is closed.
    pub record: Option<&'a Runner>,
}

/// What is to be done about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Nothing: it is its row's, ends by itself, or is so young that its row or its ARN may yet be written.
    None,
    /// Its row knows no task: this is it.
    Adopt,
    /// To be stopped, for this reason: GitHub cannot know it.
    Stop(Reason),
    /// To be taken away at GitHub first, and stopped only if GitHub says that it has no job: it may have a registration.
    TakeAway(Reason),
}

/// Decides about a task of ours.
#[must_use]
pub fn stray(task: &Task, known: Known<'_>, now: Timestamp) -> Stray {
    if matches!(task.status, TaskStatus::Stopping | TaskStatus::Stopped) {
        return Stray::None;
    }
    // A task whose beginning ECS does not tell has none yet.
    let old = task.timeline.created.is_some_and(|created| now.since(created) > times::STRAY_TASK);
    match (known.row, known.record) {
        (Some(row), _) if row.arn.is_none() => Stray::Adopt,
        (Some(row), _) if row.may_own(&task.arn) => Stray::None,
        // Who asks for a registration is held against the row's ARN, which never changes: this one cannot have got any.
        (Some(_), _) if old => Stray::Stop(Reason::OtherTask),
        (None, Some(record)) if record.minted_at.is_some() && record.may_own(&task.arn) => Stray::TakeAway(Reason::RunnerClosed),
        (None, Some(_)) => Stray::Stop(Reason::RunnerClosed),
        (None, None) if old => Stray::Stop(Reason::RunnerUnknown),
        (Some(_) | None, None) | (Some(_), Some(_)) => Stray::None,
    }
}
