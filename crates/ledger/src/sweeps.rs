//! What the sweeper keeps: its lease, and which pools there are.

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::optional;
use crate::key;
use crate::pool_snapshot::{PoolEntry, PoolVersion};
use crate::store::{Expect, Store, Write, unchanged};

/// Who sweeps, and until when no one else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    rev: u64,
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
        let key = key::lease();
        let held: Option<Lease> = optional(&key, self.store.get(&key).await?)?;
        if held
            .as_ref()
            .is_some_and(|lease| lease.owner != owner && lease.until > now)
        {
            return Ok(false);
        }
        let rev = held.map_or(0, |lease| lease.rev);
        let lease = Lease {
            rev: rev + 1,
            owner: owner.to_owned(),
            until: now.plus(timeouts::SWEEPER_LEASE),
        };
        Ok(matches!(
            or_conflict(
                self.store
                    .commit(vec![Write::put(key, &lease, unchanged(rev))?])
                    .await,
                ()
            )?,
            Attempt::Done(())
        ))
    }

    /// Gives the lease back, so that the next sweep need not wait for it to run out.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn release_lease(&self, owner: &str) -> Result<(), LedgerError> {
        let key = key::lease();
        let held: Option<Lease> = optional(&key, self.store.get(&key).await?)?;
        match held.filter(|lease| lease.owner == owner) {
            Some(lease) => or_conflict(
                self.store
                    .commit(vec![Write::Delete(key, Expect::Rev(lease.rev))])
                    .await,
                (),
            )
            .map(|_| ()),
            None => Ok(()),
        }
    }

    /// Pools that were ever planned and have not been forgotten.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn pool_entries(&self) -> Result<Vec<PoolEntry>, LedgerError> {
        self.query_all(key::POOLS, "").await
    }

    /// Writes down a pool, or since when it is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn put_pool_entry(&self, entry: &PoolEntry) -> Result<(), LedgerError> {
        or_conflict(
            self.store
                .commit(vec![Write::put(
                    key::pool_entry(&entry.name),
                    entry,
                    Expect::Any,
                )?])
                .await,
            (),
        )
        .map(|_| ())
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
        meta: &PoolVersion,
    ) -> Result<bool, LedgerError> {
        let writes = vec![
            Write::Delete(key::pool_entry(pool), Expect::Any),
            Write::Delete(key::meta(pool), unchanged(meta.rev)),
        ];
        Ok(matches!(
            or_conflict(self.store.commit(writes).await, ())?,
            Attempt::Done(())
        ))
    }
}
