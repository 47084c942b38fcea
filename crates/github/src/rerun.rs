//! Jobs that should run again.

use async_trait::async_trait;
use mayfly_domain::model::id::{InstallationId, JobId};
use mayfly_domain::model::target::Repository;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;
use crate::token::Permission;

/// The result of asking GitHub to run a job again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// GitHub runs it again, and the jobs that depend on it: as new jobs, of the run's next attempt
    /// (201).
    Asked,
    /// It does not, with its words: the run is not over yet, though the job is (403, and it will be
    /// possible later), it is older than 30 days or was run again 50 times (docs.github.com,
    /// "Re-running workflows and jobs"), it is gone, the repository is not in the installation, or
    /// the App was not granted `actions: write`.
    Refused(String),
}

/// Runs jobs again. Needs the App's permission `actions: write`, which nothing else does.
#[async_trait]
pub trait Reruns: Send + Sync {
    /// Asks for a job that is over to run again. One call.
    ///
    /// # Errors
    /// After [`CallError::Unavailable`] it may have been asked for; asking again is harmless: a run
    /// that goes on already is refused. Never [`CallError::Refused`].
    async fn rerun(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Rerun, CallError>;
}

#[async_trait]
impl Reruns for Github {
    async fn rerun(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Rerun, CallError> {
        match self.ask_to_rerun(installation, repository, job, by).await {
            Ok(()) => Ok(Rerun::Asked),
            Err(CallError::Refused { message, .. }) => Ok(Rerun::Refused(message)),
            Err(error) => Err(error),
        }
    }
}

impl Github {
    async fn ask_to_rerun(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<(), CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::ActionsWrite,
        )?;
        let request = Request::post_empty(
            "rerun-job",
            format!("{}/actions/jobs/{job}/rerun", place.path),
        );
        self.reply(&place, &request, by)
            .await?
            .success(self.now())
            .map(|_| ())
    }
}
