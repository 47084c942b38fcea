//! Waiting jobs: those that GitHub must be asked about, and those whose pool is gone or another one
//! than when they came.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use mayfly_domain::model::id::{JobId, PoolName, RunId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_github::WorkflowJob;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::warn;

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};

/// Jobs on one page of a run's list (docs.github.com, "REST API endpoints for workflow jobs").
const PAGE: usize = 100;

/// Most runs of one pool whose jobs one sweep asks about only because they wait for long: 600 in an
/// hour.
const LONG_WAITS: usize = 10;

/// Most jobs of them: each is a read and a transaction, and of one run a call to GitHub for every
/// hundred.
const LONG_WAITING_JOBS: usize = 200;

/// What GitHub shows of runs' jobs, by run and attempt; nothing of a run that could not be listed.
type ShownByRun = BTreeMap<(RunId, u32), BTreeMap<JobId, WorkflowJob>>;

/// Most jobs of a pool that is gone, or another one, that one sweep matches again: each is three
/// reads and a transaction.
const MOVES: usize = 100;

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Does for the waiting jobs of a pool what they need, the oldest first. Answers those that
    /// GitHub is to be asked about because they wait for long.
    pub(crate) async fn reconcile_jobs(
        &self,
        name: &PoolName,
        runners: &[Runner],
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<Vec<WaitingJob>> {
        let mut jobs = self
            .ledger
            .waiting_jobs(name)
            .await
            .context("read the waiting jobs")?;
        jobs.sort_by_key(WaitingJob::rank);
        match pools.get(name) {
            Some(pool) => {
                self.make_room(runners, &jobs, pool, pools, budget).await;
                let key = pool.match_key();
                let matched_by_another =
                    |job: &&WaitingJob| job.matched.as_ref().is_some_and(|matched| *matched != key);
                self.rematch_jobs(
                    name,
                    jobs.iter().filter(matched_by_another).collect(),
                    pools,
                    budget,
                )
                .await;
            }
            None => {
                self.rematch_jobs(name, jobs.iter().collect(), pools, budget)
                    .await
            }
        }
        let (urgent, long) = turns(jobs, self.now());
        self.check_jobs(&urgent, pools, budget).await;
        Ok(long)
    }

    /// Asks GitHub about jobs: those whose runner got no job, and some that have waited for long,
    /// since the delivery that would have ended their wait may never have been sent. Of a run with
    /// several such jobs GitHub lists all at once.
    pub(crate) async fn check_jobs(&self, jobs: &[WaitingJob], pools: &Pools, budget: &Budget) {
        let mut of_run: BTreeMap<(RunId, u32), u32> = BTreeMap::new();
        for job in jobs {
            *of_run.entry((job.run, job.attempt)).or_default() += 1;
        }
        let mut listed = ShownByRun::new();
        for waiting in jobs {
            if budget.over() {
                break;
            }
            if let Err(problem) = self
                .check_waiting_job(waiting, &of_run, &mut listed, pools, budget)
                .await
            {
                self.note_rate_limit(waiting.installation, &problem, budget)
                    .await;
                warn!(job.id = %waiting.id, error = format!("{problem:#}"), "could not ask GitHub about the job: the next sweep tries again");
            }
        }
    }

    /// Asks about one of them, or looks it up in what GitHub listed of its run.
    async fn check_waiting_job(
        &self,
        waiting: &WaitingJob,
        of_run: &BTreeMap<(RunId, u32), u32>,
        listed: &mut ShownByRun,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let run = (waiting.run, waiting.attempt);
        if of_run.get(&run).is_some_and(|jobs| *jobs > 1) && !listed.contains_key(&run) {
            if !self.may_ask(waiting.installation, budget).await {
                return Ok(());
            }
            // Asked about one by one, if it cannot be listed.
            listed.insert(run, BTreeMap::new());
            listed.insert(run, self.jobs_of_its_run(waiting, budget).await?);
        }
        if let Some(now) = listed
            .get_mut(&run)
            .and_then(|jobs| jobs.remove(&waiting.id))
        {
            return self.reconcile_from_list(waiting, now, pools, budget).await;
        }
        if self.may_ask(waiting.installation, budget).await {
            self.reconcile_with_github(waiting.id, pools).await?;
        }
        Ok(())
    }

    /// What GitHub lists of the jobs of its run's latest attempt.
    async fn jobs_of_its_run(
        &self,
        waiting: &WaitingJob,
        budget: &Budget,
    ) -> anyhow::Result<BTreeMap<JobId, WorkflowJob>> {
        let Some(record) = self.ledger.job(waiting.id).await.context("read the job")? else {
            return Ok(BTreeMap::new());
        };
        let by = Instant::now() + GITHUB_CALL;
        let found = self
            .deps
            .github
            .jobs_of(record.installation, &record.repository, record.run, by)
            .await;
        let found = found.with_context(|| format!("list the jobs of run {}", record.run))?;
        budget.also(
            record.installation,
            u32::try_from(found.len() / PAGE).unwrap_or_default(),
        );
        Ok(found.into_iter().map(|job| (job.id, job.now)).collect())
    }

    /// Matches jobs again, those first that no runner has in reserve: the others are only looked at
    /// until their runner is known to have something else.
    async fn rematch_jobs(
        &self,
        pool: &PoolName,
        mut jobs: Vec<&WaitingJob>,
        pools: &Pools,
        budget: &Budget,
    ) {
        jobs.sort_by_key(|job| job.runner.is_some());
        for waiting in jobs.into_iter().take(MOVES) {
            if budget.over() {
                break;
            }
            if let Err(problem) = self.rematched(waiting.id, pools).await {
                warn!(job.id = %waiting.id, pool.name = %pool, error = format!("{problem:#}"), "could not match the job again though its pool has changed or is gone: the next sweep tries again");
            }
        }
    }
}

