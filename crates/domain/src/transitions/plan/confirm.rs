//! What of a plan is carried out: stops only if two looks agree on them, and nothing that has grown
//! old.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{HoldReason, Plan, Stop};
use crate::model::size::Size;
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// How long launches may wait for the second look that a stop needs.
const LAUNCHES_WAIT: Duration = Duration::from_millis(500);

/// In so many tries of a run, runners are marked beside launches.
const TRIES_WITH_MARKS: u32 = 2;

/// The plan of the second look, with the stops that the first one wants, too, and that still follow
/// if the runners of the second are held against the jobs of the first (`between`).
///
/// A stop mark is final. A job that has just started, seen half, makes the next job's runner look
/// surplus: the job's row is gone, while its runner, read before, still seems to wait for a job. In
/// a burst a second look may see another such half; runners that were read after the jobs cannot
/// seem to wait for a job that has begun.
#[must_use]
pub fn confirm(first: &Plan, second: Plan, between: &Plan) -> Plan {
    let wants =
        |plan: &Plan, stop: &Stop| plan.stop.iter().any(|other| other.runner == stop.runner);
    let stop = second
        .stop
        .iter()
        .filter(|stop| wants(first, stop) && wants(between, stop))
        .cloned()
        .collect();
    Plan { stop, ..second }
}

impl Plan {
    /// True if its stops are left to a later run: when looks are slow, or make a large pool's
    /// partition busy, launches do not wait for the second one. `age`: of the look; `apart`: the
    /// time between two of them.
    #[must_use]
    pub fn stops_wait(&self, age: Duration, apart: Duration) -> bool {
        !self.launch.is_empty() && (age > timeouts::PLAN_FRESH || apart > LAUNCHES_WAIT)
    }

    /// Takes out the launches of sizes that have no task definition; their jobs are held with the
    /// reason.
    pub fn withhold(&mut self, without: &BTreeMap<Size, HoldReason>) {
        let refused = self
            .launch
            .iter()
            .filter_map(|start| Some((start.job?, *without.get(&start.size)?)));
        self.holds.extend(refused.collect::<Vec<_>>());
        self.launch
            .retain(|start| !without.contains_key(&start.size));
    }
}

/// True if runners are marked in this try of a run, the first being 0, that has so many launches. A
/// parked runner writes its row at every poll: marks that meet that must not hold up launches again
/// and again.
#[must_use]
pub fn marks_now(attempt: u32, launches: usize) -> bool {
    attempt < TRIES_WITH_MARKS || launches == 0
}

/// True if a plan is so old that it had better be made again. The transaction ensures that the pool
/// had no other planner since, and the marked runners no other writer. An old plan may at most cost
/// a runner for a job that has ended since. So the limit doubles with each try, and a plan that
/// could not be repeated in time counts: slow reads must not keep a pool from launching.
#[must_use]
pub fn is_stale(began: Timestamp, attempt: u32, deadline: Timestamp, now: Timestamp) -> bool {
    let age = now.since(began);
    age > timeouts::exponential_backoff(timeouts::PLAN_FRESH, attempt, timeouts::SCALER_DEADLINE)
        && now.plus(age) < deadline
}
