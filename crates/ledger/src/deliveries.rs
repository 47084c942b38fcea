//! Events that GitHub could not deliver: one follow-up for each, until it is known that one attempt
//! succeeded.

use std::time::Duration;

use mayfly_domain::model::failed_delivery::{DeliveryGuid, Redelivery};
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::transaction::Transaction;

/// The mark of a settled event: it is not requested again. Kept for as long as its failed attempts
/// may be read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tombstone {
    expires_at: i64,
}

impl<S: Store> Ledger<S> {
    /// GitHub could not deliver this: a follow-up sees to it, unless one does already or it is
    /// known to be over. An older event comes before a younger one, whenever they were found.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; [`LedgerError::Busy`] if it was not written.
    pub async fn record_undelivered(
        &self,
        delivery: &Redelivery,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.is_delivered(&delivery.guid).await? {
            return Ok(());
        }
        let follow_up = OutboxEntry::new(
            FollowUp::RedeliverWebhook(delivery.clone()),
            None,
            now,
            Duration::ZERO,
        );
        let open = OutboxEntry {
            since: delivery.first_at.min(now),
            ..follow_up
        };
        let key = key::outbox_entry(&open.follow_up);
        // One that is open has its own waits, which must not begin again.
        let mut tx = Transaction::default();
        tx.expect_absent(key.clone());
        tx.put_follow_up(&open, now)?;
        if self.commit(tx, ()).await?.is_done() {
            return Ok(());
        }
        // A conflict is no proof that there is one.
        match self.store().get(&key).await? {
            Some(_) => Ok(()),
            None => Err(LedgerError::Busy {
                tries: 1,
                what: "record that an event was not delivered",
            }),
        }
    }

    /// Settles this event: it was delivered, or never will be, and is not requested again. `keep`
    /// is how long that must be remembered.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; [`LedgerError::Busy`] if it was not written.
    pub async fn record_delivered(
        &self,
        guid: &DeliveryGuid,
        keep: Duration,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let over = Tombstone {
            expires_at: now.plus(keep).seconds(),
        };
        let mut tx = Transaction::default();
        tx.replace(key::delivery(guid), &over)?;
        tx.delete(key::outbox_entry_named(&FollowUp::redelivery_name(guid)));
        match self.commit(tx, ()).await? {
            Attempt::Done(()) => Ok(()),
            Attempt::Conflict => Err(LedgerError::Busy {
                tries: 1,
                what: "record that an event was delivered",
            }),
        }
    }

    /// Whether this event is settled.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn is_delivered(&self, guid: &DeliveryGuid) -> Result<bool, LedgerError> {
        Ok(self.store().get(&key::delivery(guid)).await?.is_some())
    }
}
