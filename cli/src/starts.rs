//! How starts of runners go, by size, in words.

use std::collections::BTreeSet;

use mayfly_domain::model::health::SizeHealth;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;

use crate::moment::When;
use crate::pools_now::PoolNow;

/// How starts of one size go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Starts {
    /// The size.
    pub size: Size,
    /// A runner of this size has asked for its registration since the last failure.
    pub proven: bool,
    /// Failures in a row, a burst counted as one.
    pub failures: u32,
    /// Only one runner at a time is tried.
    pub breaker_open: bool,
    /// When the next one is tried.
    pub probes_at: Option<When>,
    /// What kind of failure it was last.
    pub kind: Option<FailureKind>,
    /// The newest failure, in words.
    pub reason: Option<String>,
    /// What mends it.
    pub help: Option<String>,
}

/// How starts of the sizes go that are needed: the pool's own, and those of its waiting jobs and its runners.
#[must_use]
pub fn starts(now_of: &PoolNow, now: Timestamp) -> Vec<Starts> {
    let own = (!now_of.gone).then_some(now_of.pool.size);
    let wanted = now_of.look.jobs.iter().map(|job| job.size).chain(now_of.look.runners.iter().map(|runner| runner.size));
    let sizes: BTreeSet<Size> = own.into_iter().chain(wanted).collect();
    sizes.into_iter().map(|size| told(size, now_of.look.health.of_with(&size, &now_of.look.runners), now)).collect()
}

fn told(size: Size, health: SizeHealth, now: Timestamp) -> Starts {
    let failing = health.failures > 0;
    Starts {
        size,
        proven: health.proven.is_some() && !failing,
        failures: health.failures,
        breaker_open: health.breaker_open(),
        probes_at: health.not_before.filter(|at| failing && *at > now).map(When),
        kind: health.kind,
        help: failing.then(|| health.advice()),
        reason: health.reason.filter(|_| failing).map(|reason| reason.to_string()),
    }
}

impl Starts {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.failures, self.breaker_open) {
            (0, _) if self.proven => "ok",
            (0, _) => "untried",
            (_, true) => "breaker open",
            (_, false) => "failing",
        }
    }
}
