//! What ECS says of the tasks of open runners, asked in case an event got lost.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use mayfly_domain::model::id::{PoolName, RunnerAddress, RunnerId, TaskArn};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::transitions::launch_result::{MissingTask, task_missing};
use mayfly_ecs::Described;
use mayfly_ledger::runners::Changed;
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GitHub, Sweeper};

/// Of so many rows one may be read again by itself: a read unit is 4 kB, of a single row or of
/// these together.
const ONE_BY_ONE: usize = 4;

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Holds every open runner's task against what ECS says of it. Each sweep begins with another
    /// one, as there may be no time for all. `named` gets the tasks that the pool's rows name.
    /// Answers the rows as they are now, if most are as they were.
    pub(crate) async fn reconcile_tasks(
        &self,
        pool: &PoolName,
        named: &mut BTreeSet<TaskArn>,
        budget: &Budget,
    ) -> anyhow::Result<Option<Vec<Runner>>> {
        let runners = self
            .ledger
            .runners(pool)
            .await
            .context("read the runners")?;
        let by_arn: BTreeMap<TaskArn, &Runner> = runners
            .iter()
            .filter_map(|runner| Some((runner.arn.clone()?, runner)))
            .collect();
        if by_arn.is_empty() {
            return Ok(Some(runners));
        }
        let arns: Vec<TaskArn> = by_arn.keys().cloned().collect();
        named.extend(arns.iter().cloned());
        let described = self
            .deps
            .ecs
            .describe(&arns)
            .await
            .context("describe the tasks")?;
        let of_a_row = |described: Described| match &described {
            Described::Task(task) => by_arn.get(&task.arn).map(|runner| (*runner, described)),
            Described::Missing(arn) => by_arn.get(arn).map(|runner| (*runner, described)),
            Described::Foreign(_) => None,
        };
        // An unchanged task costs nothing: only changed ones need the table.
        let mut news: Vec<(&Runner, Described)> = described
            .into_iter()
            .filter_map(of_a_row)
            .filter(|(runner, described)| is_news(runner, described))
            .collect();
        let turn = usize::try_from(self.now().seconds() / 60).unwrap_or_default();
        let first = turn % news.len().max(1);
        news.rotate_left(first);
        for (which, (runner, described)) in news.iter().enumerate() {
            if budget.over_for_ecs() {
                warn!(pool.name = %pool, left = news.len() - which, "the sweep's time for ECS is up: a later sweep checks the other tasks");
                break;
            }
            let result = match described {
                Described::Task(task) => self.shown(runner).await.and(self.task_seen(task).await),
                Described::Missing(_) | Described::Foreign(_) => self.missing(runner).await,
            };
            if let Err(problem) = result {
                warn!(pool.name = %pool, error = format!("{problem:#}"), "could not check a task: the next sweep tries again");
            }
        }
        let changed: BTreeSet<RunnerId> =
            news.iter().map(|(runner, _)| runner.id.clone()).collect();
        self.read_again(runners, &changed).await
    }

    /// The rows, those read again that may have changed. `None` if those are so many that all are
    /// read as cheaply.
    async fn read_again(
        &self,
        mut rows: Vec<Runner>,
        changed: &BTreeSet<RunnerId>,
    ) -> anyhow::Result<Option<Vec<Runner>>> {
        if changed.len() > rows.len() / ONE_BY_ONE {
            return Ok(None);
        }
        let (again, same): (Vec<_>, Vec<_>) = rows
            .drain(..)
            .partition(|runner| changed.contains(&runner.id));
        let addresses: Vec<RunnerAddress> = again.iter().map(Runner::address).collect();
        let again = futures::future::try_join_all(
            addresses.iter().map(|address| self.ledger.runner(address)),
        )
        .await;
        let again = again.context("read rows again")?.into_iter().flatten();
        Ok(Some(
            same.into_iter()
                .chain(again.map(Versioned::into_inner))
                .collect(),
        ))
    }

    /// ECS shows the task: an earlier answer that it knows none was wrong, and must not be added to
    /// a later one.
    async fn shown(&self, runner: &Runner) -> anyhow::Result<()> {
        if runner.launch.missing == 0 {
            return Ok(());
        }
        self.ledger
            .change_runner(&runner.address(), Runner::shown)
            .await?;
        Ok(())
    }

    /// As if an event had said it.
    pub(crate) async fn task_seen(
        &self,
        task: &mayfly_domain::model::task::Task,
    ) -> anyhow::Result<()> {
        let news = self.ledger.task_seen(task, self.now()).await?;
        if let Some(why) = &news.must_act {
            error!(
                runner.id = %task.address.runner, pool.name = %task.address.pool, task.arn = %task.arn,
                "{why}"
            );
        }
        if let Some(why) = news.stop {
            self.deps.ecs.stop(&task.arn, &why.to_string()).await?;
        }
        for pool in &news.wake {
            info!(runner.id = %task.address.runner, task.arn = %task.arn, "closed the runner: the event that its task stopped was lost");
            self.wake(pool).await;
        }
        Ok(())
    }

    /// Looks for the task of a launch that was never answered.
    pub(crate) async fn find_task(&self, runner: &Runner) -> anyhow::Result<()> {
        let tasks = self
            .deps
            .ecs
            .list_by_started_by(&runner.address())
            .await
            .context("list its tasks")?;
        if tasks.is_empty() {
            return self.missing(runner).await;
        }
        for described in self
            .deps
            .ecs
            .describe(&tasks)
            .await
            .context("describe its tasks")?
        {
            if let Described::Task(task) = described {
                self.task_seen(&task).await?;
            }
        }
        Ok(())
    }

    /// ECS knows no task of the runner: counted when that proves something, and believed the second
    /// time.
    async fn missing(&self, runner: &Runner) -> anyhow::Result<()> {
        let (address, now) = (runner.address(), self.now());
        let changed = match task_missing(runner, now) {
            MissingTask::Early => return Ok(()),
            MissingTask::Close => {
                if self.ledger.close_missing(runner, now).await?.is_some() {
                    warn!(runner.id = %runner.id, pool.name = %runner.pool, "closed the runner: ECS knows no task of it");
                    self.wake(&runner.pool).await;
                }
                return Ok(());
            }
            MissingTask::Count => {
                self.ledger
                    .change_runner(&address, |row| row.missing_once(runner, now))
                    .await?
            }
        };
        if let Changed::Closed = changed {
            info!(runner.id = %runner.id, "closed meanwhile");
        }
        Ok(())
    }
}

