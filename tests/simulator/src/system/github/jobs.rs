//! Jobs, runs and repositories.

use async_trait::async_trait;
use mayfly_domain::model::id::{GithubRunnerId, InstallationId, JobId, RepositoryId, RunId};
use mayfly_domain::model::job::AssignedRunner;
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::target::Repository;
use mayfly_domain::transitions::reconcile::RunEnd;
use mayfly_github::{
    CallError, FoundJob, JobStatus, Jobs, QueuedJobs, Repositories, Rerun, Reruns, WorkflowJob,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{Github, Grant, Place, body, listed, time};
use mayfly_github_model::accounts::Level;

#[async_trait]
impl Jobs for Github {
    async fn job(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Option<WorkflowJob>, CallError> {
        let place = Place::of_jobs(installation, repository, Level::Read);
        let asked = self
            .ask(place.get("get-job", &format!("/jobs/{job}")), by)
            .await?;
        if asked.status() == Some(404) {
            return Ok(None);
        }
        Ok(Some(job_now(&body(asked.success(self.now())?))))
    }

    async fn run_end(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        attempt: u32,
        by: Instant,
    ) -> Result<Option<RunEnd>, CallError> {
        let place = Place::of_jobs(installation, repository, Level::Read);
        let asked = self
            .ask(
                place.get(
                    "get-run-attempt",
                    &format!("/runs/{run}/attempts/{attempt}"),
                ),
                by,
            )
            .await?;
        if asked.status() == Some(404) {
            return Ok(None);
        }
        let wire = body(asked.success(self.now())?);
        let end = RunEnd {
            conclusion: wire["conclusion"].as_str().map(str::to_owned),
            at: time(&wire["updated_at"]),
        };
        Ok((wire["status"] == "completed").then_some(end))
    }
}

#[async_trait]
impl QueuedJobs for Github {
    async fn waiting_runs(
        &self,
        installation: InstallationId,
        repository: &Repository,
        by: Instant,
    ) -> Result<Option<Vec<RunId>>, CallError> {
        let place = Place::of_jobs(installation, repository, Level::Read);
        let mut runs: Vec<RunId> = Vec::new();
        for status in ["queued", "in_progress"] {
            let found = match self
                .answer(
                    place.get("list-runs", &format!("/runs?status={status}&per_page=100")),
                    by,
                )
                .await
            {
                Ok(answer) => body(answer),
                Err(CallError::Refused { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let found = listed(&found, "workflow_runs")
                .filter_map(|run| run["id"].as_i64())
                .map(RunId);
            let fresh: Vec<RunId> = found.filter(|run| !runs.contains(run)).collect();
            runs.extend(fresh);
        }
        Ok(Some(runs))
    }

    async fn jobs_of(
        &self,
        installation: InstallationId,
        repository: &Repository,
        run: RunId,
        by: Instant,
    ) -> Result<Vec<FoundJob>, CallError> {
        let place = Place::of_jobs(installation, repository, Level::Read);
        let mut jobs = Vec::new();
        for page in 1..=10 {
            let asked = self
                .ask(
                    place.get(
                        "list-jobs",
                        &format!("/runs/{run}/jobs?filter=latest&per_page=100&page={page}"),
                    ),
                    by,
                )
                .await?;
            if asked.status() == Some(404) {
                break;
            }
            let found = body(asked.success(self.now())?);
            let found: Vec<FoundJob> = listed(&found, "jobs")
                .filter_map(|job| {
                    Some(FoundJob {
                        id: JobId(job["id"].as_i64()?),
                        now: job_now(job),
                    })
                })
                .collect();
            let last = found.len() < 100;
            jobs.extend(found);
            if last {
                break;
            }
        }
        Ok(jobs)
    }
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
        let place = Place::of_jobs(installation, repository, Level::Write);
        match self
            .answer(
                place.api_request("rerun-job", "POST", &format!("/jobs/{job}/rerun")),
                by,
            )
            .await
        {
            Ok(_) => Ok(Rerun::Asked),
            Err(CallError::Refused { message, .. }) => Ok(Rerun::Refused(message)),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Repositories for Github {
    async fn private(
        &self,
        installation: InstallationId,
        id: RepositoryId,
        name: &str,
        by: Instant,
    ) -> Result<Option<bool>, CallError> {
        let grant = Grant {
            installation,
            permission: ("metadata", Level::Read),
            repository: Some(id),
        };
        let place = Place {
            path: format!("/repos/{name}"),
            grant,
        };
        match self
            .answer(place.get("get-repository", ""), by)
            .await
            .map(body)
        {
            Ok(wire) => Ok((wire["id"].as_i64() == Some(id.0)).then_some(wire["private"] == true)),
            Err(CallError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn job_now(wire: &Value) -> WorkflowJob {
    let text = |key: &str| wire[key].as_str().map(str::to_owned);
    let runner = wire["runner_id"]
        .as_i64()
        .filter(|id| *id != 0)
        .zip(text("runner_name").filter(|name| !name.is_empty()));
    let labels: Labels = listed(wire, "labels").filter_map(Value::as_str).collect();
    WorkflowJob {
        status: serde_json::from_value::<JobStatus>(wire["status"].clone())
            .unwrap_or(JobStatus::Other),
        conclusion: text("conclusion"),
        runner: runner.map(|(id, name)| AssignedRunner {
            id: GithubRunnerId(id),
            name,
        }),
        labels,
        run: RunId(wire["run_id"].as_i64().unwrap_or_default()),
        attempt: wire["run_attempt"]
            .as_u64()
            .and_then(|attempt| attempt.try_into().ok())
            .unwrap_or(1),
        name: text("name").unwrap_or_default(),
        workflow: text("workflow_name"),
        created_at: time(&wire["created_at"]),
        started_at: time(&wire["started_at"]),
        completed_at: time(&wire["completed_at"]),
    }
}
