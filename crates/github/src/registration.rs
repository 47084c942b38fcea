//! Registrations: what makes a container a runner of one job.

use async_trait::async_trait;
use mayfly_domain::model::id::{GithubRunnerId, RunnerName};
use mayfly_domain::model::target::{Target, TargetScope};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::{CallError, REGISTER, RegisterError};
use crate::github::Github;
use crate::group_ids::GroupName;
use crate::reply::Reply;
use crate::request::{NoResponse, Request, Sent};
use mayfly_domain::model::secret::Secret;

/// The runner group of every repository-level runner: a repository has only the default one, but
/// the API asks.
const DEFAULT_GROUP: i64 = 1;

/// A registration that GitHub made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The runner as GitHub knows it from now on.
    pub id: GithubRunnerId,
    /// What the runner program starts with (`encoded_jit_config`, some 4 KB): anyone who has it is
    /// that runner.
    pub jit_config: Secret,
}

/// Makes registrations.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// Registers a runner for one job at `target`, under `name`, by `by`. One call to GitHub
    /// (`generate-jitconfig`), besides those for a token and for the group's id that are kept.
    ///
    /// # Errors
    /// [`RegisterError::Unsure`] and [`RegisterError::Conflict`] when a registration of this name
    /// may exist, or does; with all others none does. `RefusedForGood` speaks of this target only,
    /// `RateLimited` of its installation.
    async fn register(
        &self,
        target: &Target,
        name: &RunnerName,
        by: Instant,
    ) -> Result<Registration, RegisterError>;
}

#[derive(Deserialize)]
struct Wire {
    runner: WireRunner,
    encoded_jit_config: String,
}

#[derive(Deserialize)]
struct WireRunner {
    id: i64,
}

#[async_trait]
impl Registrations for Github {
    async fn register(
        &self,
        target: &Target,
        name: &RunnerName,
        by: Instant,
    ) -> Result<Registration, RegisterError> {
        let place = Endpoint::of_runners(target)?;
        let group = group_of(target);
        let group_id = match &group {
            Some(group) => self.group_id(&place, group, by).await?,
            None => DEFAULT_GROUP,
        };
        let labels: Vec<&str> = target.labels.iter().collect();
        let body =
            json!({ "name": name.to_string(), "runner_group_id": group_id, "labels": labels });
        let request = Request::post(
            REGISTER,
            format!("{}/actions/runners/generate-jitconfig", place.path),
            body,
        );
        let registered = self.made(self.ask(&place, &request, by).await?);
        if let (Err(RegisterError::RefusedForGood { .. }), Some(group)) = (&registered, &group) {
            // The group may be gone, and another have its name.
            self.app().await?.groups.forget(group);
        }
        registered
    }
}

impl Github {
    /// The result of the one request that creates a registration.
    fn made(&self, answer: Result<Reply, NoResponse>) -> Result<Registration, RegisterError> {
        let reply = answer.map_err(|lost| match lost {
            NoResponse {
                sent: Sent::Maybe,
                message,
                call,
            } => RegisterError::Unsure { message, call },
            unsent => CallError::from(unsent).into(),
        })?;
        if reply.status == http::StatusCode::CONFLICT {
            return Err(RegisterError::Conflict {
                message: reply.message(),
                call: reply.call,
            });
        }
        // GitHub, or something before it, may fail after the registration was made.
        if reply.status.is_server_error() || reply.status == http::StatusCode::REQUEST_TIMEOUT {
            return Err(RegisterError::Unsure {
                message: reply.message(),
                call: reply.call,
            });
        }
        let reply = reply.success(self.now())?;
        match reply.read::<Wire>() {
            Ok(wire) => Ok(Registration {
                id: GithubRunnerId(wire.runner.id),
                jit_config: Secret::new(wire.encoded_jit_config),
            }),
            Err(message) => Err(RegisterError::Unsure {
                message,
                call: reply.call,
            }),
        }
    }
}

fn group_of(target: &Target) -> Option<GroupName> {
    match &target.scope {
        TargetScope::Repository { .. } => None,
        TargetScope::Organization { id, group, .. } => {
            Some((target.installation, *id, group.clone()))
        }
    }
}
