//! Why nothing happens: reasons that scaler writes down for anyone who asks.

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::{Failure, PoolHealth, StartHealth};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::version::Versioned;

/// What speaks against a launch before it was even sent.
#[derive(Clone, Copy, Debug)]
pub struct FailedDefinition<'a> {
    /// The size of the launch.
    pub size: &'a Size,
    /// Fingerprint of what it would have been made from.
    pub definition: &'a str,
    /// What ECS says.
    pub message: &'a str,
}

impl<S: Store> Ledger<S> {
    /// Writes down why no runner is started for a waiting job, if its row is still the one that was
    /// looked at. `false`: it is not, and a later look does it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn record_hold(
        &self,
        looked_at: &Versioned<WaitingJob>,
        hold: Option<HoldReason>,
    ) -> Result<bool, LedgerError> {
        let mut after = looked_at.clone();
        after.hold = hold;
        Ok(self.put(after).await?.is_done())
    }

    /// Counts a launch that could not even be asked for as a failed start. Answers the health of
    /// its size as it is now, and whether it is news that a person must act.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn record_failed_definition(
        &self,
        pool: &PoolName,
        launch: FailedDefinition<'_>,
        now: Timestamp,
    ) -> Result<(StartHealth, bool), LedgerError> {
        let reason = Reason::NoTaskDefinition {
            message: launch.message.to_owned(),
        };
        self.with_retries(
            TRIES,
            "count a launch that could not be asked for",
            || async {
                let mut health: Versioned<PoolHealth> =
                    self.read_or_default(key::health(pool)).await?;
                let size = health.of_mut(launch.size);
                let failure = Failure {
                    reason: reason.clone(),
                    ..Failure::of_launch(FailureKind::Configuration, launch.message)
                };
                let counted = size.record_failure_of(launch.definition, now, failure, now);
                let after = (size.clone(), counted.opened);
                if !counted.changed {
                    return Ok(Attempt::Done(after));
                }
                Ok(self.put(health).await?.map(|_| after))
            },
        )
        .await
    }
}
