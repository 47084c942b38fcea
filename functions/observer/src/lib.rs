//! observer: writes down what ECS says of tasks, and wakes the pool when a runner is gone.
//!
//! Events may be lost, repeated and shuffled. Records are ordered by the task's version, and
//! sweeper asks ECS about tasks that stay open for too long.

mod event;
mod ports;

use anyhow::Context;
use mayfly_config::store::Clock;
use mayfly_domain::model::task::Task;
use mayfly_ecs::{EcsError, StopTask};
use mayfly_queue::Wakes;
use tracing::{error, info, warn};

pub use event::Event;
pub use ports::Records;

/// What the world outside gives to an event.
pub struct Deps<F, W> {
    /// ECS.
    pub ecs: F,
    /// The wake queue.
    pub wakes: W,
    /// What time it is.
    pub clock: Clock,
}

/// The function, with all it needs.
pub struct Observer<R, F, W> {
    records: R,
    deps: Deps<F, W>,
}

impl<R: Records, F: StopTask, W: Wakes> Observer<R, F, W> {
    /// An observer over these.
    pub fn new(records: R, deps: Deps<F, W>) -> Self {
        Self { records, deps }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// If the event does not have the shape that AWS describes, the ledger did not take it, or a
    /// task that must go may still run. Lambda tries twice more, after one and two minutes; after
    /// that sweeper finds out.
    pub async fn handle(&self, event: Event) -> anyhow::Result<()> {
        let handled = async {
            match event.task()? {
                Some(task) => self.seen(&task).await,
                None => Ok(()),
            }
        };
        // Lambda counts it, and an alarm hears of what lasts.
        handled.await.inspect_err(|problem| {
            warn!(
                error = format!("{problem:#}"),
                "could not handle an event: Lambda delivers it again"
            )
        })
    }

    async fn seen(&self, task: &Task) -> anyhow::Result<()> {
        let news = self.records.task_seen(task, (self.deps.clock)()).await;
        let news =
            news.with_context(|| format!("record task {} of runner {}", task.arn, task.address))?;
        info!(
            runner.id = %task.address.runner, pool.name = %task.address.pool, task.arn = %task.arn, task.status = ?task.status,
            task.version = task.version, closed = !news.wake.is_empty(), "task seen"
        );
        if let Some(why) = &news.must_act {
            error!(
                runner.id = %task.address.runner, pool.name = %task.address.pool, task.arn = %task.arn,
                "{why}"
            );
        }
        for pool in &news.wake {
            if let Err(problem) = self.deps.wakes.wake(pool).await {
                warn!(pool.name = %pool, error = %problem, "could not wake the pool though it has a free slot: the next tick does it");
            }
        }
        match &news.stop {
            Some(why) => self.stop(task, &why.to_string()).await,
            None => Ok(()),
        }
    }

    async fn stop(&self, task: &Task, why: &str) -> anyhow::Result<()> {
        match self.deps.ecs.stop(&task.arn, why).await {
            Ok(()) => {
                info!(runner.id = %task.address.runner, task.arn = %task.arn, reason = why, "task stopped")
            }
            // Another try would be told the same; sweeper has other ways.
            Err(refused @ (EcsError::Refused(_) | EcsError::Unexpected { .. })) => {
                error!(runner.id = %task.address.runner, task.arn = %task.arn, reason = why, error = %refused, "could not stop a task that must end");
            }
            Err(transient) => {
                return Err(transient).with_context(|| format!("stop task {}", task.arn));
            }
        }
        Ok(())
    }
}
