//! Records why no runner is started for a job, for `mayfly explain` and `status`.

use std::collections::BTreeMap;

use futures::StreamExt;
use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::Plan;
use mayfly_ecs::{EcsError, TaskDefinitionSpec};
use mayfly_ledger::holds::{FailedDefinition, RecordedFailure};
use mayfly_ledger::pool_snapshot::PoolSnapshot;
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::scaler::{EcsPort, Scaler};

/// Reasons that one run writes at most: those of the oldest jobs, which someone is likeliest to ask
/// about.
const MOST_REASONS: usize = 50;

/// Writes under way at a time.
const AT_ONCE: usize = 10;

/// A waiting row whose reason is another one now; none: a runner is on its way, or its record tells
/// why it waits.
#[derive(Debug)]
pub(crate) struct Reason {
    row: Versioned<WaitingJob>,
    hold: Option<HoldReason>,
}

/// The rows whose reason has changed, the oldest first.
pub(crate) fn changed(pool: &PoolName, look: &PoolSnapshot, plan: &Plan) -> Vec<Reason> {
    let hold: BTreeMap<_, _> = plan.holds.iter().copied().collect();
    let news = look.jobs.iter().filter_map(|row| {
        let now = HoldReason::written(hold.get(&row.id).copied(), row.hold);
        (now != row.hold).then(|| Reason {
            row: look.versioned(pool, row),
            hold: now,
        })
    });
    let mut news: Vec<Reason> = news.collect();
    news.sort_by_key(|reason| reason.row.rank());
    news.truncate(MOST_REASONS);
    news
}

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// Writes reasons down, after everything else. That wakes no pool, and the next run records
    /// what this one could not.
    pub(crate) async fn explain(&self, reasons: Vec<Reason>, deadline: Timestamp) {
        let until = Instant::now() + deadline.since(self.now());
        let writing = futures::stream::iter(reasons).for_each_concurrent(AT_ONCE, |reason| async move {
            if let Err(problem) = self.ledger.record_hold(&reason.row, reason.hold).await {
                debug!(job.id = %reason.row.id, error = %problem, "could not record why the job waits: the next run records it");
            }
        });
        let _ = tokio::time::timeout_at(until, writing).await;
    }

    /// There is no task definition to launch a size from: records why in the pool's health, so that
    /// it is tried only from time to time.
    pub(crate) async fn no_definition(
        &self,
        pool: &Pool,
        size: &Size,
        definition: &TaskDefinitionSpec,
        problem: &EcsError,
    ) -> HoldReason {
        let message = match problem {
            EcsError::Refused(call) => call.in_words(),
            EcsError::Unexpected { .. } => problem.to_string(),
            EcsError::Transient(_) => {
                warn!(pool.name = %pool.name, image = definition.image, error = %problem, "ECS did not answer about a task definition: nothing is launched from it in this run");
                return HoldReason::NoAnswer;
            }
        };
        warn!(pool.name = %pool.name, image = definition.image, error = %problem, "ECS refuses the task definition");
        let now = self.now();
        let fingerprint = self.fingerprint(pool, size);
        let launch = FailedDefinition {
            size,
            definition: &fingerprint,
            message: &message,
        };
        match self
            .ledger
            .record_failed_definition(&pool.name, launch, now)
            .await
        {
            Ok(RecordedFailure {
                health,
                opened_breaker,
            }) => {
                if opened_breaker {
                    error!(
                        pool.name = %pool.name, image = definition.image,
                        "{}", health.alarm(size)
                    );
                }
                health.not_before.map_or(
                    HoldReason::Unverified(health.max_unverified(&fingerprint)),
                    HoldReason::FailedStarts,
                )
            }
            Err(problem) => {
                warn!(pool.name = %pool.name, error = %problem, "could not record that ECS refuses a task definition: the next run asks again");
                HoldReason::NoAnswer
            }
        }
    }
}
