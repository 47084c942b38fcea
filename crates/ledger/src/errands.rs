//! Errands, and how far sweeper got with its lists.

use mayfly_domain::model::errand::{Errand, Open};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::optional;
use crate::key;
use crate::store::{Expect, Store, Write, readable, unchanged};

/// Errands that are read at once: at most 40 kB.
const PAGE: i32 = 200;

/// A part of the errands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errands {
    /// The errands, due or not, in the order of their keys.
    pub open: Vec<Open>,
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

/// Writes an errand, over an earlier one for the same thing.
pub(crate) fn put_errand(open: &Open) -> Result<Write, LedgerError> {
    Write::put(key::errand(&open.errand), open, Expect::Any)
}

impl<S: Store> Ledger<S> {
    /// Errands after a place in their list: those whose name begins so ([`mayfly_domain::model::errand::KINDS`]), all of them with an empty text. One that cannot
    /// be read is logged and left out: it must not keep the others from being run.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn errands(&self, kind: &str, after: Option<&str>) -> Result<Errands, LedgerError> {
        let page = self.store.query(key::ERRANDS, kind, after, Some(PAGE)).await?;
        Ok(Errands { open: readable(page.items), next: page.next })
    }

    /// One errand, if it is open.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn errand(&self, errand: &Errand) -> Result<Option<Open>, LedgerError> {
        let key = key::errand(errand);
        optional(&key, self.store.get(&key).await?)
    }

    /// Adds an errand that no transition of a job or runner brings about.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn add_errand(&self, open: &Open) -> Result<(), LedgerError> {
        settle(self.store.commit(vec![put_errand(open)?]).await, ()).map(|_| ())
    }

    /// The errand is settled; one that came up for the same thing meanwhile stays.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn errand_done(&self, open: &Open) -> Result<(), LedgerError> {
        settle(self.store.commit(vec![Write::Delete(key::errand(&open.errand), Expect::Rev(open.rev))]).await, ()).map(|_| ())
    }

    /// The errand is to be run again, as [`Open::again`] made it; one that came up for the same thing meanwhile stays as it is.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn errand_again(&self, again: &Open) -> Result<(), LedgerError> {
        let write = Write::put(key::errand(&again.errand), again, Expect::Rev(again.rev - 1))?;
        settle(self.store.commit(vec![write]).await, ()).map(|_| ())
    }

    /// What a round of sweeper's remembers.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn cursor<T: DeserializeOwned + Default + Send>(&self, list: &str) -> Result<Cursor<T>, LedgerError> {
        let key = key::cursor(list);
        Ok(optional(&key, self.store.get(&key).await?)?.unwrap_or_else(|| Cursor { rev: 0, at: T::default() }))
    }

    /// Remembers it. `false`: another sweep wrote it meanwhile, and what that one says stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn move_cursor<T: Serialize + Sync + Send>(&self, list: &str, from: &Cursor<T>, to: T) -> Result<bool, LedgerError> {
        let write = Write::put(key::cursor(list), &Cursor { rev: from.rev + 1, at: to }, unchanged(from.rev))?;
        Ok(matches!(settle(self.store.commit(vec![write]).await, ())?, Try::Done(())))
    }
}
