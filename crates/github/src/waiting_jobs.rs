//! Waiting jobs of a repository: finds jobs whose delivery GitHub never sent.

use async_trait::async_trait;
use mayfly_domain::model::id::{InstallationId, JobId, RepositoryId, RunId};
use mayfly_domain::model::target::Repository;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::job::{Wire, WorkflowJob};
use crate::request::Request;
use crate::token::Permission;

/// Runs, or jobs, on one page: the most that the API gives.
const PAGE: usize = 100;

/// The most pages of one run's jobs that are read. 1,000 jobs: a matrix has at most 256
/// (docs.github.com, Actions limits), and a run with four full ones is as large as they get.
const PAGES: usize = 10;

/// Runs of these states may have jobs that wait: a run is in progress as soon as one of its jobs
/// is.
const OPEN: [&str; 2] = ["queued", "in_progress"];

/// A job that was found in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundJob {
    /// Its id.
    pub id: JobId,
    /// What GitHub shows of it.
    pub now: WorkflowJob,
}

/// Looks for jobs that wait. GitHub has no such list for an organization, so it goes repository by
/// repository, run by run. What is read may lag behind a delivery.
#[async_trait]
pub trait QueuedJobs: Send + Sync {
    /// Runs that may have jobs that wait, newest first, queued ones before those in progress: of
    /// each the newest hundred. A repository with more of them shows the others when these are
    /// through. Two calls.
    ///
    /// `None` if GitHub does not show the repository: it is not in the installation (any more), was
    /// deleted, or the App may not look at its runs. It is to be forgotten until GitHub tells of it
    /// again.
    ///
    /// # Errors
    /// Whatever keeps GitHub from answering. Nothing is known then.
    async fn waiting_runs(
        &self,
        installation: InstallationId,
        repository: &Repository,
        by: Instant,
    ) -> Result<Option<Vec<RunId>>, CallError>;

    /// The jobs of a run's latest attempt, whatever their state: at most 1,000, one call for every
    /// hundred. Empty if GitHub does not show the run. What cannot be read is left out.
    ///
    /// # Errors
    /// [`CallError::Refused`] when the App may not look at the repository's runs.
    async fn jobs_of(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        by: Instant,
    ) -> Result<Vec<FoundJob>, CallError>;
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Value>,
}

#[derive(Deserialize)]
struct Run {
    id: RunId,
    repository: Home,
}

#[derive(Deserialize)]
struct Home {
    id: RepositoryId,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Value>,
}

#[async_trait]
impl QueuedJobs for Github {
    async fn waiting_runs(
        &self,
        installation: InstallationId,
        repository: &Repository,
        by: Instant,
    ) -> Result<Option<Vec<RunId>>, CallError> {
        match self.open_runs(installation, repository, by).await {
            Ok(runs) => Ok(Some(runs)),
            Err(CallError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn jobs_of(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        by: Instant,
    ) -> Result<Vec<FoundJob>, CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::Actions,
        )?;
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "{}/actions/runs/{run}/jobs?filter=latest&per_page={PAGE}&page={page}",
                place.path
            );
            let reply = self
                .reply(&place, &Request::get("list-jobs", path), by)
                .await?;
            if reply.status.as_u16() == 404 {
                break;
            }
            let reply = reply.success(self.now())?;
            let listed: Jobs = match reply.read() {
                Ok(listed) => listed,
                Err(why) => return Err(reply.unreadable(why)),
            };
            let last = listed.jobs.len() < PAGE;
            found.extend(
                reply
                    .each::<Wire>(listed.jobs)
                    .into_iter()
                    .map(|wire| FoundJob {
                        id: wire.id,
                        now: wire.into(),
                    }),
            );
            if last {
                break;
            }
        }
        Ok(found)
    }
}

impl Github {
    async fn open_runs(
        &self,
        installation: InstallationId,
        repository: &Repository,
        by: Instant,
    ) -> Result<Vec<RunId>, CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::Actions,
        )?;
        let mut runs: Vec<RunId> = Vec::new();
        for status in OPEN {
            let path = format!(
                "{}/actions/runs?status={status}&per_page={PAGE}",
                place.path
            );
            let request = Request::get("list-runs", path);
            let mut listed = self.runs(&place, &request, by).await?;
            if listed.iter().any(|run| run.repository.id != repository.id) {
                // Everyone may read the runs of a public repository, and another one has this name
                // by now.
                self.forget_name(&place, by).await?;
                listed = self.runs(&place, &request, by).await?;
            }
            // One that went on between the two calls is in both.
            for run in listed
                .into_iter()
                .filter(|run| run.repository.id == repository.id)
            {
                if !runs.contains(&run.id) {
                    runs.push(run.id);
                }
            }
        }
        Ok(runs)
    }

    async fn runs(
        &self,
        place: &Endpoint,
        request: &Request,
        by: Instant,
    ) -> Result<Vec<Run>, CallError> {
        let reply = self.reply(place, request, by).await?.success(self.now())?;
        match reply.read::<Runs>() {
            Ok(listed) => Ok(reply.each::<Run>(listed.workflow_runs)),
            Err(why) => Err(reply.unreadable(why)),
        }
    }
}
