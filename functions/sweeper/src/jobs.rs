//! Jobs that GitHub must be asked about before another runner is started for them.

use std::time::Duration;

use anyhow::Context;
use mayfly_domain::id::PoolName;
use mayfly_domain::job::{JobAction, JobEvent, JobRecord, WaitingJob};
use mayfly_domain::pool::Pools;
use mayfly_github::{JobNow, JobStatus};
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Budget;
use crate::{Fleet, GITHUB_CALL, GitHub, Sweeper};

/// A job waits no longer than this at GitHub, then it is cancelled. Source: Actions limits, job queue time.
const QUEUED_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Asks GitHub about each waiting job that a runner was registered for in vain.
    pub(crate) async fn ask_about_jobs(&self, pool: &PoolName, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let look = self.ledger.look(pool).await.context("read the waiting jobs")?;
        for waiting in look.jobs.iter().filter(|job| job.ask) {
            if budget.over() {
                break;
            }
            if !self.may_ask(waiting.installation, budget).await {
                continue;
            }
            if let Err(problem) = self.ask_about(pool, waiting, pools).await {
                self.heed(waiting.installation, &problem, budget).await;
                warn!(job.id = %waiting.id, pool.name = %pool, "GitHub was not asked about the job, the next sweep tries again: {problem:#}");
            }
        }
        Ok(())
    }

    async fn ask_about(&self, pool: &PoolName, waiting: &WaitingJob, pools: &Pools) -> anyhow::Result<()> {
        let Some(record) = self.ledger.job(waiting.id).await? else { return Ok(()) };
        let github = self.world.github.at(&pools.github_url).context("the pools file's [github] url")?;
        let by = Instant::now() + GITHUB_CALL;
        let answer = github.job(record.installation, &record.repository, record.id, by).await.context("ask about the job")?;
        let Some(now) = answer else {
            return self.not_shown(&record, pools).await;
        };
        let action = match now.status {
            JobStatus::InProgress => JobAction::InProgress,
            JobStatus::Completed => JobAction::Completed,
            JobStatus::Queued => {
                self.ledger.still_queued(pool, record.id, self.now()).await?;
                self.wake(pool).await;
                return Ok(());
            }
            JobStatus::Waiting | JobStatus::Pending | JobStatus::Requested | JobStatus::Other => {
                info!(job.id = %record.id, "GitHub holds the job back; it is asked again");
                return Ok(());
            }
        };
        self.told(&as_delivered(&record, now, action, self.now()), pools).await
    }

    /// GitHub does not show the job: it cancels what waited for a day, and forgets what somebody deleted.
    async fn not_shown(&self, record: &JobRecord, pools: &Pools) -> anyhow::Result<()> {
        if self.now().since(record.received_at) < QUEUED_AT_MOST {
            warn!(job.id = %record.id, repository = record.repository.name, "GitHub does not show the job; it is asked again");
            return Ok(());
        }
        let gone = JobNow {
            status: JobStatus::Completed,
            conclusion: None,
            runner: None,
            labels: record.labels.clone(),
            run: record.run,
            attempt: record.attempt,
            name: record.name.clone(),
            created_at: None,
            started_at: None,
            completed_at: None,
        };
        self.told(&as_delivered(record, gone, JobAction::Completed, self.now()), pools).await
    }

    async fn told(&self, event: &JobEvent, pools: &Pools) -> anyhow::Result<()> {
        let observation = self.ledger.observe(event, pools).await?;
        for pool in &observation.wake {
            self.wake(pool).await;
        }
        Ok(())
    }
}

/// What GitHub says of a job, as a delivery would have said it.
fn as_delivered(record: &JobRecord, now: JobNow, action: JobAction, at: mayfly_domain::time::Timestamp) -> JobEvent {
    JobEvent {
        action,
        delivery: format!("asked-{}", at.millis()),
        held: false,
        job: record.id,
        run: record.run,
        attempt: record.attempt,
        name: record.name.clone(),
        labels: record.labels.clone(),
        repository: record.repository.clone(),
        installation: record.installation,
        runner: now.runner,
        conclusion: now.conclusion,
        created_at: None,
        started_at: None,
        completed_at: None,
        received_at: at,
    }
}
