//! Why no runner is started for a job: written down for whoever asks why it waits.

use std::collections::BTreeMap;

use futures::StreamExt;
use mayfly_domain::model::held::Held;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::Plan;
use mayfly_ecs::{Definition, FleetError};
use mayfly_ledger::Store;
use mayfly_ledger::reasons::Unlaunchable;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::{Fleet, Scaler};

/// Reasons that one run writes at most: those of the oldest jobs, which somebody is likeliest to ask about.
const MOST_REASONS: usize = 50;

/// Writes under way at a time.
const AT_ONCE: usize = 10;

/// A waiting row whose reason is another one now; none: a runner is on its way, or its record tells why it waits.
#[derive(Debug)]
pub(crate) struct Reason {
    row: WaitingJob,
    held: Option<Held>,
}

/// The rows whose reason has changed, the oldest first.
pub(crate) fn changed(jobs: &[WaitingJob], plan: &Plan) -> Vec<Reason> {
    let held: BTreeMap<_, _> = plan.held.iter().copied().collect();
    let news = jobs.iter().filter_map(|row| {
        let held = held.get(&row.id).copied();
        // Its turn comes in a moment: what it waited for before is over, or comes back by itself.
        let now = if held == Some(Held::ThisRun) { row.held } else { held.filter(|held| held.is_written()).map(Held::kept) };
        (now != row.held).then(|| Reason { row: row.clone(), held: now })
    });
    let mut news: Vec<Reason> = news.collect();
    news.sort_by_key(|reason| reason.row.rank());
    news.truncate(MOST_REASONS);
    news
}

impl<S: Store, F: Fleet, W: Wakes> Scaler<S, F, W> {
    /// Writes reasons down, after everything else. Nobody is woken by that, and one that is not written is written by the next look.
    pub(crate) async fn explain(&self, pool: &PoolName, reasons: Vec<Reason>, deadline: Timestamp) {
        let until = Instant::now() + deadline.since(self.now());
        let writing = futures::stream::iter(reasons).for_each_concurrent(AT_ONCE, |reason| async move {
            if let Err(problem) = self.ledger.explain(pool, &reason.row, reason.held).await {
                debug!(job.id = %reason.row.id, error = %problem, "could not record why the job waits: the next look does it");
            }
        });
        let _ = tokio::time::timeout_at(until, writing).await;
    }

    /// There is no task definition to launch a size from: why, in the pool's health, so that it is tried now and then only.
    pub(crate) async fn no_definition(&self, pool: &Pool, size: &Size, definition: &Definition, problem: &FleetError) -> Held {
        let message = match problem {
            FleetError::Refused(call) => call.in_words(),
            FleetError::Unexpected { .. } => problem.to_string(),
            FleetError::Transient(_) => {
                warn!(pool.name = %pool.name, image = definition.image, error = %problem, "ECS did not answer about a task definition: nothing is launched from it in this run");
                return Held::NoAnswer;
            }
        };
        warn!(pool.name = %pool.name, image = definition.image, error = %problem, "ECS refuses the task definition");
        let now = self.now();
        let fingerprint = self.fingerprint(pool, size);
        let launch = Unlaunchable { size, definition: &fingerprint, message: &message };
        match self.ledger.unlaunchable(&pool.name, launch, now).await {
            Ok((health, opened)) => {
                if opened {
                    error!(
                        pool.name = %pool.name, image = definition.image,
                        "{}", health.alarm(size)
                    );
                }
                health.not_before.map_or(Held::Unproven(health.unasked_max(&fingerprint)), Held::FailedStarts)
            }
            Err(problem) => {
                warn!(pool.name = %pool.name, error = %problem, "could not record that ECS refuses a task definition: the next look asks again");
                Held::NoAnswer
            }
        }
    }
}
