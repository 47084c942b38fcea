//! Jobs as GitHub sees them now.

use async_trait::async_trait;
use mayfly_domain::model::id::{GithubRunnerId, InstallationId, JobId, RunId};
use mayfly_domain::model::job::AssignedRunner;
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::reconcile::RunEnd;
use serde::Deserialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;
use crate::timestamp;
use crate::token::Permission;

/// Where a job is, by GitHub's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits for a runner.
    Queued,
    /// A runner works on it.
    InProgress,
    /// It is over.
    Completed,
    /// An environment's protection rule holds it back.
    Waiting,
    /// A concurrency group holds it back.
    Pending,
    /// It was asked for.
    Requested,
    /// Something that GitHub has added since.
    #[serde(other)]
    Other,
}

/// A job as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowJob {
    /// Where it is.
    pub status: JobStatus,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The runner that it was given to.
    pub runner: Option<AssignedRunner>,
    /// `runs-on`.
    pub labels: Labels,
    /// Its run.
    pub run: RunId,
    /// The run's attempt, from 1.
    pub attempt: u32,
    /// Its name in the workflow.
    pub name: String,
    /// The workflow's name.
    pub workflow: Option<String>,
    /// When it came to be, by GitHub's clock.
    pub created_at: Option<Timestamp>,
    /// When it began, by GitHub's clock. Of a job that has not begun: when it was queued last.
    pub started_at: Option<Timestamp>,
    /// When it was over, by GitHub's clock.
    pub completed_at: Option<Timestamp>,
}

/// Looks at jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// One job; `None` if GitHub does not show it: the run was deleted, or the App may no longer
    /// see the repository. One "not queued" proves nothing: what is read may lag behind a delivery.
    ///
    /// # Errors
    /// [`CallError::Refused`] when there is no token for the repository (not in the installation
    /// any more, `actions: read` not granted).
    async fn job(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Option<WorkflowJob>, CallError>;

    /// How an attempt of a run ended; `None` if it is not over, or GitHub does not show it.
    ///
    /// Source: docs.github.com, REST "Get a workflow run attempt". The run itself would not do: run
    /// again, it is open, and the jobs of its earlier attempts are over all the same.
    ///
    /// # Errors
    /// As [`Jobs::job`].
    async fn run_end(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        attempt: u32,
        by: Instant,
    ) -> Result<Option<RunEnd>, CallError>;
}

#[derive(Deserialize)]
struct RunWire {
    status: Option<JobStatus>,
    conclusion: Option<String>,
    #[serde(default, deserialize_with = "timestamp::shown")]
    updated_at: Option<Timestamp>,
}

/// A job as the API shows it, alone or in a list.
#[derive(Deserialize)]
pub(crate) struct Wire {
    pub(crate) id: JobId,
    run_id: i64,
    run_attempt: Option<u32>,
    status: JobStatus,
    conclusion: Option<String>,
    runner_id: Option<i64>,
    runner_name: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    name: String,
    workflow_name: Option<String>,
    #[serde(default, deserialize_with = "timestamp::shown")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "timestamp::shown")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "timestamp::shown")]
    completed_at: Option<Timestamp>,
}

impl From<Wire> for WorkflowJob {
    fn from(wire: Wire) -> Self {
        let runner = match (wire.runner_id, wire.runner_name) {
            // A job that never had a runner shows 0 and an empty name, or null.
            (Some(id), Some(name)) if id != 0 && !name.is_empty() => Some(AssignedRunner {
                id: GithubRunnerId(id),
                name,
            }),
            _ => None,
        };
        Self {
            status: wire.status,
            conclusion: wire.conclusion,
            runner,
            labels: wire.labels.into(),
            run: RunId(wire.run_id),
            attempt: wire.run_attempt.unwrap_or(1),
            name: wire.name,
            workflow: wire.workflow_name,
            created_at: wire.created_at,
            started_at: wire.started_at,
            completed_at: wire.completed_at,
        }
    }
}

#[async_trait]
impl Jobs for Github {
    async fn job(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Option<WorkflowJob>, CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::Actions,
        )?;
        let request = Request::get("get-job", format!("{}/actions/jobs/{job}", place.path));
        let reply = self.reply(&place, &request, by).await?;
        if reply.status.as_u16() == 404 {
            return Ok(None);
        }
        let reply = reply.success(self.now())?;
        match reply.read::<Wire>() {
            Ok(wire) => Ok(Some(wire.into())),
            Err(why) => Err(reply.unreadable(why)),
        }
    }

    async fn run_end(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        attempt: u32,
        by: Instant,
    ) -> Result<Option<RunEnd>, CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::Actions,
        )?;
        let path = format!(
            "{}/actions/runs/{run}/attempts/{attempt}?exclude_pull_requests=true",
            place.path
        );
        let reply = self
            .reply(&place, &Request::get("get-run-attempt", path), by)
            .await?;
        if reply.status.as_u16() == 404 {
            return Ok(None);
        }
        let reply = reply.success(self.now())?;
        match reply.read::<RunWire>() {
            Ok(wire) => {
                let over = wire.status == Some(JobStatus::Completed);
                Ok(over.then_some(RunEnd {
                    conclusion: wire.conclusion,
                    at: wire.updated_at,
                }))
            }
            Err(why) => Err(reply.unreadable(why)),
        }
    }
}
