//! What the sweeper keeps: its lease, and which pools there are.

use mayfly_domain::id::{JobId, PoolName};
use mayfly_domain::job::{JobRecord, JobState, WaitingJob, note};
use mayfly_domain::time::Timestamp;
use mayfly_domain::times;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::{TRIES, optional, put_job};
use crate::key;
use crate::look::PoolEntry;
use crate::store::{Expect, Store, Write, unchanged};

/// Who sweeps, and until when nobody else does.
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
        if held.as_ref().is_some_and(|lease| lease.owner != owner && lease.until > now) {
            return Ok(false);
        }
        let rev = held.map_or(0, |lease| lease.rev);
        let lease = Lease { rev: rev + 1, owner: owner.to_owned(), until: now.plus(times::SWEEPER_LEASE) };
        Ok(matches!(settle(self.store.commit(vec![Write::put(key, &lease, unchanged(rev))?]).await, ())?, Try::Done(())))
    }

    /// Gives the lease back, so that the next sweep need not wait for it to run out.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn give_lease_back(&self, owner: &str) -> Result<(), LedgerError> {
        let key = key::lease();
        let held: Option<Lease> = optional(&key, self.store.get(&key).await?)?;
        match held.filter(|lease| lease.owner == owner) {
            Some(lease) => settle(self.store.commit(vec![Write::Delete(key, Expect::Rev(lease.rev))]).await, ()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Pools that were ever planned and have not been forgotten.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn pool_entries(&self) -> Result<Vec<PoolEntry>, LedgerError> {
        self.all(key::POOLS, "").await
    }

    /// Writes down a pool, or since when it is gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn put_pool_entry(&self, entry: &PoolEntry) -> Result<(), LedgerError> {
        settle(self.store.commit(vec![Write::put(key::pool_entry(&entry.name), entry, Expect::Any)?]).await, ()).map(|_| ())
    }

    /// Forgets a pool that is gone and empty.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn forget_pool(&self, pool: &PoolName) -> Result<(), LedgerError> {
        settle(self.store.commit(vec![Write::Delete(key::pool_entry(pool), Expect::Any)]).await, ()).map(|_| ())
    }

    /// GitHub says that the job still waits for a runner: another one may be started for it when its wait is over. `false`: it waits no longer.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn still_queued(&self, pool: &PoolName, job: JobId, now: Timestamp) -> Result<bool, LedgerError> {
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.store.pause(attempt).await;
            }
            let Some(row) = self.waiting_job(pool, job).await? else { return Ok(false) };
            let Some(record) = self.job(job).await?.filter(|record| record.state == JobState::Queued) else { return Ok(false) };
            let mut record = JobRecord { rev: record.rev + 1, ..record };
            note(&mut record.story, now, "GitHub says that it still waits for a runner");
            let row = WaitingJob { rev: row.rev + 1, ask: false, ..row };
            let writes = vec![Write::put(key::waiting(pool, job), &row, Expect::Rev(row.rev - 1))?, put_job(&record)?];
            if let Try::Done(()) = settle(self.store.commit(writes).await, ())? {
                return Ok(true);
            }
        }
        Err(LedgerError::Busy { tries: TRIES, what: "clear a question about a job" })
    }
}
