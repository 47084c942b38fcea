//! A task's state, as events and DescribeTasks both show it.

use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::runner::Timeline;
use mayfly_domain::model::story::TaskEnd;
use mayfly_domain::model::task::{Task, TaskStatus};

use crate::task_definition::CONTAINER;

/// What is used of a task's state.
#[derive(Debug)]
pub(crate) struct TaskState {
    pub(crate) arn: String,
    pub(crate) started_by: Option<String>,
    pub(crate) version: i64,
    pub(crate) last_status: String,
    pub(crate) desired_status: Option<String>,
    pub(crate) timeline: Timeline,
    pub(crate) stop_code: Option<String>,
    pub(crate) stopped_reason: Option<String>,
    pub(crate) containers: Vec<ContainerState>,
}

/// What is used of a container's state.
#[derive(Debug)]
pub(crate) struct ContainerState {
    pub(crate) name: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

impl TaskState {
    /// The task, if it is a runner's: `startedBy` of others' tasks is not an address.
    pub(crate) fn into_task(self) -> Option<Task> {
        let address = self.started_by?.parse().ok()?;
        let container = self
            .containers
            .into_iter()
            .find(|container| container.name.as_deref() == Some(CONTAINER));
        let (container_reason, exit_code) = container
            .map(|container| (container.reason, container.exit_code))
            .unwrap_or_default();
        Some(Task {
            arn: TaskArn(self.arn),
            address,
            version: self.version,
            status: status(&self.last_status, self.desired_status.as_deref()),
            timeline: self.timeline,
            end: TaskEnd {
                stop_code: self.stop_code,
                stopped_reason: self.stopped_reason,
                container_reason,
                exit_code,
            },
        })
    }
}

/// Where in its life a task is. Source: ECS developer guide, task lifecycle. A state that is not
/// known is judged by where the task is headed.
fn status(last: &str, desired: Option<&str>) -> TaskStatus {
    match (last, desired) {
        ("PROVISIONING" | "PENDING" | "ACTIVATING", _) => TaskStatus::Starting,
        ("RUNNING", _) => TaskStatus::Running,
        ("STOPPED" | "DELETED", _) => TaskStatus::Stopped,
        ("DEACTIVATING" | "STOPPING" | "DEPROVISIONING", _) | (_, Some("STOPPED")) => {
            TaskStatus::Stopping
        }
        _ => TaskStatus::Starting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_states_never_close_a_runner() {
        assert_eq!(status("HIBERNATING", Some("RUNNING")), TaskStatus::Starting);
        assert_eq!(status("HIBERNATING", Some("STOPPED")), TaskStatus::Stopping);
        assert_eq!(status("HIBERNATING", None), TaskStatus::Starting);
    }

    #[test]
    fn a_task_that_was_told_to_stop_runs_until_it_has_stopped() {
        assert_eq!(status("RUNNING", Some("STOPPED")), TaskStatus::Running);
        assert_eq!(
            status("DEPROVISIONING", Some("STOPPED")),
            TaskStatus::Stopping
        );
        assert_eq!(status("STOPPED", Some("STOPPED")), TaskStatus::Stopped);
    }
}
