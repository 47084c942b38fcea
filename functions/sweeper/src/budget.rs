//! What one sweep may spend: time, calls to GitHub by installation, and redeliveries.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mayfly_domain::id::InstallationId;
use mayfly_domain::time::Timestamp;
use mayfly_github::CallError;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::warn;

use crate::leftovers::Lists;
use crate::{Fleet, GitHub, Sweeper};

/// Most calls of one sweep for one installation: 1,800 in an hour, of the 5,000 that the smallest installation has (docs.github.com, "Rate
/// limits for GitHub Apps"). The rest is left to registrations.
const CALLS: u32 = 30;

/// What is left of a sweep.
pub(crate) struct Budget {
    until: Instant,
    ecs_until: Instant,
    calls: Mutex<BTreeMap<InstallationId, u32>>,
    /// What GitHub listed in this sweep.
    pub(crate) lists: tokio::sync::Mutex<Lists>,
    redeliveries: Mutex<Redeliveries>,
}

/// How many events GitHub may be asked for; none as long as nobody has looked whether the App may ask at all.
#[derive(Clone, Copy, Default)]
struct Redeliveries {
    left: u32,
    seen: Option<Timestamp>,
}

impl Budget {
    /// Nothing is begun after `until`; no open runner is held against what ECS says after `ecs_until`.
    pub(crate) fn new(ecs_until: Instant, until: Instant) -> Self {
        Self { until, ecs_until, calls: Mutex::default(), lists: tokio::sync::Mutex::default(), redeliveries: Mutex::default() }
    }

    fn redeliveries(&self) -> MutexGuard<'_, Redeliveries> {
        self.redeliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many events may be asked for. `seen` is when the last whole reading of the list of deliveries began.
    pub(crate) fn may_redeliver(&self, left: u32, seen: Option<Timestamp>) {
        *self.redeliveries() = Redeliveries { left, seen };
    }

    /// When the last whole reading of the list of deliveries began.
    pub(crate) fn deliveries_seen(&self) -> Option<Timestamp> {
        self.redeliveries().seen
    }

    /// Takes one redelivery, if there is one left.
    pub(crate) fn take_redelivery(&self) -> bool {
        let mut redeliveries = self.redeliveries();
        let may = redeliveries.left > 0;
        redeliveries.left = redeliveries.left.saturating_sub(1);
        may
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<InstallationId, u32>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nothing more is to be begun.
    pub(crate) fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// True when no more open runners are to be held against what ECS says: GitHub must have its turn, too.
    pub(crate) fn over_for_ecs(&self) -> bool {
        Instant::now() >= self.ecs_until
    }

    /// No more calls for this installation in this sweep.
    fn close(&self, installation: InstallationId) {
        self.calls().insert(installation, 0);
    }

    /// Takes one call, if there is one left; none if it is not known yet how many there are.
    fn take(&self, installation: InstallationId) -> Option<bool> {
        let mut calls = self.calls();
        let left = calls.get_mut(&installation)?;
        let may = *left > 0;
        *left = left.saturating_sub(1);
        Some(may)
    }
}

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// True if GitHub may be asked something for this installation now; that counts as asked. Each question is one or two calls.
    pub(crate) async fn may_ask(&self, installation: InstallationId, budget: &Budget) -> bool {
        if budget.over() {
            return false;
        }
        if let Some(may) = budget.take(installation) {
            return may;
        }
        let told = self.ledger.limits([installation].into()).await;
        let free = match &told {
            Ok(limits) => limits.get(&installation).is_none_or(|reset| *reset <= self.now()),
            Err(problem) => {
                warn!(installation.id = %installation, "it is not known whether GitHub told it to wait, it is asked nothing in this sweep: {problem}");
                false
            }
        };
        budget.calls().insert(installation, if free { CALLS } else { 0 });
        budget.take(installation).unwrap_or_default()
    }

    /// What a call that failed means for the rest of the sweep: an installation that GitHub told to wait is asked nothing more, by nobody.
    pub(crate) async fn heed(&self, installation: InstallationId, problem: &anyhow::Error, budget: &Budget) {
        let Some(CallError::RateLimited { until, .. }) = problem.downcast_ref() else { return };
        budget.close(installation);
        if let Err(problem) = self.ledger.limited(installation, *until).await {
            warn!(installation.id = %installation, "that GitHub told it to wait was not written down: {problem}");
        }
    }
}
