//! StopTask.

use async_trait::async_trait;
use mayfly_domain::model::id::TaskArn;

use crate::client::Ecs;
use crate::error::{EcsError, FailedCall};

/// Most characters of a reason that ECS keeps. Source: ECS API reference, `StopTask.reason` (shown
/// to 255 characters).
const REASON: usize = 255;

/// Stops tasks.
#[async_trait]
pub trait StopTask: Send + Sync {
    /// Stops a task; the reason becomes part of ECS's. A task that is stopped, or unknown to ECS,
    /// is a success.
    ///
    /// # Errors
    /// [`EcsError::Transient`] if it may still run; [`EcsError::Refused`] if ECS does not let us.
    async fn stop(&self, task: &TaskArn, reason: &str) -> Result<(), EcsError>;
}

#[async_trait]
impl StopTask for Ecs {
    async fn stop(&self, task: &TaskArn, reason: &str) -> Result<(), EcsError> {
        let reason: String = reason.chars().take(REASON).collect();
        match Box::pin(
            self.client
                .stop_task()
                .cluster(&self.cluster)
                .task(&task.0)
                .reason(reason)
                .send(),
        )
        .await
        {
            Ok(_) => Ok(()),
            Err(error) => {
                let call = FailedCall::of("StopTask", error);
                if call.is("InvalidParameterException") && call.message.contains("not found") {
                    Ok(())
                } else {
                    Err(call.into())
                }
            }
        }
    }
}
