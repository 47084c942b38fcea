//! Jobs whose runner AWS reclaimed, where their pool wants GitHub to run them again.

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
    /// taken back. GitHub is asked until it runs the job again, and not after that. None if it may
    /// not be asked now.
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
        // GitHub allows it for 30 days, but after one day it is of no use any more.
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
        let first = self
            .ledger
            .ask_to_rerun(record.run, job, self.now())
            .await
            .context("record that it is asked for")?;
        if !first {
            if !self.may_ask(record.installation, budget).await {
                return Ok(None);
            }
            if let Some(settled) = self.later_attempt(github, &record).await? {
                return Ok(Some(settled));
            }
        }
        self.ask_for_another(github, &record, first).await.map(Some)
    }

    /// The result of an earlier request, if it was not recorded: GitHub gave no answer, sweeper
    /// ended, or the ledger failed. None if the job is to be asked for again: that does no harm
    /// while a later attempt goes on, because GitHub refuses it.
    async fn later_attempt(
        &self,
        github: &G,
        record: &JobRecord,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let asked = self
            .ledger
            .rerun_of(record.run)
            .await
            .context("read when it was asked for")?;
        let since = asked.map(|asked| self.now().since(asked.asked_at()));
        // An attempt that began and ended since may not show yet.
        if since.is_some_and(|since| since < timeouts::READS_LAG) {
            return Ok(Some(WorkOutcome::Again(timeouts::READS_LAG)));
        }
        let later = record.attempt.saturating_add(1);
        let by = Instant::now() + GITHUB_CALL;
        match github
            .run_end(
                record.installation,
                &record.repository,
                record.run,
                later,
                by,
            )
            .await
        {
            Ok(end) => Ok(end.map(|_| WorkOutcome::Done)),
            // A run that may not be read proves nothing.
            Err(CallError::Refused { .. }) => Ok(None),
            Err(problem) => Err(problem).context("ask about the run's next attempt"),
        }
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

    /// Asks GitHub. `first`: no earlier request may have been granted. Else the note that it was
    /// asked stays, because GitHub's no may mean that the job runs.
    async fn ask_for_another(
        &self,
        github: &G,
        record: &JobRecord,
        first: bool,
    ) -> anyhow::Result<WorkOutcome> {
        let (run, job) = (record.run, record.id);
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
                if first {
                    self.ledger
                        .not_rerun(run, job)
                        .await
                        .context("record that GitHub does not")?;
                }
                let wait = if first {
                    timeouts::TICK
                } else {
                    timeouts::CHECK_AFTER
                };
                (
                    WorkOutcome::Again(wait),
                    StoryEvent::RerunRefused { message: why },
                )
            }
            Err(problem @ CallError::RateLimited { .. }) => {
                if first {
                    self.ledger
                        .not_rerun(run, job)
                        .await
                        .context("record that it was not asked for")?;
                }
                return Err(anyhow::Error::new(problem).context("ask for another run of the job"));
            }
            Err(problem) => {
                warn!(job.id = %job, error = %problem, "GitHub did not answer the request to run the job again: it is repeated unless a later attempt shows");
                (
                    WorkOutcome::Again(timeouts::CHECK_AFTER),
                    StoryEvent::RerunUnanswered,
                )
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
