//! Events that GitHub could not deliver: one errand for each, until it is known that one attempt succeeded.

use std::time::Duration;

use mayfly_domain::model::errand::{Errand, Open};
use mayfly_domain::model::failed_delivery::{DeliveryGuid, Redelivery};
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{LedgerError, Try, settle};
use crate::key;
use crate::store::{Expect, Store, Write};

/// What is left of an event that nobody has to ask for any more. Kept for as long as its failed attempts may be read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Over {
    rev: u64,
    expires_at: i64,
}

impl<S: Store> Ledger<S> {
    /// GitHub could not deliver this: an errand sees to it, unless one does already or it is known to be over. An older event comes
    /// before a younger one, whenever they were found.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; [`LedgerError::Busy`] if it was not written.
    pub async fn not_delivered(&self, delivery: &Redelivery, now: Timestamp) -> Result<(), LedgerError> {
        if self.delivery_is_over(&delivery.guid).await? {
            return Ok(());
        }
        let errand = Open::new(Errand::Redeliver(delivery.clone()), None, now, Duration::ZERO);
        let open = Open { since: delivery.first_at.min(now), ..errand };
        let key = key::errand(&open.errand);
        // One that is open has its own waits, which must not begin anew.
        let write = Write::put(key.clone(), &open, Expect::Absent)?;
        if let Try::Done(()) = settle(self.store.commit(vec![write]).await, ())? {
            return Ok(());
        }
        // A conflict is no proof that there is one.
        match self.store.get(&key).await? {
            Some(_) => Ok(()),
            None => Err(LedgerError::Busy { tries: 1, what: "write down that an event was not delivered" }),
        }
    }

    /// Nobody has to ask for this event (any more): it was delivered, or never will be. `keep` is how long that must be remembered.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; [`LedgerError::Busy`] if it was not written.
    pub async fn delivery_over(&self, guid: &DeliveryGuid, keep: Duration, now: Timestamp) -> Result<(), LedgerError> {
        let over = Over { rev: 1, expires_at: now.plus(keep).seconds() };
        let writes = vec![
            Write::put(key::delivery(guid), &over, Expect::Any)?,
            Write::Delete(key::errand_named(&Errand::redeliver(guid)), Expect::Any),
        ];
        match settle(self.store.commit(writes).await, ())? {
            Try::Done(()) => Ok(()),
            Try::Again => Err(LedgerError::Busy { tries: 1, what: "write down that an event was delivered" }),
        }
    }

    /// Whether it is known that nobody has to ask for this event.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn delivery_is_over(&self, guid: &DeliveryGuid) -> Result<bool, LedgerError> {
        Ok(self.store.get(&key::delivery(guid)).await?.is_some())
    }
}
