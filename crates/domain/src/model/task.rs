//! A task as ECS describes it, and what its news changes in a runner's row.

use serde::{Deserialize, Serialize};

use crate::model::id::{RunnerAddress, TaskArn};
use crate::model::runner::{Runner, Timeline};
use crate::model::story::TaskEnd;

/// A task of ours as ECS describes it, in an event or when asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its ARN.
    pub arn: TaskArn,
    /// Its runner (`startedBy`).
    pub address: RunnerAddress,
    /// Increases with every change of the task; an event whose version is not newer than the last
    /// one is ignored.
    pub version: i64,
    /// How far it has come.
    pub status: TaskStatus,
    /// When things happened.
    pub timeline: Timeline,
    /// How it ended; nothing before that.
    pub end: TaskEnd,
}

/// How far a task has come, as far as that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Not running yet.
    Starting,
    /// Its container runs.
    Running,
    /// On its way to its end.
    Stopping,
    /// Gone.
    Stopped,
}

impl Runner {
    /// True if the task is, or may become, this runner's: its ARN is unknown or the same.
    #[must_use]
    pub fn may_own(&self, arn: &TaskArn) -> bool {
        self.arn.as_ref().is_none_or(|own| own == arn)
    }

    /// The runner after news of its task; `None` if that is no news, or another task's. An unknown
    /// ARN is adopted.
    #[must_use]
    pub fn with_task(&self, task: &Task) -> Option<Self> {
        if !self.may_own(&task.arn) || (self.arn.is_some() && task.version <= self.task_version) {
            return None;
        }
        let mut after = self.clone();
        after.set_task(&task.arn);
        after.task_version = task.version;
        after.timeline = later(self.timeline, task.timeline);
        Some(after)
    }

    /// True if ECS's answer about the runner `asked`, as read before, still applies to this row: it
    /// was not sent again since, and no task of it became known.
    #[must_use]
    pub fn was_asked_about(&self, asked: &Self) -> bool {
        self.launch.sent_at == asked.launch.sent_at && self.arn == asked.arn
    }

    /// True if GitHub's answer that the runner `asked`, as read before, has no job still applies to
    /// this row: it has no other registration since, and no work.
    #[must_use]
    pub fn is_idle_as(&self, asked: &Self) -> bool {
        self.work.is_none() && self.registration_attempt == asked.registration_attempt
    }
}

/// The union of two timelines; the newer one's word counts.
fn later(old: Timeline, new: Timeline) -> Timeline {
    Timeline {
        created: new.created.or(old.created),
        pull_started: new.pull_started.or(old.pull_started),
        pull_stopped: new.pull_stopped.or(old.pull_stopped),
        started: new.started.or(old.started),
        stopping: new.stopping.or(old.stopping),
        stopped: new.stopped.or(old.stopped),
    }
}
