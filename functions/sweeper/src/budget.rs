//! What one sweep may spend: time, and calls to GitHub by installation.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mayfly_domain::id::InstallationId;
use mayfly_github::CallError;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::warn;

use crate::{Fleet, GitHub, Sweeper};

/// Most calls of one sweep for one installation: 1,800 in an hour, of the 5,000 that the smallest installation has (docs.github.com, "Rate
/// limits for GitHub Apps"). The rest is left to registrations.
const CALLS: u32 = 30;

/// What is left of a sweep.
pub(crate) struct Budget {
    until: Instant,
    calls: Mutex<BTreeMap<InstallationId, u32>>,
}

impl Budget {
    pub(crate) fn new(until: Instant) -> Self {
        Self { until, calls: Mutex::default() }
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<InstallationId, u32>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nothing more is to be begun.
    pub(crate) fn over(&self) -> bool {
        Instant::now() >= self.until
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
