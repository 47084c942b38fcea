//! Waiting jobs: those that GitHub must be asked about, and those whose pool is gone.

use anyhow::Context;
use mayfly_domain::id::PoolName;
use mayfly_domain::job::WaitingJob;
use mayfly_domain::pool::Pools;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tracing::warn;

use crate::budget::Budget;
use crate::{Fleet, GitHub, Sweeper};

/// Most jobs of one pool that one sweep asks about only because they wait for long: 600 in an hour, each at most twice.
const LONG_WAITS: usize = 10;

/// Most jobs of a pool that is gone that one sweep matches anew: each is three reads and a transaction.
const MOVES: usize = 100;

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Does for the waiting jobs of a pool what they need, the oldest first.
    pub(crate) async fn mind_jobs(&self, pool: &PoolName, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let mut jobs = self.ledger.waiting_jobs(pool).await.context("read the waiting jobs")?;
        jobs.sort_by_key(WaitingJob::rank);
        if pools.get(pool).is_none() {
            self.move_jobs(pool, &jobs, pools, budget).await;
        }
        self.ask_about_jobs(pool, jobs, pools, budget).await;
        Ok(())
    }

    /// Asks GitHub about each job that a runner was registered for in vain, and about some that wait for long: the delivery that
    /// would have ended their wait may never have been made.
    async fn ask_about_jobs(&self, pool: &PoolName, mut jobs: Vec<WaitingJob>, pools: &Pools, budget: &Budget) {
        let now = self.now();
        jobs.retain(|job| job.to_be_asked_about(now));
        jobs.sort_by_key(|job| (!job.ask, job.asked_at.unwrap_or(job.queued_at), job.id));
        let urgent = jobs.iter().filter(|job| job.ask).count();
        for waiting in jobs.iter().take(urgent + LONG_WAITS) {
            if budget.over() {
                break;
            }
            if !self.may_ask(waiting.installation, budget).await {
                continue;
            }
            if let Err(problem) = self.ask_about(waiting.id, pools).await {
                self.heed(waiting.installation, &problem, budget).await;
                warn!(job.id = %waiting.id, pool.name = %pool, "GitHub was not asked about the job, the next sweep tries again: {problem:#}");
            }
        }
    }

    async fn move_jobs(&self, pool: &PoolName, jobs: &[WaitingJob], pools: &Pools, budget: &Budget) {
        for waiting in jobs.iter().take(MOVES) {
            if budget.over() {
                break;
            }
            if let Err(problem) = self.placed_anew(waiting.id, pools).await {
                warn!(job.id = %waiting.id, pool.name = %pool, "not matched anew though its pool is gone, the next sweep tries again: {problem:#}");
            }
        }
    }
}
