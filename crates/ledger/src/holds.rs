//! Why no runner starts: reasons that scaler records for `mayfly explain` and `mayfly status`.

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

/// A launch for which ECS refuses the task definition.
#[derive(Clone, Copy, Debug)]
pub struct FailedDefinition<'a> {
    /// The size of the launch.
    pub size: &'a Size,
    /// Fingerprint of what it would have been made from.
    pub definition: &'a str,
    /// What ECS says.
    pub message: &'a str,
}

/// How a size stands after a task definition that ECS refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedFailure {
    /// The size's health now.
    pub health: StartHealth,
    /// This failure opened the breaker: a person has to act, and has not been told yet.
    pub opened_breaker: bool,
}

impl<S: Store> Ledger<S> {
    /// Records why no runner starts for a waiting job, if its row has not changed since it was read.
    /// `false`: it has changed, and the next run of scaler records it.
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

    /// Counts a launch without a task definition as a failed start of its size.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn record_failed_definition(
        &self,
        pool: &PoolName,
        launch: FailedDefinition<'_>,
        now: Timestamp,
    ) -> Result<RecordedFailure, LedgerError> {
        let reason = Reason::NoTaskDefinition {
            message: launch.message.to_owned(),
        };
        self.with_retries(TRIES, "count a refused task definition", || async {
            let mut health: Versioned<PoolHealth> = self.read_or_default(key::health(pool)).await?;
            let size = health.of_mut(launch.size);
            let failure = Failure {
                reason: reason.clone(),
                ..Failure::of_launch(FailureKind::Configuration, launch.message)
            };
            let counted = size.record_failure_of(launch.definition, now, failure, now);
            let after = RecordedFailure {
                health: size.clone(),
                opened_breaker: counted.opened,
            };
            if !counted.changed {
                return Ok(Attempt::Done(after));
            }
            Ok(self.put(health).await?.map(|_| after))
        })
        .await
    }
}
