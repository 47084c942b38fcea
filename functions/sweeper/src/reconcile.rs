//! GitHub asked about one job, and what it says written down.

use anyhow::Context;
use mayfly_domain::model::id::{JobId, PoolName, RunnerName};
use mayfly_domain::model::job::{JobRecord, JobState, Unconfirmed, UnconfirmedReason, WaitingJob};
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::reconcile::{GithubJob, GithubJobDetails, GithubJobStatus, RunEnd};
use mayfly_domain::transitions::rematch::RematchOutcome;
use mayfly_github::{CallError, JobStatus, WorkflowJob};
use mayfly_ledger::Store;
use mayfly_ledger::reconcile::ReconcileReport;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, info};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};
use crate::work_outcome::WorkOutcome;

/// GitHub's answer about a job, and the ledger's state of it afterwards.
pub(crate) struct Reconciled {
    pub(crate) said: GithubJob,
    pub(crate) told: ReconcileReport,
}

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Asks GitHub about a job, and writes down what follows. `None`: there is no record of the
    /// job.
    pub(crate) async fn reconcile_with_github(
        &self,
        job: JobId,
        pools: &Pools,
    ) -> anyhow::Result<Option<Reconciled>> {
        let Some(record) = self.ledger.job(job).await.context("read the job")? else {
            return Ok(None);
        };
        let said = self.ask_github(&record).await?;
        self.reconcile(&record, said, pools).await
    }

    /// Writes down what GitHub shows of a job in the list of its run's jobs. The run itself is
    /// asked about only if the budget has a call for it.
    pub(crate) async fn reconcile_from_list(
        &self,
        waiting: &WaitingJob,
        now: WorkflowJob,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let Some(record) = self.ledger.job(waiting.id).await.context("read the job")? else {
            return Ok(());
        };
        let seen = seen(now);
        if seen.run_may_be_over(&record, self.now())
            && !self.may_ask(record.installation, budget).await
        {
            return Ok(());
        }
        let said = self.with_its_run(&record, seen).await?;
        self.reconcile(&record, said, pools).await.map(drop)
    }

    /// Records GitHub's answer about a job, and what follows.
    async fn reconcile(
        &self,
        record: &JobRecord,
        said: GithubJob,
        pools: &Pools,
    ) -> anyhow::Result<Option<Reconciled>> {
        let job = record.id;
        let Some(told) = self
            .ledger
            .reconcile_job(job, &said, pools, self.now())
            .await
            .context("record what GitHub says")?
        else {
            return Ok(None);
        };
        if told.record.state != record.state {
            info!(job.id = %job, from = ?record.state, to = ?told.record.state, "GitHub reports another state of the job");
        }
        if let Some(runner) = told.changes.unadmitted() {
            error!(runner.id = %runner.id, pool.name = %runner.pool, job.id = %job, "job refused: {}", Reason::Unadmitted);
        }
        for pool in &told.changes.wake {
            self.wake(pool).await;
        }
        Ok(Some(Reconciled { said, told }))
    }

    /// What GitHub shows of a job, and of its run if the job waits for longer than it can.
    async fn with_its_run(
        &self,
        record: &JobRecord,
        seen: GithubJobDetails,
    ) -> anyhow::Result<GithubJob> {
        if !seen.run_may_be_over(record, self.now()) {
            return Ok(GithubJob::Found(seen));
        }
        let github = &self.deps.github;
        let by = Instant::now() + GITHUB_CALL;
        let run = github
            .run_end(
                record.installation,
                &record.repository,
                record.run,
                record.attempt,
                by,
            )
            .await;
        job_of_run(seen, run).context("ask about the job's run")
    }

    /// One call; another one if the job is not shown, to see if its repository is.
    async fn ask_github(&self, record: &JobRecord) -> anyhow::Result<GithubJob> {
        let github = &self.deps.github;
        let by = Instant::now() + GITHUB_CALL;
        let repository = &record.repository;
        match github
            .job(record.installation, repository, record.id, by)
            .await
        {
            Ok(Some(now)) => return self.with_its_run(record, seen(now)).await,
            Ok(None) => {}
            Err(CallError::Refused { message, .. }) => {
                return Ok(GithubJob::RepositoryNotVisible(message));
            }
            Err(problem) => return Err(problem).context("ask about the job"),
        }
        let private = github
            .private(record.installation, repository.id, &repository.name, by)
            .await;
        let private = private.context("ask about the job's repository")?;
        Ok(job_not_shown(private.is_some()))
    }

    /// The follow-up of a job that deliveries left where nothing else leads to it.
    pub(crate) async fn check_job(
        &self,
        job: JobId,
        open: &OutboxEntry,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let Some(record) = self.ledger.job(job).await.context("read the job")? else {
            return Ok(Some(WorkOutcome::Done));
        };
        match record.state {
            // Someone wants to know (`mayfly retry`): that it was given up need not be how it
            // stands.
            JobState::Closed if record.given_up => {}
            // A waiting row is asked about by itself, and an unplaced job has a follow-up of its
            // own.
            JobState::Closed | JobState::Queued | JobState::Unplaced => {
                return Ok(Some(WorkOutcome::Done));
            }
            JobState::Running if self.is_watched(&record).await? => {
                return Ok(Some(WorkOutcome::Done));
            }
            JobState::Blocked if self.rematched(job, pools).await? => {
                return Ok(Some(WorkOutcome::After(timeouts::TICK)));
            }
            JobState::Blocked | JobState::Running => {}
        }
        if !self.may_ask(record.installation, budget).await {
            return Ok(None);
        }
        let Some(asked) = self.reconcile_with_github(job, pools).await? else {
            return Ok(Some(WorkOutcome::Done));
        };
        let record = asked.told.record;
        let outcome = after_answer(record.state, record.unconfirmed, self.now());
        if let WorkOutcome::Again(_) = outcome {
            info!(job.id = %job, since = open.since.millis(), tries = open.tries, "GitHub reports no change of the job");
        }
        Ok(Some(outcome))
    }

    /// True if an open runner works on the job, as far as is known: its own questions, or its end,
    /// see to the job.
    async fn is_watched(&self, record: &JobRecord) -> anyhow::Result<bool> {
        let name = record
            .runner_name
            .as_ref()
            .and_then(|name| name.parse::<RunnerName>().ok());
        let Some(name) = name else { return Ok(false) };
        let runner = self
            .ledger
            .runner(&name.address)
            .await
            .context("read the job's runner")?;
        let at_work = |runner: &mayfly_domain::model::runner::Runner| {
            runner.work.as_ref().and_then(|work| work.job) == Some(record.id)
        };
        Ok(runner.is_some_and(|runner| runner.done_at.is_none() && at_work(&runner)))
    }

    /// The follow-up of a job that no pool took, or whose pool is gone.
    pub(crate) async fn match_job(
        &self,
        job: JobId,
        pools: &Pools,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let matching = self
            .ledger
            .rematch(job, pools, self.now())
            .await
            .context("match the job again")?;
        self.wake_for(job, &matching).await;
        Ok(Some(match matching {
            // What no pool takes has left a follow-up for the next pools file.
            RematchOutcome::NotNeeded | RematchOutcome::Changed(_) => WorkOutcome::Done,
            RematchOutcome::Still => WorkOutcome::Still(pools.version),
            RematchOutcome::Later => WorkOutcome::After(timeouts::TICK),
        }))
    }

    /// Rematches a job if its pool is gone. True if that changed anything.
    pub(crate) async fn rematched(&self, job: JobId, pools: &Pools) -> anyhow::Result<bool> {
        self.placed_as(job, None, pools).await
    }

    /// The same, of a job whose repository is private, or is not, as GitHub says now.
    pub(crate) async fn placed_as(
        &self,
        job: JobId,
        private: Option<bool>,
        pools: &Pools,
    ) -> anyhow::Result<bool> {
        let matching = self
            .ledger
            .match_as(job, private, pools, self.now())
            .await
            .context("match the job again")?;
        self.wake_for(job, &matching).await;
        Ok(matches!(matching, RematchOutcome::Changed(_)))
    }

    async fn wake_for(&self, job: JobId, matching: &RematchOutcome) {
        let RematchOutcome::Changed(changes) = matching else {
            return;
        };
        let record = changes.record.as_ref();
        let pool = record.and_then(|record| record.pool.as_ref());
        info!(job.id = %job, pool.name = pool.map_or("none", PoolName::as_str), pools_version = record.map(|record| record.pools_version), "rematched");
        for pool in &changes.wake {
            self.wake(pool).await;
        }
    }
}

