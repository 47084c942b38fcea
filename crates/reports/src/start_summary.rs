//! How starts of runners go, by size, in words.

use std::collections::BTreeSet;

use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::StartHealth;
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;

use crate::pool_status::PoolStatus;
use crate::time_format::Rfc3339;

/// How starts of one size go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StartSummary {
    /// The size.
    pub size: Size,
    /// A runner of this size has asked for its registration since the last failure.
    pub verified: bool,
    /// Failures in a row, a burst counted as one.
    pub failures: u32,
    /// Only one runner at a time is tried.
    pub breaker_open: bool,
    /// When the next one is tried.
    pub probes_at: Option<Rfc3339>,
    /// What kind of failure it was last.
    pub kind: Option<FailureKind>,
    /// The newest failure, in words.
    pub reason: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// How starts of the sizes go that are needed: the pool's own, and those of its waiting jobs and
/// its runners.
#[must_use]
pub fn start_summary(now_of: &PoolStatus, now: Timestamp) -> Vec<StartSummary> {
    let own = (!now_of.gone).then_some(now_of.pool.size);
    let wanted = now_of
        .look
        .jobs
        .iter()
        .map(|job| job.size)
        .chain(now_of.look.runners.iter().map(|runner| runner.size));
    let sizes: BTreeSet<Size> = own.into_iter().chain(wanted).collect();
    sizes
        .into_iter()
        .map(|size| {
            told(
                size,
                now_of.look.health.of_with(&size, &now_of.look.runners),
                now,
            )
        })
        .collect()
}

fn told(size: Size, health: StartHealth, now: Timestamp) -> StartSummary {
    let failing = health.failures > 0;
    StartSummary {
        size,
        verified: health.verified_definition.is_some() && !failing,
        failures: health.failures,
        breaker_open: health.breaker_open(),
        probes_at: health
            .not_before
            .filter(|at| failing && *at > now)
            .map(Rfc3339),
        kind: health.kind,
        help: failing.then(|| health.advice()),
        reason: health
            .reason
            .filter(|_| failing)
            .map(|reason| reason.to_string()),
    }
}

impl StartSummary {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.failures, self.breaker_open) {
            (0, _) if self.verified => "ok",
            (0, _) => "untried",
            (_, true) => "breaker open",
            (_, false) => "failing",
        }
    }
}