/// Which jobs GitHub is to be asked about, those first that were asked about longest ago: all that no
/// runner is started for before, and some of those that wait for long.
fn turns(mut jobs: Vec<WaitingJob>, now: Timestamp) -> (Vec<WaitingJob>, Vec<WaitingJob>) {
    jobs.retain(|job| job.needs_check(now));
    jobs.sort_by_key(|job| (job.checked_at_github.unwrap_or(job.queued_at), job.id));
    let (urgent, mut long): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.needs_check);
    let mut runs = BTreeSet::new();
    long.retain(|job| {
        let run = (job.run, job.attempt);
        runs.contains(&run) || (runs.len() < LONG_WAITS && runs.insert(run))
    });
    long.truncate(LONG_WAITING_JOBS);
    (urgent, long)
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::id::{InstallationId, RepositoryId};
    use mayfly_domain::model::size::{Architecture, Capacity, Size};
    use mayfly_domain::model::target::TargetKey;

    use super::*;

    /// However many jobs wait for long, and for longer: nothing else leads to it.
    #[test]
    fn a_job_that_no_runner_is_started_for_before_github_was_asked_has_its_turn_at_once() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let waits = |id, needs_check, queued_at| WaitingJob {
            id: JobId(id),
            size: Size {
                cpu: 256,
                memory_mib: 512,
                disk_gib: 20,
                architecture: Architecture::X64,
                capacity: Capacity::OnDemand,
            },
            target: TargetKey("acme/app".to_owned()),
            matched: None,
            installation: InstallationId(1),
            repository: RepositoryId(1),
            run: RunId(id),
            attempt: 1,
            queued_at,
            not_before: None,
            runner: None,
            needs_check,
            checked_at_github: None,
            attempts: 0,
            refused: None,
            hold: None,
        };
        let now = at(1_000_000);
        let mut jobs: Vec<_> = (1..=500).map(|id| waits(id, false, at(id))).collect();
        jobs.push(waits(1_000, true, at(999_000)));
        jobs.push(waits(1_001, false, now));
        let (urgent, long) = turns(jobs, now);
        let ids = |jobs: &[WaitingJob]| jobs.iter().map(|job| job.id.0).collect::<Vec<_>>();
        assert_eq!(ids(&urgent), [1_000]);
        let most = i64::try_from(LONG_WAITS.min(LONG_WAITING_JOBS)).unwrap();
        assert_eq!(ids(&long), (1..=most).collect::<Vec<_>>());
    }
}
