//! One sweep: what is looked after, in which order, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, anyhow};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_ledger::{History, Store};
use mayfly_queue::Wakes;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::budget::{Budget, Duty};
use crate::sweeper::{EcsPort, GitHub, Sweeper};

/// What one sweep found on its way through the pools and asks GitHub about once everything else had
/// its turn.
#[derive(Default)]
struct Later {
    /// Runners at work for long.
    runners: Vec<Runner>,
    /// Jobs that wait for long.
    jobs: Vec<WaitingJob>,
}

/// No sweep begins anything after this time; its Lambda timeout is 55 s (`infra/template.yaml`).
const BUDGET: Duration = Duration::from_secs(40);

/// A sweep is given up after this time, whatever hangs: the last step may still need a call to
/// GitHub and a write.
const GIVES_UP: Duration = Duration::from_secs(50);

/// Giving the lease back takes no longer.
const LEASE_BACK: Duration = Duration::from_secs(3);

/// Rows that were read so long ago are read again before limits are held against them. Every row of
/// a pool is one partition key of the table, and a sweep that reads each twice is the largest
/// reader of a large pool.
const ROWS_HOLD: Duration = Duration::from_secs(10);

/// No sweep looks at one more open runner's task after this time: when the table is slow, GitHub
/// gets its turn all the same.
const ECS_BUDGET: Duration = Duration::from_secs(20);

