//! Look, plan, commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::{PoolName, RepositoryId, RunnerAddress};
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::metric::MetricsLevel;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::price::{OwnPrices, PriceList};
use mayfly_domain::model::runner::{Launch, Runner, StopKind};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::story::{StoryEvent, note};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::plan::confirm::{confirm, is_stale, marks_now};
use mayfly_domain::transitions::plan::to_send::{ToSend, to_send};
use mayfly_domain::transitions::plan::{Plan, Start, plan};
use mayfly_domain::transitions::pool_gauges::PoolGauges;
use mayfly_ecs::{LaunchRequest, TaskDefinitionSpec};
use mayfly_ledger::Store;
use mayfly_ledger::pool_snapshot::{MOST_LAUNCHES, MOST_STOPS, PoolEntry, PoolSnapshot};
use mayfly_queue::Wakes;
use tracing::{info, warn};

use crate::holds::{self, Reason};
use crate::scaler::{EcsPort, Scaler};

/// How often a plan is made again in one run because another planner committed first, or because it
/// took too long.
const TRIES: u32 = 4;

/// The time between the beginnings of two looks at a pool of so many rows.
pub(crate) fn snapshots_apart(rows: usize) -> Duration {
    timeouts::SNAPSHOT_PER_ROW
        .saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX))
        .min(timeouts::SNAPSHOTS_APART)
}

/// The size of a pool that is in no pools file and has no runner: it is never launched, so any will
/// do.
const NO_SIZE: Size = Size {
    cpu: 256,
    memory_mib: 512,
    disk_gib: 20,
    architecture: mayfly_domain::model::size::Architecture::X64,
    capacity: mayfly_domain::model::size::Capacity::OnDemand,
};

