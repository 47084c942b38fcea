//! Task definitions are registered when the first launch needs them.

use async_trait::async_trait;
use aws_sdk_ecs::types::{TaskDefinition, TaskDefinitionStatus};

use crate::client::Ecs;
use crate::error::{EcsError, FailedCall};
use crate::task_definition::TaskDefinitionSpec;

/// Knows task definitions.
#[async_trait]
pub trait TaskDefinitions: Send + Sync {
    /// The ARN of a revision with that content; registered if there is none. Two at once may
    /// register it twice, which is harmless: the content is the same.
    ///
    /// # Errors
    /// [`EcsError::Transient`] if ECS cannot say or is asked too often (it registers one a second);
    /// [`EcsError::Refused`] if it takes no such definition.
    async fn ensure(&self, definition: &TaskDefinitionSpec) -> Result<String, EcsError>;
}

#[async_trait]
impl TaskDefinitions for Ecs {
    async fn ensure(&self, definition: &TaskDefinitionSpec) -> Result<String, EcsError> {
        let family = definition.family();
        let known = self.definitions().get(&family).cloned();
        if let Some(arn) = known {
            return Ok(arn);
        }
        let arn = match self
            .newest(&family)
            .await?
            .filter(|found| definition.is(found))
            .and_then(|found| found.task_definition_arn)
        {
            Some(arn) => arn,
            None => self.register(definition).await?,
        };
        self.definitions().insert(family, arn.clone());
        Ok(arn)
    }
}

impl Ecs {
    /// The newest active revision of a family.
    async fn newest(&self, family: &str) -> Result<Option<TaskDefinition>, EcsError> {
        match Box::pin(
            self.client
                .describe_task_definition()
                .task_definition(family)
                .send(),
        )
        .await
        {
            Ok(output) => Ok(output
                .task_definition
                .filter(|found| found.status() == Some(&TaskDefinitionStatus::Active))),
            Err(error) => {
                let call = FailedCall::of("DescribeTaskDefinition", error);
                // ECS has no code of its own for a family that it does not know, and its words are
                // not promised. If ECS means something else by it, the registration that follows is
                // harmless (the content is the same) or gets the same answer.
                if call.is("ClientException") {
                    Ok(None)
                } else {
                    Err(call.into())
                }
            }
        }
    }

    async fn register(&self, definition: &TaskDefinitionSpec) -> Result<String, EcsError> {
        let output = Box::pin(definition.call(&self.client).send())
            .await
            .map_err(|error| FailedCall::of("RegisterTaskDefinition", error))?;
        let registered = output
            .task_definition
            .and_then(|registered| registered.task_definition_arn);
        let arn = registered.ok_or_else(|| EcsError::Unexpected {
            operation: "RegisterTaskDefinition",
            what: "a task definition without an ARN".to_owned(),
        })?;
        tracing::info!(
            definition.arn = arn,
            image = definition.image,
            "registered a task definition"
        );
        Ok(arn)
    }
}
