//! Why nothing happens: reasons that scaler writes down for anyone who asks.

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::{Failure, PoolHealth, StartHealth};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::{TRIES, optional};
use crate::key;
use crate::store::{Expect, Store, Write, unchanged};

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
        pool: &PoolName,
        looked_at: &WaitingJob,
        held: Option<HoldReason>,
    ) -> Result<bool, LedgerError> {
        let after = WaitingJob {
            rev: looked_at.rev + 1,
            hold: held,
            ..looked_at.clone()
        };
        let write = Write::put(
            key::waiting(pool, looked_at.id),
            &after,
            Expect::Rev(looked_at.rev),
        )?;
        Ok(matches!(
            or_conflict(self.store.commit(vec![write]).await, ())?,
            Attempt::Done(())
        ))
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
        let key = key::health(pool);
        let reason = Reason::NoTaskDefinition {
            message: launch.message.to_owned(),
        };
        self.with_retries(
            TRIES,
            "count a launch that could not be asked for",
            || async {
                let mut health: PoolHealth =
                    optional(&key, self.store.get(&key).await?)?.unwrap_or_default();
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
                let before = health.rev;
                let write = Write::put(
                    key.clone(),
                    &PoolHealth {
                        rev: before + 1,
                        ..health
                    },
                    unchanged(before),
                )?;
                Ok(or_conflict(self.store.commit(vec![write]).await, ())?.map(|()| after))
            },
        )
        .await
    }
}