/// A job as GitHub shows it, with the state of its run. If the run may not be read, the job's own
/// state counts: it waits.
fn job_of_run(
    seen: GithubJobDetails,
    run: Result<Option<RunEnd>, CallError>,
) -> Result<GithubJob, CallError> {
    match run {
        Ok(Some(end)) => Ok(GithubJob::RunCompleted(end)),
        Ok(None) | Err(CallError::Refused { .. }) => Ok(GithubJob::Found(seen)),
        Err(problem) => Err(problem),
    }
}

/// A job that GitHub does not show: it is gone only where its repository is shown.
fn job_not_shown(repository_shown: bool) -> GithubJob {
    if repository_shown {
        return GithubJob::NotFound;
    }
    GithubJob::RepositoryNotVisible("GitHub shows no repository of that name and id".to_owned())
}

/// The outcome of a follow-up that asked about a job, given the job's record afterwards. That a job
/// waits again counts only if GitHub says so twice: it is asked again soon.
fn after_answer(state: JobState, doubt: Option<Unconfirmed>, now: Timestamp) -> WorkOutcome {
    let doubt = doubt.filter(|doubt| doubt.reason == UnconfirmedReason::QueuedAgain);
    let fresh = doubt.is_some_and(|doubt| now.since(doubt.since) < timeouts::CHECK_AFTER);
    match state {
        JobState::Closed | JobState::Queued | JobState::Unplaced => WorkOutcome::Done,
        JobState::Running if fresh => WorkOutcome::After(timeouts::REREAD_AFTER),
        JobState::Blocked | JobState::Running => WorkOutcome::Again(timeouts::CHECK_AFTER),
    }
}