/// True if ECS's answer about a runner's task differs from its row, or requires an action.
fn is_news(runner: &Runner, described: &Described) -> bool {
    match described {
        Described::Task(task) => {
            task.status == TaskStatus::Stopped
                || runner.with_task(task).is_some()
                || runner.stop.is_some()
                || runner.launch.missing > 0
        }
        Described::Missing(_) => true,
        Described::Foreign(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::runner::{Launch, StopKind, Timeline};
    use mayfly_domain::model::size::{Architecture, Capacity, Size};
    use mayfly_domain::model::story::{Reason, TaskEnd};
    use mayfly_domain::model::task::Task;
    use mayfly_domain::model::time::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);

    fn runner() -> Runner {
        let launch = Launch {
            request: "{}".to_owned(),
            role: "runner".to_owned(),
            definition: "d".to_owned(),
            attempt: 1,
            first_sent_at: NOW,
            sent_at: NOW,
            missing: 0,
            missing_at: None,
            outcome_unknown: false,
            unsent: false,
            given_up: false,
        };
        let size = Size {
            cpu: 256,
            memory_mib: 512,
            disk_gib: 20,
            architecture: Architecture::X64,
            capacity: Capacity::OnDemand,
        };
        let pool = "linux".parse().unwrap();
        Runner::requested(RunnerId::from_ulid(1), pool, size, launch, NOW)
    }

    /// For a pool whose tasks are unchanged nothing is read or written. A stop that failed, or a
    /// wrong answer, is handled nowhere else, so those are checked.
    #[test]
    fn a_task_is_news_if_it_is_another_than_its_row_says_or_something_is_to_be_done_about_it() {
        let task = |status| Task {
            arn: TaskArn("arn:aws:ecs:us-east-1:123456789012:task/mayfly/1".to_owned()),
            address: runner().address(),
            version: 5,
            status,
            timeline: Timeline {
                created: Some(NOW),
                ..Timeline::default()
            },
            end: TaskEnd::default(),
        };
        let running = || Described::Task(Box::new(task(TaskStatus::Running)));
        let known = runner().with_task(&task(TaskStatus::Running)).unwrap();
        assert!(is_news(&runner(), &running()));
        assert!(!is_news(&known, &running()));
        let stopped = Described::Task(Box::new(task(TaskStatus::Stopped)));
        assert!(is_news(&known, &stopped));
        let missing = Described::Missing(task(TaskStatus::Running).arn);
        assert!(is_news(&known, &missing));
        let marked = known.marked(StopKind::Surplus, &Reason::NotNeeded, NOW);
        assert!(is_news(&marked.unwrap(), &running()));
        let mut doubted = known;
        doubted.launch.missing = 1;
        assert!(is_news(&doubted, &running()));
    }
}
