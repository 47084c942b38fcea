//! What a look at a pool shows, in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::hold::HoldReason;
use crate::model::id::JobId;
use crate::model::job::WaitingJob;
use crate::model::limits::Limits;
use crate::model::pool::Pool;
use crate::model::runner::{Runner, RunnerState};
use crate::model::start_health::PoolHealth;
use crate::model::time::Timestamp;
use crate::transitions::probes::PoolState;

/// What a look at a pool shows, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// Jobs that wait for a runner.
    pub waiting: usize,
    /// Runners that work on a job.
    pub running: usize,
    /// Runners that were not heard of yet.
    pub starting: usize,
    /// Runners that are alive and have no job.
    pub idle: usize,
    /// How long the job has waited that has waited longest. None in a pool that is paused: its jobs
    /// wait because someone wants it.
    pub oldest: Option<Duration>,
    /// Sizes whose runners do not start, and repositories to whose runners GitHub gives no job.
    pub open_breakers: usize,
    /// Jobs that no runner is started for, by [`HoldReason::word`].
    pub held: BTreeMap<&'static str, u32>,
}

impl PoolGauges {
    /// Of a pool as it was read, and of the plan that was made from it.
    #[must_use]
    pub fn of(
        pool: &Pool,
        (health, jobs, runners): (&PoolHealth, &[WaitingJob], &[Runner]),
        limits: &Limits,
        holds: &[(JobId, HoldReason)],
        now: Timestamp,
    ) -> Self {
        let known = PoolState {
            health,
            jobs,
            runners,
        };
        let mut gauges = Self {
            waiting: jobs.len(),
            open_breakers: open_breakers(known, limits, holds),
            oldest: jobs
                .iter()
                .filter(|_| !pool.is_paused())
                .map(|job| now.since(job.queued_at))
                .max(),
            ..Self::default()
        };
        for runner in runners.iter().filter(|runner| runner.stop.is_none()) {
            match runner.state {
                RunnerState::Busy if runner.done_at.is_none() => gauges.running += 1,
                RunnerState::Busy => {}
                RunnerState::Requested => gauges.starting += 1,
                RunnerState::Parked | RunnerState::Registering | RunnerState::Registered => {
                    gauges.idle += 1;
                }
            }
        }
        for (_, hold) in holds {
            *gauges.held.entry(hold.word()).or_default() += 1;
        }
        gauges
    }

    /// How many jobs are held for a reason; none if it is no job.
    #[must_use]
    pub fn held_for(&self, reason: &str) -> Option<u32> {
        self.held.get(reason).copied()
    }
}

/// A size that a person must correct stays broken whether a job waits or not. What may pass, such as
/// a lack of capacity, is over as soon as it matters to no job: no start shows it then.
fn open_breakers(known: PoolState<'_>, limits: &Limits, holds: &[(JobId, HoldReason)]) -> usize {
    let open = |(size, definition): (&String, &String)| {
        let health = known.health.sizes.get(size)?.clone().under(definition);
        let matters = known.jobs.iter().any(|job| job.size.to_string() == *size);
        (health.must_be_corrected() || health.breaker_open() && matters).then_some(())
    };
    let sizes = limits.definitions.iter().filter_map(open).count();
    let given_nothing = holds
        .iter()
        .any(|(_, hold)| matches!(hold, HoldReason::NotAssigned(_)));
    sizes + usize::from(given_nothing)
}
