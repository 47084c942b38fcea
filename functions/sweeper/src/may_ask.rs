//! Whether GitHub may be asked for an installation now.

use mayfly_domain::model::id::InstallationId;
use mayfly_github::CallError;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tracing::warn;

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GitHub, Sweeper};

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// True if GitHub may be asked something for this installation now; that counts as asked. Each
    /// question is one or two calls.
    pub(crate) async fn may_ask(&self, installation: InstallationId, budget: &Budget) -> bool {
        if budget.over() {
            return false;
        }
        if let Some(may) = budget.take(installation, &self.savings) {
            return may;
        }
        let told = self.ledger.limits([installation].into()).await;
        let free = match &told {
            Ok(limits) => limits
                .get(&installation)
                .is_none_or(|reset| *reset <= self.now()),
            Err(problem) => {
                warn!(installation.id = %installation, error = %problem, "could not read whether GitHub limits the installation: this sweep asks nothing for it");
                false
            }
        };
        budget.open(installation, free, &self.savings, self.now());
        budget.take(installation, &self.savings).unwrap_or_default()
    }

    /// What a failed call means for the rest of the sweep: for an installation that GitHub
    /// rate-limits there are no further calls.
    pub(crate) async fn note_rate_limit(
        &self,
        installation: InstallationId,
        problem: &anyhow::Error,
        budget: &Budget,
    ) {
        let Some(CallError::RateLimited { until, .. }) = problem.downcast_ref() else {
            return;
        };
        budget.close(installation);
        if let Err(problem) = self.ledger.limited(installation, *until).await {
            warn!(installation.id = %installation, error = %problem, "could not record that GitHub limits the installation");
        }
    }
}
