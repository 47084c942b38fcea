//! Waiting jobs: those that GitHub must be asked about, and those whose pool is gone or another one than when they came.

use anyhow::Context;
use mayfly_domain::id::PoolName;
use mayfly_domain::job::WaitingJob;
use mayfly_domain::pool::Pools;
use mayfly_domain::runner::Runner;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tracing::warn;

use crate::budget::Budget;
use crate::{Fleet, GitHub, Sweeper};

/// Most jobs of one pool that one sweep asks about only because they wait for long: 600 in an hour, each at most twice.
const LONG_WAITS: usize = 10;

/// Most jobs of a pool that is gone, or another one, that one sweep matches again: each is three reads and a transaction.
const MOVES: usize = 100;

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Does for the waiting jobs of a pool what they need, the oldest first. Answers those that GitHub is to be asked about because they wait for long.
    pub(crate) async fn mind_jobs(
        &self,
        name: &PoolName,
        runners: &[Runner],
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<Vec<WaitingJob>> {
        let mut jobs = self.ledger.waiting_jobs(name).await.context("read the waiting jobs")?;
        jobs.sort_by_key(WaitingJob::rank);
        match pools.get(name) {
            Some(pool) => {
                self.make_room(runners, &jobs, (pool, pools), budget).await;
                let key = pool.match_key();
                let matched_by_another = |job: &&WaitingJob| job.matched.as_ref().is_some_and(|matched| *matched != key);
                self.match_again(name, jobs.iter().filter(matched_by_another).collect(), pools, budget).await;
            }
            None => self.match_again(name, jobs.iter().collect(), pools, budget).await,
        }
        let now = self.now();
        jobs.retain(|job| job.to_be_asked_about(now));
        jobs.sort_by_key(|job| (job.asked_at.unwrap_or(job.queued_at), job.id));
        let (urgent, mut long): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.ask);
        self.ask_about_jobs(&urgent, pools, budget).await;
        long.truncate(LONG_WAITS);
        Ok(long)
    }

    /// Asks GitHub about jobs: those that a runner was registered for in vain, and some that wait for long, since the delivery that would have ended
    /// their wait may never have been made.
    pub(crate) async fn ask_about_jobs(&self, jobs: &[WaitingJob], pools: &Pools, budget: &Budget) {
        for waiting in jobs {
            if budget.over() {
                break;
            }
            if !self.may_ask(waiting.installation, budget).await {
                continue;
            }
            if let Err(problem) = self.ask_about(waiting.id, pools).await {
                self.heed(waiting.installation, &problem, budget).await;
                warn!(job.id = %waiting.id, "GitHub was not asked about the job, the next sweep tries again: {problem:#}");
            }
        }
    }

    /// Matches jobs again, those first that no runner has in reserve: the others are only looked at until their runner is known to have something else.
    async fn match_again(&self, pool: &PoolName, mut jobs: Vec<&WaitingJob>, pools: &Pools, budget: &Budget) {
        jobs.sort_by_key(|job| job.runner.is_some());
        for waiting in jobs.into_iter().take(MOVES) {
            if budget.over() {
                break;
            }
            if let Err(problem) = self.placed_anew(waiting.id, pools).await {
                warn!(job.id = %waiting.id, pool.name = %pool, "not matched again though its pool is gone or another one, the next sweep tries again: {problem:#}");
            }
        }
    }
}
