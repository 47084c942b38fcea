//! Jobs whose runner AWS took back, where their pool wants GitHub to run them again.

use anyhow::Context;
use mayfly_domain::model::id::{JobId, RunnerName};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::story::StoryEvent;
use mayfly_domain::model::timeouts;
use mayfly_github::{CallError, JobStatus, Rerun, WorkflowJob};
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};
use crate::work_outcome::WorkOutcome;

/// How GitHub ends a job whose runner is gone. One that is `cancelled` someone wanted to end.
const FAILED: &str = "failure";

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Has an interrupted job run again, once GitHub shows that it failed on the runner that was
    /// taken back. GitHub is asked once at most for each job: if no answer comes, no one asks
    /// again. None if it may not be asked now.
    pub(crate) async fn run_again(
        &self,
        job: JobId,
        open: &OutboxEntry,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let Some(record) = self.ledger.job(job).await.context("read the job")? else {
            return Ok(Some(WorkOutcome::Done));
        };
        let wanted = record
            .pool
            .as_ref()
            .and_then(|pool| pools.get(pool))
            .is_some_and(|pool| pool.rerun_interrupted);
        // GitHub allows it for 30 days, but after one no one waits for it any more.
        if !wanted || self.now().since(open.since) > timeouts::QUEUED_AT_MOST {
            return Ok(Some(WorkOutcome::Done));
        }
        if !self.may_ask(record.installation, budget).await {
            return Ok(None);
        }
        let github = &self.deps.github;
        let by = Instant::now() + GITHUB_CALL;
        let now = github
            .job(record.installation, &record.repository, job, by)
            .await
            .context("ask about the job")?;
        let Some(now) = now.filter(|now| now.status == JobStatus::Completed) else {
            return Ok(Some(WorkOutcome::Again(timeouts::TICK)));
        };
        if now.conclusion.as_deref() != Some(FAILED) || !self.was_interrupted(&now).await? {
            return Ok(Some(WorkOutcome::Done));
        }
        if !self.may_ask(record.installation, budget).await {
            return Ok(None);
        }
        self.ask_for_another(github, &record).await.map(Some)
    }

    /// True if the job's runner is the one that was taken back.
    async fn was_interrupted(&self, now: &WorkflowJob) -> anyhow::Result<bool> {
        let Some(named) = &now.runner else {
            return Ok(false);
        };
        let Ok(name) = named.name.parse::<RunnerName>() else {
            return Ok(false);
        };
        let record = self
            .ledger
            .runner_record(&name.address.runner)
            .await
            .context("read its runner")?;
        Ok(record.is_some_and(|record| record.interrupted && record.github == Some(named.id)))
    }

    async fn ask_for_another(&self, github: &G, record: &JobRecord) -> anyhow::Result<WorkOutcome> {
        let (run, job) = (record.run, record.id);
        if !self
            .ledger
            .ask_to_rerun(run, job, self.now())
            .await
            .context("write down that it is asked for")?
        {
            return Ok(WorkOutcome::Done);
        }
        let answer = github
            .rerun(
                record.installation,
                &record.repository,
                job,
                Instant::now() + GITHUB_CALL,
            )
            .await;
        let (ran, told) = match answer {
            Ok(Rerun::Asked) => (WorkOutcome::Done, StoryEvent::RerunRequested),
            Ok(Rerun::Refused(why)) => {
                // Most often: the run's other jobs are not over yet.
                self.ledger
                    .not_rerun(run, job)
                    .await
                    .context("write down that GitHub does not")?;
                (
                    WorkOutcome::Again(timeouts::TICK),
                    StoryEvent::RerunRefused { message: why },
                )
            }
            Err(problem @ CallError::RateLimited { .. }) => {
                self.ledger
                    .not_rerun(run, job)
                    .await
                    .context("write down that it was not asked for")?;
                return Err(anyhow::Error::new(problem).context("ask for another run of the job"));
            }
            Err(problem) => {
                warn!(job.id = %job, error = %problem, "GitHub did not answer the request to run the job again: it is not repeated");
                (WorkOutcome::Done, StoryEvent::RerunUnanswered)
            }
        };
        info!(job.id = %job, run.id = %run, "{told}");
        self.ledger
            .note_job(job, &told, self.now())
            .await
            .context("write it down")?;
        Ok(ran)
    }
}
