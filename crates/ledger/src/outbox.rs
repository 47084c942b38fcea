//! Follow-ups, and how far sweeper got with its lists.

use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::key;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::version::{Versioned, readable};

/// Follow-ups that are read at once: at most 40 kB.
const PAGE: i32 = 200;

/// A part of the follow-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxPage {
    /// The follow-ups, due or not, in the order of their keys.
    pub entries: Vec<Versioned<OutboxEntry>>,
    /// Where the list goes on; none at its end.
    pub next: Option<String>,
}

/// A place in a list, or whatever else a round has to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor<T> {
    /// What is remembered.
    pub at: T,
}

impl<S: Store> Ledger<S> {
    /// Follow-ups after a place in their list: those whose name begins so
    /// ([`mayfly_domain::model::outbox::KINDS`]), all of them with an empty text. One that cannot
    /// be read is logged and left out: it must not keep the others from being run.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn outbox_page(
        &self,
        kind: &str,
        after: Option<&str>,
    ) -> Result<OutboxPage, LedgerError> {
        let page = self
            .store()
            .query(key::OUTBOX, kind, after, Some(PAGE))
            .await?;
        Ok(OutboxPage {
            entries: readable(page.items),
            next: page.next,
        })
    }

    /// One follow-up, if it is open.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn outbox_entry(
        &self,
        follow_up: &FollowUp,
    ) -> Result<Option<OutboxEntry>, LedgerError> {
        let entry = self.read(key::outbox_entry(follow_up)).await?;
        Ok(entry.map(Versioned::into_inner))
    }

    /// The follow-up is settled; one that came up for the same thing meanwhile stays.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn complete_outbox_entry(
        &self,
        open: &Versioned<OutboxEntry>,
    ) -> Result<(), LedgerError> {
        self.remove(open).await.map(drop)
    }

    /// The follow-up is to be run again, as it is `again` ([`OutboxEntry::retry_with_backoff`]); one
    /// that came up for the same thing meanwhile stays as it is.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn reschedule_outbox_entry(
        &self,
        open: &Versioned<OutboxEntry>,
        again: OutboxEntry,
    ) -> Result<(), LedgerError> {
        self.put(open.with_value(again)).await.map(drop)
    }

    /// What a round of sweeper's remembers.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn cursor<T: DeserializeOwned + Default + Send>(
        &self,
        list: &str,
    ) -> Result<Versioned<Cursor<T>>, LedgerError> {
        self.read_or_default(key::cursor(list)).await
    }

    /// Remembers it. `None`: another sweep wrote it meanwhile, and what that one says stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn move_cursor<T: Serialize + Sync + Send>(
        &self,
        from: &Versioned<Cursor<T>>,
        to: T,
    ) -> Result<Option<Versioned<Cursor<T>>>, LedgerError> {
        Ok(self.put(from.with_value(Cursor { at: to })).await?.done())
    }
}
