//! The ledger: how each change reads and writes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Attempt, CommitError, LedgerError};
use crate::key::Key;
use crate::store::{Item, Store};
use crate::transaction::Transaction;
use crate::version::Versioned;

/// How often a change is tried when others are at the same items.
pub(crate) const TRIES: u32 = 3;

/// The ledger over some store: DynamoDB in production, a model of it in tests.
#[derive(Clone, Debug)]
pub struct Ledger<S> {
    store: S,
}

impl<S> Ledger<S> {
    /// The store beneath.
    pub fn store(&self) -> &S {
        &self.store
    }
}

impl<S: Store> Ledger<S> {
    /// A ledger over this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Has `attempt` read and write until it is settled, so many times at most, with a pause before
    /// each repetition. `what` is for the error.
    pub(crate) async fn with_retries<T, F>(
        &self,
        tries: u32,
        what: &'static str,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T, LedgerError>
    where
        T: Send,
        F: Future<Output = Result<Attempt<T>, LedgerError>> + Send,
    {
        for repetition in 0..tries {
            if repetition > 0 {
                self.store.pause(repetition).await;
            }
            // On the heap: what is read and written for it makes the futures of all callers large.
            if let Attempt::Done(done) = Box::pin(attempt()).await? {
                return Ok(done);
            }
        }
        Err(LedgerError::Busy { tries, what })
    }

    /// One item.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        key: Key,
    ) -> Result<Option<Versioned<T>>, LedgerError> {
        let item = self.store.get(&key).await?;
        item.map(|item| Versioned::read(&key, item)).transpose()
    }

    /// One item, or its default if it does not exist.
    pub(crate) async fn read_or_default<T: DeserializeOwned + Default>(
        &self,
        key: Key,
    ) -> Result<Versioned<T>, LedgerError> {
        let item = self.store.get(&key).await?;
        item.map_or_else(
            || Ok(Versioned::absent(key.clone(), T::default())),
            |item| Versioned::read(&key, item),
        )
    }

    /// One item, for a change.
    pub(crate) async fn read_for<T: DeserializeOwned>(
        &self,
        transaction: &mut Transaction,
        key: Key,
    ) -> Result<Option<T>, LedgerError> {
        let item = self.store.get(&key).await?;
        transaction.take(&key, item)
    }

    /// Several items as of one moment.
    pub(crate) async fn snapshot(
        &self,
        keys: &[Key],
    ) -> Result<Attempt<Vec<Option<Item>>>, LedgerError> {
        match self.store.get_many(keys).await {
            Ok(items) => Ok(Attempt::Done(items)),
            Err(CommitError::Conflict) => Ok(Attempt::Conflict),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Carries a change out, whole or not at all; tells a lost race from a failure. `done` is the
    /// answer if it was. One that writes nothing is no call.
    pub(crate) async fn commit<T>(
        &self,
        transaction: Transaction,
        done: T,
    ) -> Result<Attempt<T>, LedgerError> {
        let writes = transaction.into_writes();
        if writes.is_empty() {
            return Ok(Attempt::Done(done));
        }
        match self.store.commit(writes).await {
            Ok(()) => Ok(Attempt::Done(done)),
            Err(CommitError::Conflict) => Ok(Attempt::Conflict),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Writes one value over what it was made from. Answers it as it is then.
    pub(crate) async fn put<T: Serialize>(
        &self,
        after: Versioned<T>,
    ) -> Result<Attempt<Versioned<T>>, LedgerError> {
        let mut transaction = Transaction::default();
        let written = transaction.put_over(after)?;
        self.commit(transaction, written).await
    }

    /// Removes what was read.
    pub(crate) async fn remove<T>(&self, read: &Versioned<T>) -> Result<Attempt<()>, LedgerError> {
        let mut transaction = Transaction::default();
        transaction.delete_read(read);
        self.commit(transaction, ()).await
    }
}
