//! Jobs and runs of a repository.

use super::{Operation, pages, status_named};
use crate::id::{JobId, RepositoryId, RunId};
use crate::jobs::{Job, Run, Status};
use crate::model::Model;
use crate::runners::Scope;
use crate::shape;
use crate::wire::{Answer, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Model {
    pub(super) fn perform_on_jobs(
        &mut self,
        scope: Scope,
        operation: &Operation,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        let Scope::Repository(repository) = scope else {
            return Answer::not_found();
        };
        match operation {
            Operation::GetJob(_, id) => self.job_answer(repository, *id),
            Operation::ListRuns(_) => self.runs_page(repository, request),
            Operation::GetRun(_, id) => self
                .run_in(repository, *id)
                .map_or_else(Answer::not_found, |run| {
                    Answer::json(200, shape::run::run(self, run))
                }),
            Operation::GetAttempt(_, id, attempt) => self.attempt_answer(repository, *id, *attempt),
            Operation::ListJobs(_, id, attempt) => {
                self.jobs_page(operation.name(), repository, (*id, *attempt), request)
            }
            Operation::Rerun(_, id) => self.rerun_answer(repository, *id, now),
            _ => Answer::not_found(),
        }
    }

    fn run_in(&self, repository: RepositoryId, id: RunId) -> Option<&Run> {
        self.jobs.run(id).filter(|run| run.repository == repository)
    }

    /// A run as it was in one of its attempts.
    fn attempt_answer(&self, repository: RepositoryId, id: RunId, attempt: u32) -> Answer {
        match self.run_in(repository, id) {
            Some(run) if attempt == run.attempt => Answer::json(200, shape::run::run(self, run)),
            Some(run) if (1..run.attempt).contains(&attempt) => Answer::json(
                200,
                shape::run::run(
                    self,
                    &Run {
                        attempt,
                        ended: None,
                        ..run.clone()
                    },
                ),
            ),
            _ => Answer::not_found(),
        }
    }

    fn job_answer(&mut self, repository: RepositoryId, id: JobId) -> Answer {
        let Some(job) = self.jobs.get(id).filter(|job| job.repository == repository) else {
            return Answer::not_found();
        };
        let stale = self.faults.api.concerns("actions/get-job-for-workflow-run")
            && self.chance.hits(self.faults.api.stale);
        match if stale {
            earlier(job)
        } else {
            Some(job.clone())
        } {
            Some(seen) => Answer::json(200, shape::job::rest(self, &seen)),
            None => Answer::not_found(),
        }
    }

    fn runs_page(&self, repository: RepositoryId, request: &Request) -> Answer {
        let wanted = request.query.get("status").map(String::as_str);
        let matches = |run: &&Run| match wanted {
            None => true,
            Some(word) => match status_named(word) {
                Some(status) => shape::run::status(self, run) == status,
                None => shape::run::run(self, run)["conclusion"] == *word,
            },
        };
        let runs: Vec<&Run> = self
            .jobs
            .runs()
            .rev()
            .filter(|run| run.repository == repository)
            .filter(matches)
            .collect();
        let lines = runs.into_iter().map(|run| shape::run::run(self, run));
        pages::page(&self.urls.api, request, Some("workflow_runs"), lines)
    }

    fn jobs_page(
        &mut self,
        operation: &str,
        repository: RepositoryId,
        listed: (RunId, Option<u32>),
        request: &Request,
    ) -> Answer {
        let (id, attempt) = listed;
        let Some(run) = self.run_in(repository, id) else {
            return Answer::not_found();
        };
        let attempt = attempt.unwrap_or(run.attempt);
        if attempt == 0 || attempt > run.attempt {
            return Answer::not_found();
        }
        let stale = self.faults.api.concerns(operation) && self.chance.hits(self.faults.api.stale);
        let seen = |job: &Job| {
            if stale {
                earlier(job)
            } else {
                Some(job.clone())
            }
        };
        let lines: Vec<Value> = self
            .jobs
            .of_run(id, attempt)
            .filter_map(seen)
            .map(|job| shape::job::rest(self, &job))
            .collect();
        pages::page(&self.urls.api, request, Some("jobs"), lines)
    }

    /// A job is run again only when its whole run is over (cli/cli#9221; the words are quoted in
    /// NVIDIA-NeMo/RL#1193).
    fn rerun_answer(&mut self, repository: RepositoryId, id: JobId, now: Timestamp) -> Answer {
        let Some(job) = self.jobs.get(id).filter(|job| job.repository == repository) else {
            return Answer::not_found();
        };
        let over = |run: &Run| shape::run::status(self, run) == Status::Completed;
        if !self.jobs.run(job.run).is_some_and(over) {
            return Answer::message(
                403,
                "The workflow run containing this job is already running",
            );
        }
        match self.rerun(id, now) {
            Some(_) => Answer::json(201, json!({})),
            None => Answer::not_found(),
        }
    }
}

/// What a job was before its last change; none if it was not there yet.
fn earlier(job: &Job) -> Option<Job> {
    let mut earlier = job.clone();
    earlier.conclusion = None;
    earlier.completed_at = None;
    match job.status {
        Status::Completed if job.started_at.is_some() => earlier.status = Status::InProgress,
        Status::Completed => earlier.status = Status::Queued,
        Status::InProgress => {
            (earlier.status, earlier.started_at, earlier.executor) = (Status::Queued, None, None);
        }
        Status::Queued | Status::Waiting | Status::Pending => return None,
    }
    Some(earlier)
}
