//! StopTask.

use async_trait::async_trait;
use mayfly_domain::model::id::TaskArn;

use crate::error::{FailedCall, FleetError};
use crate::fleet::Fleet;

/// Most characters of a reason that ECS keeps. Source: ECS API reference, `StopTask.reason` (shown to 255 characters).
const REASON: usize = 255;

/// Stops tasks.
#[async_trait]
pub trait Stopper: Send + Sync {
    /// Stops a task; the reason becomes part of ECS's. A task that is stopped, or unknown to ECS, is a success.
    ///
    /// # Errors
    /// [`FleetError::Transient`] if it may still run; [`FleetError::Refused`] if ECS does not let us.
    async fn stop(&self, task: &TaskArn, reason: &str) -> Result<(), FleetError>;
}

#[async_trait]
impl Stopper for Fleet {
    async fn stop(&self, task: &TaskArn, reason: &str) -> Result<(), FleetError> {
        let reason: String = reason.chars().take(REASON).collect();
        match Box::pin(self.client.stop_task().cluster(&self.cluster).task(&task.0).reason(reason).send()).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let call = FailedCall::of("StopTask", error);
                if call.is("InvalidParameterException") && call.message.contains("not found") { Ok(()) } else { Err(call.into()) }
            }
        }
    }
}
