//! RunTask: one call, and what its answer says for sure.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ecs::config::Config;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::operation::run_task::{RunTaskError, RunTaskOutput};
use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::timeouts;

use crate::client::Ecs;
use crate::error::{FailedCall, Verdict};
use crate::launch_failure::{self, LaunchFailure};
use crate::request::LaunchRequest;

/// What is known after a launch was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchAnswer {
    /// The task exists: made now, or by an earlier send under the same token.
    Started(TaskArn),
    /// This send started nothing. Speaks for this send alone, unless it says `no_place`: an earlier
    /// one that got no answer may have.
    Failed {
        /// What kind of failure.
        kind: LaunchFailure,
        /// ECS's words.
        reason: String,
        /// ECS looked for a place for the task and found none. It does so only under a token
        /// without a task: no earlier send under the same token, if it is over, has made one.
        /// Source: ECS developer guide, "Ensuring idempotency": a repeated request gets the first
        /// one's task.
        no_place: bool,
    },
    /// A task may exist or not: the same request is to be sent again under the same token.
    Unsure {
        /// What happened, in words.
        reason: String,
        /// When another try makes sense within the same run; none: not in this run.
        retry_after: Option<Duration>,
        /// False if ECS answered that it did nothing this time (it throttled the call).
        may_have_started: bool,
    },
}

/// Starts tasks.
#[async_trait]
pub trait RunTask: Send + Sync {
    /// Sends one request for one task. The same request under the same token starts at most one
    /// task, as long as ECS keeps the token (an hour after the task's end; see
    /// `mayfly_domain::model::timeouts::SEND_WITHIN`).
    ///
    /// Failures are answers. Dropping the future before it ends leaves the launch unsure.
    async fn launch(&self, request: &LaunchRequest, client_token: &str) -> LaunchAnswer;
}

/// The wait after a throttled call: RunTask's bucket is full again after a second (20 calls, 20/s).
const AFTER_THROTTLE: Duration = Duration::from_secs(1);

/// The wait after a broken connection or a fault of ECS: a connection that was kept while Lambda
/// froze the process is dead at its next use, a new one works at once.
const AFTER_BREAK: Duration = Duration::from_millis(200);

#[async_trait]
impl RunTask for Ecs {
    async fn launch(&self, request: &LaunchRequest, client_token: &str) -> LaunchAnswer {
        self.run(request, client_token, None).await
    }
}

impl Ecs {
    /// One call of RunTask.
    pub(crate) async fn run(
        &self,
        request: &LaunchRequest,
        client_token: &str,
        command: Option<Vec<String>>,
    ) -> LaunchAnswer {
        // The SDK's own retries would be harmless (same token) but they sleep without knowing the
        // deadline and spend calls that the pace does not count: `launch_all` and the resend of the
        // ledger are the retries.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(timeouts::RUN_TASK)
            .build();
        let once = Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let call = request
            .call(&self.client, client_token, command)
            .customize()
            .config_override(once);
        match Box::pin(call.send()).await {
            Ok(output) => answered(&output),
            Err(error) => {
                let adopted = error.as_service_error().and_then(conflicting);
                adopted.map_or_else(
                    || self.failed(request, &FailedCall::of("RunTask", error)),
                    LaunchAnswer::Started,
                )
            }
        }
    }

    fn failed(&self, request: &LaunchRequest, call: &FailedCall) -> LaunchAnswer {
        tracing::warn!(
            runner.address = %request.runner,
            aws.operation = call.operation,
            aws.code = call.code,
            aws.request_id = call.request_id,
            http.status = call.status,
            error = call.message,
            "a launch failed"
        );
        if call.message.contains("TaskDefinition") {
            // Someone deregistered it: the next launch registers it again.
            self.definitions()
                .retain(|_, arn| *arn != request.definition);
        }
        failed(call)
    }
}

fn answered(output: &RunTaskOutput) -> LaunchAnswer {
    let unsure = |reason: &str| LaunchAnswer::Unsure {
        reason: reason.to_owned(),
        retry_after: None,
        may_have_started: true,
    };
    if let [task, ..] = output.tasks() {
        return task.task_arn().map_or_else(
            || unsure("ECS returned a task without an ARN"),
            |arn| LaunchAnswer::Started(TaskArn(arn.into())),
        );
    }
    let Some(failure) = output.failures().first() else {
        return unsure("ECS returned neither a task nor a failure");
    };
    let reason = failure.reason().unwrap_or("no reason given");
    let words = failure
        .detail()
        .map_or_else(|| reason.to_owned(), |detail| format!("{reason}: {detail}"));
    let no_place = launch_failure::scarcity(&words) == Some(LaunchFailure::Capacity);
    LaunchAnswer::Failed {
        kind: launch_failure::failure(&words),
        reason: words,
        no_place,
    }
}

/// The task that this token has already. The request differs from the one that made it (which
/// should not be), the task is ours all the same.
fn conflicting(error: &RunTaskError) -> Option<TaskArn> {
    match error {
        RunTaskError::ConflictException(conflict) => conflict
            .resource_ids()
            .first()
            .map(|arn| TaskArn(arn.clone())),
        _ => None,
    }
}

fn failed(call: &FailedCall) -> LaunchAnswer {
    let reason = call.in_words();
    if let (Some(kind), Some(_)) = (launch_failure::scarcity(&call.message), &call.code) {
        return LaunchAnswer::Failed {
            kind,
            reason,
            no_place: false,
        };
    }
    let unsure = |retry_after, may_have_started| LaunchAnswer::Unsure {
        reason: reason.clone(),
        retry_after,
        may_have_started,
    };
    match call.verdict {
        // A conflict without a task: one was made under this token, and ECS does not say which.
        Verdict::Refused if call.code.as_deref() == Some("ConflictException") => unsure(None, true),
        Verdict::Refused => LaunchAnswer::Failed {
            kind: if call.is_denied() {
                LaunchFailure::Denied
            } else {
                LaunchFailure::Configuration
            },
            reason,
            no_place: false,
        },
        Verdict::Throttled => unsure(Some(AFTER_THROTTLE), false),
        Verdict::Broken => unsure(Some(AFTER_BREAK), true),
        Verdict::Late => unsure(None, true),
    }
}
