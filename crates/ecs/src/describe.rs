//! DescribeTasks and ListTasks. Both lag behind RunTask and StopTask: that a task is not shown
//! proves nothing while it is young.

use async_trait::async_trait;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{Container, DesiredStatus};
use mayfly_domain::model::id::{RunnerAddress, TaskArn};
use mayfly_domain::model::runner::Timeline;
use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;

use crate::client::Ecs;
use crate::error::{EcsError, FailedCall};
use crate::state::{ContainerState, TaskState};

/// What ECS says of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// A runner's task.
    Task(Box<Task>),
    /// A task of someone else.
    Foreign(TaskArn),
    /// ECS does not know it: too young, or stopped more than about an hour ago.
    Missing(TaskArn),
}

/// Looks at tasks.
#[async_trait]
pub trait DescribeTasks: Send + Sync {
    /// What ECS says of these tasks, in any order.
    ///
    /// # Errors [`EcsError`] as for every call; no task is reported then.
    async fn describe(&self, tasks: &[TaskArn]) -> Result<Vec<Described>, EcsError>;

    /// The tasks of one runner, stopped ones included as long as ECS remembers them (about an
    /// hour).
    ///
    /// # Errors
    /// [`EcsError`] as for every call.
    async fn list_by_started_by(&self, runner: &RunnerAddress) -> Result<Vec<TaskArn>, EcsError>;

    /// All tasks of the cluster that are not to be stopped.
    ///
    /// # Errors
    /// [`EcsError`] as for every call.
    async fn list_all(&self) -> Result<Vec<TaskArn>, EcsError>;
}

/// Most tasks in one call. Source: ECS API reference, `DescribeTasks`.
const AT_ONCE: usize = 100;

#[async_trait]
impl DescribeTasks for Ecs {
    async fn describe(&self, tasks: &[TaskArn]) -> Result<Vec<Described>, EcsError> {
        let mut described = Vec::with_capacity(tasks.len());
        for some in tasks.chunks(AT_ONCE) {
            self.describe_some(some, &mut described).await?;
        }
        Ok(described)
    }

    async fn list_by_started_by(&self, runner: &RunnerAddress) -> Result<Vec<TaskArn>, EcsError> {
        // Without a desired status ECS lists none that was told to stop.
        let mut tasks = self.list(Some(runner), DesiredStatus::Running).await?;
        match self.list(Some(runner), DesiredStatus::Stopped).await {
            Ok(stopped) => tasks.extend(stopped),
            // ECS's API reference says that `startedBy` "must be the only filter that you use"; in
            // practice a status beside it is taken. If the whole call failed, an unanswered launch
            // would hold its job forever. Running tasks are reported all the same, and such a row
            // closes because no task runs.
            Err(refused @ EcsError::Refused(_)) => {
                tracing::error!(runner.address = %runner, error = %refused, "ECS does not list stopped tasks by startedBy: the runner's task counts as gone if none runs");
            }
            Err(problem) => return Err(problem),
        }
        Ok(tasks)
    }

    async fn list_all(&self) -> Result<Vec<TaskArn>, EcsError> {
        self.list(None, DesiredStatus::Running).await
    }
}

impl Ecs {
    async fn describe_some(
        &self,
        tasks: &[TaskArn],
        described: &mut Vec<Described>,
    ) -> Result<(), EcsError> {
        const OPERATION: &str = "DescribeTasks";
        let arns = tasks.iter().map(|task| task.0.clone()).collect();
        let call = self
            .client
            .describe_tasks()
            .cluster(&self.cluster)
            .set_tasks(Some(arns));
        let output = Box::pin(call.send())
            .await
            .map_err(|error| FailedCall::of(OPERATION, error))?;
        for task in output.tasks.unwrap_or_default() {
            let arn = task.task_arn().map(|arn| TaskArn(arn.to_owned()));
            let arn = arn.ok_or_else(|| EcsError::Unexpected {
                operation: OPERATION,
                what: "a task without an ARN".to_owned(),
            })?;
            described.push(
                state(task, &arn)
                    .into_task()
                    .map_or(Described::Foreign(arn), |task| {
                        Described::Task(Box::new(task))
                    }),
            );
        }
        for failure in output.failures.unwrap_or_default() {
            match (failure.arn, failure.reason) {
                (Some(arn), Some(reason)) if reason == "MISSING" => {
                    described.push(Described::Missing(TaskArn(arn)))
                }
                (arn, reason) => {
                    let what = format!(
                        "{} for {}",
                        reason.unwrap_or_default(),
                        arn.unwrap_or_default()
                    );
                    return Err(EcsError::Unexpected {
                        operation: OPERATION,
                        what,
                    });
                }
            }
        }
        Ok(())
    }

    async fn list(
        &self,
        runner: Option<&RunnerAddress>,
        desired: DesiredStatus,
    ) -> Result<Vec<TaskArn>, EcsError> {
        let call = self
            .client
            .list_tasks()
            .cluster(&self.cluster)
            .set_started_by(runner.map(ToString::to_string))
            .desired_status(desired);
        let mut pages = call.into_paginator().items().send();
        let mut tasks = Vec::new();
        while let Some(arn) = Box::pin(pages.next()).await {
            tasks.push(TaskArn(
                arn.map_err(|error| FailedCall::of("ListTasks", error))?,
            ));
        }
        Ok(tasks)
    }
}

fn state(task: aws_sdk_ecs::types::Task, arn: &TaskArn) -> TaskState {
    let container = |it: Container| ContainerState {
        name: it.name,
        reason: it.reason,
        exit_code: it.exit_code,
    };
    TaskState {
        arn: arn.0.clone(),
        version: task.version,
        last_status: task.last_status.unwrap_or_default(),
        desired_status: task.desired_status,
        timeline: Timeline {
            created: time(task.created_at),
            pull_started: time(task.pull_started_at),
            pull_stopped: time(task.pull_stopped_at),
            started: time(task.started_at),
            stopping: time(task.stopping_at),
            stopped: time(task.stopped_at),
        },
        stop_code: task.stop_code.map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason,
        started_by: task.started_by,
        containers: task
            .containers
            .unwrap_or_default()
            .into_iter()
            .map(container)
            .collect(),
    }
}

/// The API has seconds since 1970 as a floating point number, which lies a little beside the whole
/// millisecond that is meant (and that events have).
fn time(time: Option<DateTime>) -> Option<Timestamp> {
    let time = time?;
    let millis = time
        .secs()
        .checked_mul(1000)?
        .checked_add(i64::from((time.subsec_nanos() + 500_000) / 1_000_000))?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_milliseconds_that_are_meant() {
        for millis in [
            1_795_358_780_997_i64,
            1_795_358_781_142,
            1_795_358_780_000,
            1_795_358_780_999,
        ] {
            #[expect(clippy::cast_precision_loss, reason = "that is what the API does")]
            let seconds = millis as f64 / 1000.0;
            assert_eq!(
                time(Some(DateTime::from_secs_f64(seconds))),
                Some(Timestamp::from_millis(millis))
            );
        }
    }
}
