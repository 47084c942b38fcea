//! How a runner's row may end.

use crate::model::start_failure::FailureKind;
use crate::model::task::Task;

/// Why a runner's row may be closed: no task of it can exist any more.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// ECS says that its task has stopped.
    Stopped(&'a Task),
    /// Its launch failed for good and made no task.
    NeverStarted(FailureKind, &'a str),
    /// ECS, asked twice long after the last send, knows no such task.
    Missing,
}
