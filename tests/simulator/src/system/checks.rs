//! What a test asks of a system: the ledger, ECS and GitHub as they are, not as anyone sees them.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::runner::Runner;
use mayfly_ledger::key::Key;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::System;
use mayfly_fargate_model::Operation;
use mayfly_github_model::id;
use mayfly_github_model::jobs::{Conclusion, Status};

impl System {
    /// Items of the table that can be read as this.
    fn items<T: DeserializeOwned>(&self, prefix: &str, wanted: impl Fn(&Key) -> bool) -> Vec<T> {
        self.world.table.with(|table| {
            let items = table.settled_in(prefix).filter(|(key, _)| wanted(key));
            items
                .filter_map(|(_, item)| serde_dynamo::from_item(item.clone()).ok())
                .collect()
        })
    }

    /// Open runners of all pools, by id.
    #[must_use]
    pub fn runners(&self) -> Vec<Runner> {
        self.items("pool#", |key| key.sk.starts_with("runner#"))
    }

    /// Records of closed runners, by id.
    #[must_use]
    pub fn closed_runners(&self) -> Vec<Runner> {
        let mut all: Vec<Runner> = self.items("runner#", |_| true);
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Rows of waiting jobs.
    #[must_use]
    pub fn waiting(&self) -> Vec<WaitingJob> {
        self.items("pool#", |key| key.sk.starts_with("job#"))
    }

    /// A job's record.
    #[must_use]
    pub fn job(&self, job: JobId) -> Option<JobRecord> {
        let key = mayfly_ledger::key::job_record(job);
        self.world
            .table
            .with(|table| serde_dynamo::from_item(table.settled_item(&key)?.clone()).ok())
    }

    /// Tasks of ECS that have not stopped.
    #[must_use]
    pub fn live_tasks(&self) -> Vec<Value> {
        self.world
            .see_ecs(mayfly_fargate_model::Fargate::live_task_views)
    }

    /// How many tasks were ever started, and how many lived at once at most.
    #[must_use]
    pub fn launched_and_most_live(&self) -> (u64, usize) {
        self.world
            .see_ecs(mayfly_fargate_model::Fargate::launched_and_most_live)
    }

    /// How often ECS was called so.
    #[must_use]
    pub fn ecs_calls(&self, operation: Operation) -> u64 {
        self.world
            .see_ecs(|ecs| ecs.calls().get(&operation).copied().unwrap_or_default())
    }

    /// Where a job is at GitHub.
    #[must_use]
    pub fn at_github(&self, job: JobId) -> Option<(Status, Option<Conclusion>)> {
        self.world.see_github(|github, _| {
            github
                .job(id::JobId(job.0))
                .map(|job| (job.status, job.conclusion))
        })
    }

    /// How many steps of a job really ran.
    #[must_use]
    pub fn steps_run(&self, job: JobId) -> usize {
        self.world.see_github(|github, _| {
            github
                .job(id::JobId(job.0))
                .map_or(0, |job| job.steps.len())
        })
    }

    /// Which runner has, or had, a job at GitHub: its name.
    #[must_use]
    pub fn runner_at_github(&self, job: JobId) -> Option<String> {
        self.world.see_github(|github, _| {
            Some(
                github
                    .job(id::JobId(job.0))?
                    .executor
                    .as_ref()?
                    .name
                    .clone(),
            )
        })
    }

    /// True if the jobs are over at GitHub, well.
    #[must_use]
    pub fn all_done(&self, jobs: &[JobId]) -> bool {
        jobs.iter()
            .all(|job| self.at_github(*job) == Some((Status::Completed, Some(Conclusion::Success))))
    }

    /// Registrations at GitHub that were not taken away.
    #[must_use]
    pub fn registrations(&self) -> Vec<String> {
        self.world.see_github(|github, _| {
            github
                .registered()
                .map(|runner| runner.name.clone())
                .collect()
        })
    }

    /// Everything that should not be there once nothing happens any more: open rows, waiting rows,
    /// live tasks, registrations, deliveries that failed.
    #[must_use]
    pub fn left_over(&self) -> Vec<String> {
        let mut left: Vec<String> = self
            .runners()
            .iter()
            .map(|runner| format!("row of runner {} ({:?})", runner.id, runner.state))
            .collect();
        left.extend(
            self.waiting()
                .iter()
                .map(|job| format!("waiting row of job {}", job.id)),
        );
        left.extend(
            self.live_tasks()
                .iter()
                .map(|task| format!("task of {}", task["startedBy"])),
        );
        left.extend(
            self.registrations()
                .into_iter()
                .map(|name| format!("registration {name}")),
        );
        left
    }

    /// True if nothing is left over.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.world.table.with(|table| table.tally().is_empty()) && self.left_over().is_empty()
    }
}
