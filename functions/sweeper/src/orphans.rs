//! Orphans: tasks of ours that no open row names. They cost money, and nothing else finds them.

use std::collections::BTreeSet;

use anyhow::Context;
use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::{Reason, StoryEvent};
use mayfly_domain::model::task::Task;
use mayfly_domain::transitions::orphan::{OrphanAction, OrphanSnapshot, orphan_action};
use mayfly_ecs::Described;
use mayfly_ledger::Store;
use mayfly_ledger::pool_snapshot::PoolEntry;
use mayfly_queue::Wakes;
use tracing::warn;

use crate::budget::Budget;
use crate::runners::Deregistered;
use crate::sweeper::{EcsPort, GitHub, Sweeper};

/// Tasks without a row that one sweep asks ECS about: ten calls. In a cluster that is shared with
/// others these may be theirs, so that each sweep begins with other ones.
const DESCRIBED: usize = 1_000;

/// Orphans that one sweep looks up in the ledger: the oldest.
const HANDLED: usize = 100;

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// All tasks of the cluster; none if ECS does not say.
    pub(crate) async fn listed_tasks(&self) -> Vec<TaskArn> {
        let listed = self.deps.ecs.list_all().await;
        listed
            .inspect_err(|problem| warn!(error = %problem, "could not list the cluster's tasks: the next sweep looks for orphans"))
            .unwrap_or_default()
    }

    /// Looks after the tasks that no open row names. `named` are those that the rows name, read
    /// after the tasks were listed.
    pub(crate) async fn collect_orphans(
        &self,
        listed: Vec<TaskArn>,
        named: &BTreeSet<TaskArn>,
        pools: Option<&Pools>,
        budget: &Budget,
    ) {
        let mut unnamed: Vec<TaskArn> = listed
            .into_iter()
            .filter(|task| !named.contains(task))
            .collect();
        if unnamed.is_empty() || budget.over() {
            return;
        }
        if unnamed.len() > DESCRIBED {
            let turn = usize::try_from(self.now().seconds() / 60).unwrap_or_default();
            let first = turn.wrapping_mul(DESCRIBED) % unnamed.len();
            unnamed.rotate_left(first);
            unnamed.truncate(DESCRIBED);
        }
        let described = match self.deps.ecs.describe(&unnamed).await {
            Ok(described) => described,
            Err(problem) => {
                warn!(error = %problem, "could not describe tasks that have no row: the next sweep tries again");
                return;
            }
        };
        let ours = described
            .into_iter()
            .filter_map(|described| match described {
                Described::Task(task) => Some(*task),
                Described::Foreign(_) | Described::Missing(_) => None,
            });
        let mut ours: Vec<Task> = ours.collect();
        ours.sort_by_key(|task| (task.timeline.created.is_none(), task.timeline.created));
        for task in ours.iter().take(HANDLED) {
            if budget.over() {
                return;
            }
            if let Err(problem) = self.collect_orphan(task, pools, budget).await {
                warn!(task.arn = %task.arn, runner.id = %task.address.runner, error = format!("{problem:#}"), "could not deal with a task that has no row: the next sweep tries again");
            }
        }
    }

    async fn collect_orphan(
        &self,
        task: &Task,
        pools: Option<&Pools>,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let records = self
            .ledger
            .runner_records(&task.address)
            .await
            .context("read its runner")?;
        let known = OrphanSnapshot {
            row: records.row.as_ref(),
            record: records.record.as_ref(),
        };
        match orphan_action(task, known, self.now()) {
            OrphanAction::None => match &records.row {
                Some(row) => self.enter_pool(row).await,
                None => Ok(()),
            },
            OrphanAction::Adopt => self.task_seen(task).await,
            OrphanAction::Stop(why) => self.stop_orphan(task, &why).await,
            OrphanAction::DeregisterFirst(why) => match (&records.record, pools) {
                (Some(record), Some(_)) => self.deregister_orphan(task, record, &why, budget).await,
                // Where GitHub is asked is in the pools file: what may work is not stopped
                // meanwhile.
                _ => Ok(()),
            },
        }
    }

    /// A row whose task was in no pool's rows: its pool may be missing in the list of pools, and
    /// then its rows would never be read.
    async fn enter_pool(&self, row: &Runner) -> anyhow::Result<()> {
        let entries = self
            .ledger
            .pool_entries()
            .await
            .context("read the list of pools")?;
        if entries.iter().any(|entry| entry.name == row.pool) {
            return Ok(());
        }
        warn!(pool.name = %row.pool, runner.id = %row.id, "added a pool that has a runner to the list of pools");
        let entry = PoolEntry {
            name: row.pool.clone(),
            size: row.size,
            gone_at: None,
        };
        self.ledger
            .put_pool_entry(&entry)
            .await
            .context("enter its pool")
    }

    /// A runner that may have a registration is never stopped before GitHub says that it has no
    /// job.
    async fn deregister_orphan(
        &self,
        task: &Task,
        record: &Runner,
        why: &Reason,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        if let Some(target) = &record.target {
            if !self.may_ask(target.installation, budget).await {
                return Ok(());
            }
            let away = self.deregister(record).await;
            if let Err(problem) = &away {
                self.note_rate_limit(target.installation, problem, budget)
                    .await;
            }
            let left = match away? {
                Deregistered::Gone => None,
                Deregistered::Busy => Some(StoryEvent::TaskLeftRunning { busy: true }),
                Deregistered::Unknown => Some(StoryEvent::TaskLeftRunning { busy: false }),
            };
            if let Some(left) = left {
                warn!(task.arn = %task.arn, runner.id = %record.id, "{left}");
                return self
                    .ledger
                    .note_closed(&record.id, &left, self.now())
                    .await
                    .context("record that it is left alone");
            }
        }
        self.stop_orphan(task, why).await
    }

    async fn stop_orphan(&self, task: &Task, why: &Reason) -> anyhow::Result<()> {
        warn!(task.arn = %task.arn, runner.id = %task.address.runner, pool.name = %task.address.pool, reason = %why, "stopping a task that has no row");
        self.deps
            .ecs
            .stop(&task.arn, &why.to_string())
            .await
            .context("stop it")
    }
}
