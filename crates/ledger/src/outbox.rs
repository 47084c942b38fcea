//! Follow-ups, and how far sweeper got with its lists.

use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::optional;
use crate::key;
use crate::store::{Expect, Store, Write, readable, unchanged};

/// Follow-ups that are read at once: at most 40 kB.
const PAGE: i32 = 200;

/// A part of the follow-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxPage {
    /// The follow-ups, due or not, in the order of their keys.
    pub entries: Vec<OutboxEntry>,
    /// Where the list goes on; none at its end.
    pub next: Option<String>,
}

/// A place in a list, or whatever else a round has to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor<T> {
    /// How often it was written; 0 for one that never was.
    pub rev: u64,
    /// What is remembered.
    pub at: T,
}

/// Writes a follow-up, over an earlier one for the same thing.
pub(crate) fn put_outbox_entry(open: &OutboxEntry) -> Result<Write, LedgerError> {
    Write::put(key::outbox_entry(&open.follow_up), open, Expect::Any)
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
            .store
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
        let key = key::outbox_entry(follow_up);
        optional(&key, self.store.get(&key).await?)
    }

    /// Adds a follow-up that no transition of a job or runner brings about.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn add_to_outbox(&self, open: &OutboxEntry) -> Result<(), LedgerError> {
        or_conflict(self.store.commit(vec![put_outbox_entry(open)?]).await, ()).map(|_| ())
    }

    /// The follow-up is settled; one that came up for the same thing meanwhile stays.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn complete_outbox_entry(&self, open: &OutboxEntry) -> Result<(), LedgerError> {
        or_conflict(
            self.store
                .commit(vec![Write::Delete(
                    key::outbox_entry(&open.follow_up),
                    Expect::Rev(open.rev),
                )])
                .await,
            (),
        )
        .map(|_| ())
    }

    /// The follow-up is to be run again, as [`OutboxEntry::retry_with_backoff`] made it; one that
    /// came up for the same thing meanwhile stays as it is.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn reschedule_outbox_entry(&self, again: &OutboxEntry) -> Result<(), LedgerError> {
        let write = Write::put(
            key::outbox_entry(&again.follow_up),
            again,
            Expect::Rev(again.rev - 1),
        )?;
        or_conflict(self.store.commit(vec![write]).await, ()).map(|_| ())
    }

    /// What a round of sweeper's remembers.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn cursor<T: DeserializeOwned + Default + Send>(
        &self,
        list: &str,
    ) -> Result<Cursor<T>, LedgerError> {
        let key = key::cursor(list);
        Ok(
            optional(&key, self.store.get(&key).await?)?.unwrap_or_else(|| Cursor {
                rev: 0,
                at: T::default(),
            }),
        )
    }

    /// Remembers it. `false`: another sweep wrote it meanwhile, and what that one says stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn move_cursor<T: Serialize + Sync + Send>(
        &self,
        list: &str,
        from: &Cursor<T>,
        to: T,
    ) -> Result<bool, LedgerError> {
        let write = Write::put(
            key::cursor(list),
            &Cursor {
                rev: from.rev + 1,
                at: to,
            },
            unchanged(from.rev),
        )?;
        Ok(matches!(
            or_conflict(self.store.commit(vec![write]).await, ())?,
            Attempt::Done(())
        ))
    }
}