fn seen(now: WorkflowJob) -> GithubJobDetails {
    let status = match now.status {
        JobStatus::Queued => GithubJobStatus::Queued,
        JobStatus::Waiting | JobStatus::Pending => GithubJobStatus::Gated,
        JobStatus::InProgress => GithubJobStatus::Running,
        JobStatus::Completed => GithubJobStatus::Completed,
        JobStatus::Requested | JobStatus::Other => GithubJobStatus::Unknown,
    };
    GithubJobDetails {
        status,
        runner: now.runner,
        conclusion: now.conclusion,
        created_at: now.created_at,
        started_at: now.started_at,
        completed_at: now.completed_at,
    }
}

#[cfg(test)]
mod tests {
    use mayfly_github::Call;

    use super::*;

    fn call() -> Box<Call> {
        Box::new(Call {
            name: "run",
            method: "GET".to_owned(),
            path: "/repos/acme/app/actions/runs/1/attempts/1".to_owned(),
            status: None,
            request_id: None,
        })
    }

    fn waits() -> GithubJobDetails {
        GithubJobDetails {
            status: GithubJobStatus::Queued,
            runner: None,
            conclusion: None,
            created_at: None,
            started_at: None,
            completed_at: None,
        }
    }

    /// If it counted as gone, jobs of a repository that the App may not read would be given up.
    #[test]
    fn a_run_that_may_not_be_asked_about_says_nothing_of_its_job() {
        let refused = CallError::Refused {
            status: 403,
            message: "Resource not accessible by integration".to_owned(),
            call: call(),
        };
        for unsaid in [Ok(None), Err(refused)] {
            assert_eq!(
                job_of_run(waits(), unsaid).unwrap(),
                GithubJob::Found(waits())
            );
        }
        let silent = CallError::Unavailable {
            message: "no answer".to_owned(),
            call: call(),
        };
        assert!(job_of_run(waits(), Err(silent)).is_err());
    }

    /// A job that waits again has no runner until GitHub has said so twice.
    #[test]
    fn that_a_job_waits_again_is_asked_again_soon_and_everything_else_later() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let doubt = |reason, seconds: i64| {
            let since = Timestamp::from_millis(now.millis() - seconds * 1_000);
            Some(Unconfirmed { reason, since })
        };
        let (again, gone) = (UnconfirmedReason::QueuedAgain, UnconfirmedReason::NotFound);
        let soon = WorkOutcome::After(timeouts::REREAD_AFTER);
        let later = WorkOutcome::Again(timeouts::CHECK_AFTER);
        let old = i64::try_from(timeouts::CHECK_AFTER.as_secs()).unwrap();
        for (state, doubt, outcome) in [
            (JobState::Running, doubt(again, 0), soon),
            (JobState::Running, doubt(again, old), later),
            (JobState::Running, doubt(gone, 0), later),
            (JobState::Running, None, later),
            (JobState::Blocked, doubt(again, 0), later),
            (JobState::Queued, doubt(again, 0), WorkOutcome::Done),
            (JobState::Closed, None, WorkOutcome::Done),
        ] {
            assert_eq!(after_answer(state, doubt, now), outcome, "{state:?}");
        }
    }

    #[test]
    fn a_job_is_gone_only_where_its_repository_is_shown() {
        assert_eq!(job_not_shown(true), GithubJob::NotFound);
        assert!(matches!(
            job_not_shown(false),
            GithubJob::RepositoryNotVisible(_)
        ));
    }
}