/// What a commit left to be sent.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// New rows.
    pub(crate) launched: Vec<Runner>,
    /// Rows marked now or before, and not gone yet.
    pub(crate) marked: Vec<Runner>,
    /// Rows whose launch was sent and not answered.
    pub(crate) unanswered: Vec<Runner>,
    /// The plan holds more than one run can send.
    pub(crate) more: bool,
    /// Waiting rows whose reason is another one now.
    pub(crate) reasons: Vec<Reason>,
    /// Rows of the pool that the look read.
    pub(crate) rows: usize,
}

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// One run for one pool.
    pub(crate) async fn serve(&self, name: &PoolName) -> anyhow::Result<()> {
        self.wait_between_snapshots(name).await;
        let deadline = self.now().plus(timeouts::SCALER_DEADLINE);
        let pool = self.pool(name).await?;
        let began = self.now();
        let mut committed = self
            .commit(&pool, deadline)
            .await
            .with_context(|| format!("plan pool {name}"))?;
        let progress = !committed.launched.is_empty() || !committed.unanswered.is_empty();
        let more = committed.more;
        let (reasons, rows) = (std::mem::take(&mut committed.reasons), committed.rows);
        self.send(committed, deadline)
            .await
            .with_context(|| format!("send for pool {name}"))?;
        self.has_read(name, began, rows);
        self.explain(reasons, deadline).await;
        if more && progress {
            // The tick would do it, too, a minute later.
            if let Err(problem) = self.deps.wakes.wake(name).await {
                warn!(pool.name = %name, error = %problem, "could not wake the pool again though work is left");
            }
        }
        Ok(())
    }

    /// The pool as the pools file has it; one that it does not have launches nothing and drains.
    async fn pool(&self, name: &PoolName) -> anyhow::Result<Arc<Pool>> {
        let pools = self.settings.pools().await.context("read the pools file")?;
        if let Some(pool) = pools.get(name) {
            return Ok(Arc::new(pool.clone()));
        }
        let pools = self
            .settings
            .refresh_pools()
            .await
            .context("read the pools file again")?;
        Ok(Arc::new(
            pools
                .get(name)
                .cloned()
                .unwrap_or_else(|| Pool::removed(name.clone(), NO_SIZE)),
        ))
    }

    /// Looks, plans and commits, again while others come first.
    async fn commit(&self, pool: &Pool, deadline: Timestamp) -> anyhow::Result<Committed> {
        let mut apart = Duration::ZERO;
        for attempt in 0..TRIES {
            tokio::time::sleep(apart).await;
            let mut began = self.now();
            if attempt > 0 && !has_time_for_a_look(began, deadline) {
                break;
            }
            let (mut snapshot, mut plan) = self.planned(pool).await?;
            apart = snapshots_apart(snapshot.rows());
            // A stop needs a second look: when looks are slow, or make a large pool's partition
            // busy, launches do not wait for it.
            let later = plan.stops_wait(self.now().since(began), apart);
            let stops_left = later && !plan.stop.is_empty();
            if later {
                plan.stop.clear();
            }
            if !plan.stop.is_empty() {
                tokio::time::sleep(apart).await;
                began = self.now();
                let (first, jobs) = (plan, snapshot.jobs);
                (snapshot, plan) = self.planned(pool).await?;
                let mut mixed = snapshot.clone();
                mixed.jobs = jobs;
                let between = self.plan_for(pool, &mixed);
                plan = confirm(&first, plan, &between);
            }
            let launched = self.rows(pool, &mut plan).await?;
            let marked = if marks_now(attempt, launched.len()) {
                self.marks(&plan, &snapshot)
            } else {
                Vec::new()
            };
            // What commits nothing may be old: another look would only ask ECS once more about the
            // definition that it gave no answer about.
            if !launched.is_empty() || !marked.is_empty() {
                if is_stale(began, attempt, deadline, self.now()) {
                    // What it rests on may have changed; a slow call (the first task definition) is
                    // over by now.
                    continue;
                }
                let entry = PoolEntry {
                    name: pool.name.clone(),
                    size: pool.size,
                    gone_at: None,
                };
                if !self
                    .ledger
                    .commit_plan(&entry, &snapshot, (&launched, &marked), self.now())
                    .await
                    .context("commit the plan")?
                {
                    continue;
                }
            }
            self.tell(pool, &snapshot, &plan, (launched.len(), marked.len()))
                .await;
            let more = plan
                .holds
                .iter()
                .any(|(_, hold)| *hold == HoldReason::ThisRun)
                || plan.stop.len() > MOST_STOPS
                || stops_left;
            let reasons = holds::changed(&pool.name, &snapshot, &plan);
            let rows = snapshot.rows();
            return Ok(Committed {
                reasons,
                rows,
                ..self.to_send(&snapshot, launched, marked, more)
            });
        }
        bail!("others committed first, or reading took too long, {TRIES} times")
    }

    /// One line for a look at a pool, with what it shows in numbers.
    async fn tell(
        &self,
        pool: &Pool,
        snapshot: &PoolSnapshot,
        plan: &Plan,
        (launched, marked): (usize, usize),
    ) {
        let known = (&snapshot.health, &*snapshot.jobs, &*snapshot.runners);
        let limits = self.limits(pool, snapshot);
        let gauges = PoolGauges::of(pool, known, &limits, &plan.holds, self.now());
        let breakers = gauges.open_breakers;
        let level = self.metrics_level().await;
        info!(
            metrics = level.word(),
            pool.name = %pool.name,
            waiting_jobs = gauges.waiting,
            gha_running_jobs = gauges.running,
            starting_runners = gauges.starting,
            gha_idle_runners = gauges.idle,
            oldest_waiting_job_seconds = gauges.oldest.map(|oldest| oldest.as_secs()),
            open_breakers = (breakers > 0).then_some(breakers),
            runners.open = snapshot.runners.len(),
            runners.launched = launched,
            runners.marked = marked,
            held.job = gauges.held_for("job"),
            held.pool_max = gauges.held_for("pool_max"),
            held.repository_max = gauges.held_for("repository_max"),
            held.github_limit = gauges.held_for("github_limit"),
            held.failed_starts = gauges.held_for("failed_starts"),
            held.unverified = gauges.held_for("unverified"),
            held.not_assigned = gauges.held_for("not_assigned"),
            held.refused = gauges.held_for("refused"),
            held.no_answer = gauges.held_for("no_answer"),
            held.this_run = gauges.held_for("this_run"),
            "planned"
        );
    }

    /// How much is sent to CloudWatch. A pools file that cannot be read is reported elsewhere.
    async fn metrics_level(&self) -> MetricsLevel {
        let pools = self.settings.pools().await;
        pools.map(|pools| pools.metrics).unwrap_or_default()
    }

    /// One look, and what follows from it.
    async fn planned(&self, pool: &Pool) -> anyhow::Result<(PoolSnapshot, Plan)> {
        let snapshot = self
            .ledger
            .pool_snapshot(&pool.name)
            .await
            .context("look at the ledger")?;
        let plan = self.plan_for(pool, &snapshot);
        Ok((snapshot, plan))
    }

    fn plan_for(&self, pool: &Pool, snapshot: &PoolSnapshot) -> Plan {
        plan(
            pool,
            &snapshot.health,
            &snapshot.jobs,
            &snapshot.runners,
            &self.limits(pool, snapshot),
            self.now(),
        )
    }

    fn limits(&self, pool: &Pool, snapshot: &PoolSnapshot) -> Limits {
        let sizes: BTreeSet<Size> = snapshot
            .jobs
            .iter()
            .map(|job| job.size)
            .chain([pool.size])
            .collect();
        let definitions = sizes
            .iter()
            .map(|size| (size.to_string(), self.fingerprint(pool, size)))
            .collect();
        Limits {
            github: snapshot.limits.clone(),
            launches: MOST_LAUNCHES,
            definitions,
        }
    }

    pub(crate) fn fingerprint(&self, pool: &Pool, size: &Size) -> String {
        let site = &self.deps.site;
        TaskDefinitionSpec::of(site, pool, size.architecture).fingerprint(size, &site.role_of(pool))
    }

    /// The rows of the planned launches, requests included: from here on they can be repeated to
    /// the letter. What has no task definition is not launched, and the plan says why.
    async fn rows(&self, pool: &Pool, plan: &mut Plan) -> anyhow::Result<Vec<Runner>> {
        let sizes: BTreeSet<Size> = plan.launch.iter().map(|start| start.size).collect();
        let (mut definitions, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for size in sizes {
            let definition = TaskDefinitionSpec::of(&self.deps.site, pool, size.architecture);
            // Cached by the fleet: one call per content and process.
            match self.deps.ecs.ensure(&definition).await {
                Ok(arn) => drop(definitions.insert(size, arn)),
                // Nothing of that definition can be launched; stops, repetitions and other sizes of
                // the pool go on.
                Err(problem) => drop(refused.insert(
                    size,
                    self.no_definition(pool, &size, &definition, &problem).await,
                )),
            }
        }
        plan.withhold(&refused);
        let names = self.names(plan).await;
        let pools = self.settings.pools().await.context("read the pools file")?;
        let rows = plan.launch.iter().filter_map(|start| {
            let row = self.row(pool, start, definitions.get(&start.size)?, &names);
            Some(row.map(|row| Runner {
                price: Some(self.price_list(&pools.prices).price(&start.size)),
                metrics: pools.metrics,
                keep: pools.keep,
                ..row
            }))
        });
        rows.collect()
    }

    /// What the pools file says of prices.
    pub(crate) async fn own_prices(&self) -> anyhow::Result<OwnPrices> {
        let pools = self.settings.pools().await.context("read the pools file")?;
        Ok(pools.prices.clone())
    }

    /// What an hour of a task costs that is asked for now.
    pub(crate) fn price_list<'a>(&'a self, own: &'a OwnPrices) -> PriceList<'a> {
        PriceList {
            region: &self.deps.site.region,
            own,
            public_ip: self.deps.site.public_ip,
        }
    }

    fn row(
        &self,
        pool: &Pool,
        start: &Start,
        definition: &str,
        names: &BTreeMap<RepositoryId, String>,
    ) -> anyhow::Result<Runner> {
        let now = self.now();
        let id = (self.deps.new_id)();
        let address = RunnerAddress {
            pool: pool.name.clone(),
            runner: id.clone(),
        };
        let mut request = LaunchRequest::build(&self.deps.site, pool, start, &address, definition);
        if let Some(name) = start.repository.and_then(|id| names.get(&id)) {
            request = request.for_repository(name);
        }
        let launch = Launch {
            request: request.to_json().context("write the launch request")?,
            role: request.task_role.clone(),
            definition: self.fingerprint(pool, &start.size),
            attempt: 1,
            first_sent_at: now,
            sent_at: now,
            missing: 0,
            missing_at: None,
            outcome_unknown: false,
            unsent: false,
            given_up: false,
        };
        let mut runner = Runner::requested(id, pool.name.clone(), start.size, launch, now);
        runner.intended = start.job;
        runner.repository = start.repository;
        runner.fails_closed = pool.fails_closed();
        note(
            &mut runner.story,
            now,
            StoryEvent::Requested { job: start.job },
        );
        Ok(runner)
    }

    /// The rows of the planned stops, marked.
    fn marks(&self, plan: &Plan, snapshot: &PoolSnapshot) -> Vec<Runner> {
        let now = self.now();
        let marked = plan.stop.iter().take(MOST_STOPS).filter_map(|stop| {
            let runner = snapshot
                .runners
                .iter()
                .find(|runner| runner.id == stop.runner)?;
            runner.marked(StopKind::Surplus, &stop.reason, now)
        });
        marked.collect()
    }

    /// What is to be sent: the new rows, those that an earlier run left unanswered, and stops,
    /// those of earlier runs again.
    fn to_send(
        &self,
        snapshot: &PoolSnapshot,
        launched: Vec<Runner>,
        marked: Vec<Runner>,
        more: bool,
    ) -> Committed {
        let ToSend {
            marked,
            unanswered,
            more: left,
        } = to_send(&snapshot.runners, marked, self.now());
        Committed {
            marked,
            launched,
            unanswered,
            more: more || left,
            ..Committed::default()
        }
    }
}

/// True if what another look plans could still be committed: a plan may be so old when it is, and
/// nothing is begun after the deadline.
fn has_time_for_a_look(now: Timestamp, deadline: Timestamp) -> bool {
    now.plus(timeouts::PLAN_FRESH) <= deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_is_begun_whose_plan_would_come_after_the_deadline() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let last = now.plus(timeouts::PLAN_FRESH);
        let before = Timestamp::from_millis(last.millis() - 1);
        assert_eq!(
            [last, before, now].map(|deadline| has_time_for_a_look(now, deadline)),
            [true, false, false]
        );
    }
}
