//! What the sweeper keeps: its lease, and which pools there are.

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::key;
use crate::ledger::Ledger;
use crate::pool_snapshot::{LastCommit, PoolEntry};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

/// Which sweep holds the lease, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    owner: String,
    until: Timestamp,
}

impl<S: Store> Ledger<S> {
    /// Takes the sweeper's lease for `owner`. `false`: another one holds it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn take_lease(&self, owner: &str, now: Timestamp) -> Result<bool, LedgerError> {
        let mut tx = Transaction::default();
        let lease: Option<Lease> = self.read_for(&mut tx, key::lease()).await?;
        if lease.is_some_and(|lease| lease.owner != owner && lease.until > now) {
            return Ok(false);
        }
        let lease = Lease {
            owner: owner.to_owned(),
            until: now.plus(timeouts::SWEEPER_LEASE),
        };
        tx.put(key::lease(), lease)?;
        Ok(self.commit(tx, ()).await?.is_done())
    }

    /// Gives the lease back, so that the next sweep need not wait for it to run out. It stays as an
    /// expired one. If it were removed, a lease taken in the same millisecond of a faster clock
    /// could have its version, and a slow sweep would then release that one.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn release_lease(&self, owner: &str) -> Result<(), LedgerError> {
        let mut tx = Transaction::default();
        let lease: Option<Lease> = self.read_for(&mut tx, key::lease()).await?;
        let Some(lease) = lease.filter(|lease| lease.owner == owner) else {
            return Ok(());
        };
        let over = Lease {
            until: Timestamp::default(),
            ..lease
        };
        tx.put(key::lease(), over)?;
        self.commit(tx, ()).await.map(drop)
    }

    /// Pools that were ever planned and have not been forgotten.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn pool_entries(&self) -> Result<Vec<PoolEntry>, LedgerError> {
        self.query_values(key::POOLS, "").await
    }

    /// Writes down a pool, or since when it is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn put_pool_entry(&self, entry: &PoolEntry) -> Result<(), LedgerError> {
        let mut tx = Transaction::default();
        tx.replace(key::pool_entry(&entry.name), entry)?;
        self.commit(tx, ()).await.map(drop)
    }

    /// Forgets a pool that is gone and empty, its version with it, so that anyone who plans it next
    /// enters it in the list again. `false`: it was planned since the look, and stays.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn forget_pool(
        &self,
        pool: &PoolName,
        meta: &Versioned<LastCommit>,
    ) -> Result<bool, LedgerError> {
        let mut tx = Transaction::default();
        tx.delete(key::pool_entry(pool));
        tx.delete_read(meta);
        Ok(self.commit(tx, ()).await?.is_done())
    }
}