impl<S: Store + History, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// One sweep, if no other one is under way. `owner` is different for every invocation.
    ///
    /// # Errors
    ///
    /// When not even the list of pools can be read: nothing was swept, the next minute tries again.
    pub async fn sweep(&self, owner: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        let lease = self
            .ledger
            .take_lease(owner, self.now())
            .await
            .context("take the lease");
        if !lease.inspect_err(|problem| {
            warn!(
                error = format!("{problem:#}"),
                "skipped this sweep: the next one starts within a minute"
            )
        })? {
            info!("another sweep is under way");
            return Ok(());
        }
        let budget = Budget::new(began + ECS_BUDGET, began + BUDGET);
        let gave_up = |_| {
            Err(anyhow!(
                "no answer from AWS or GitHub within {} s",
                GIVES_UP.as_secs()
            ))
        };
        let swept = timeout_at(began + GIVES_UP, self.sweep_all(&budget))
            .await
            .unwrap_or_else(gave_up);
        match timeout(LEASE_BACK, self.ledger.release_lease(owner)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                warn!(error = %problem, "could not release the lease: it expires by itself")
            }
            Err(_) => warn!(
                "could not release the lease within {} s: it expires by itself",
                LEASE_BACK.as_secs()
            ),
        }
        // Lambda counts it, and two alarms hear of what lasts.
        swept.inspect_err(|problem| {
            warn!(
                error = format!("{problem:#}"),
                "the sweep did not finish: the next one starts within a minute"
            )
        })?;
        // Counted by the template's metric filter Sweeps: five minutes without it ring the alarm
        // sweeper-heartbeat.
        info!("swept");
        Ok(())
    }

    async fn sweep_all(&self, budget: &Budget) -> anyhow::Result<()> {
        // A pools file that cannot be read must not keep the pools from being ticked.
        let pools = self
            .settings
            .pools()
            .await
            .inspect_err(|problem| warn!(error = %problem, "swept without the pools file"))
            .ok();
        let names = self
            .pools(pools.as_deref())
            .await
            .context("list the pools")?;
        self.tick(&names).await;
        // Listed before any row is read: a row is written before its task is requested, so a task
        // in this list has a row, had one, or is an orphan.
        let listed = self.listed_tasks().await;
        let mut named = BTreeSet::new();
        // Each sweep begins with another pool, so that one that takes all the time starves the
        // others only for a sweep.
        let first =
            usize::try_from(self.now().seconds() / 60).unwrap_or_default() % names.len().max(1);
        let names: Vec<&PoolName> = names.iter().cycle().skip(first).take(names.len()).collect();
        // ECS first, for all: so that limits are held against what is true now, and GitHub's
        // slowness costs no free slot.
        let mut all_read = true;
        let mut rows: BTreeMap<&PoolName, (Instant, Vec<Runner>)> = BTreeMap::new();
        for name in &names {
            if budget.over_for_ecs() {
                warn!(pool.name = %name, "the sweep's time for ECS is up: a later sweep asks about the pool's tasks");
                all_read = false;
                break;
            }
            let began = Instant::now();
            match self.reconcile_tasks(name, &mut named, budget).await {
                Ok(read) => rows.extend(read.map(|read| (*name, (began, read)))),
                Err(problem) => {
                    warn!(pool.name = %name, error = format!("{problem:#}"), "could not ask ECS about the pool's tasks: the next sweep tries again");
                }
            }
        }
        // Each task of a pool whose rows were not read would be looked up as an orphan, and take
        // the time that is left.
        if all_read {
            self.collect_orphans(listed, &named, pools.as_deref(), budget)
                .await;
        }
        let mut later = Later::default();
        for name in names {
            if budget.over() {
                warn!(pool.name = %name, "the sweep's time is up: a later sweep checks the pool");
                break;
            }
            let read = rows
                .remove(name)
                .filter(|(began, _)| began.elapsed() < ROWS_HOLD)
                .map(|(_, read)| read);
            if let Err(problem) = self
                .sweep_pool(name, read, pools.as_deref(), &mut later, budget)
                .await
            {
                warn!(pool.name = %name, error = format!("{problem:#}"), "could not sweep the pool: the next sweep tries again");
            }
        }
        if let Some(pools) = pools.as_deref() {
            self.sweep_rest(pools, later, budget).await;
            self.archive(pools.keep, budget).await;
        }
        Ok(())
    }

    /// What cannot wait: limits of runners, and jobs that no runner is started for before GitHub
    /// was asked. `read`: the pool's rows, if they were read a moment ago.
    async fn sweep_pool(
        &self,
        name: &PoolName,
        read: Option<Vec<Runner>>,
        pools: Option<&Pools>,
        later: &mut Later,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let runners = match read {
            Some(runners) => runners,
            None => self
                .ledger
                .runners(name)
                .await
                .context("read the runners")?,
        };
        later
            .runners
            .extend(self.reconcile_runners(&runners, name, pools, budget).await);
        if let Some(pools) = pools {
            later
                .jobs
                .extend(self.reconcile_jobs(name, &runners, pools, budget).await?);
        }
        Ok(())
    }

    /// The work that belongs to no pool, and checks that usually find nothing new. Each has a share
    /// of the calls.
    async fn sweep_rest(&self, pools: &Pools, later: Later, budget: &Budget) {
        budget.begin(Duty::FollowUp);
        if let Err(problem) = self.read_deliveries(budget).await {
            warn!(
                error = format!("{problem:#}"),
                "could not read GitHub's list of deliveries: the next sweep tries again"
            );
        }
        if let Err(problem) = self.run_outbox(pools, budget).await {
            warn!(
                error = format!("{problem:#}"),
                "follow-ups are left: the next sweep continues"
            );
        }
        budget.begin(Duty::Liveness);
        self.check_runners(later.runners, pools, budget).await;
        budget.begin(Duty::WaitingJob);
        self.check_jobs(&later.jobs, pools, budget).await;
        budget.begin(Duty::RepositoryScan);
        if let Err(problem) = self.scan_repositories(pools, budget).await {
            warn!(
                error = format!("{problem:#}"),
                "could not ask about any repository: the next sweep tries again"
            );
        }
    }

    /// Wakes every pool, whatever happened.
    async fn tick(&self, names: &[PoolName]) {
        let wakes = names.iter().map(|name| self.wake(name));
        futures::future::join_all(wakes).await;
    }
}
