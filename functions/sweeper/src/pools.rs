//! Which pools there are: those of the pools file, and those that still drain.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::Store;
use mayfly_ledger::pool_snapshot::PoolEntry;
use mayfly_queue::Wakes;
use tracing::{info, warn};

use crate::sweeper::{EcsPort, GitHub, Sweeper};

/// An empty pool is forgotten this long after it left the pools file: no function's cache of the
/// file is as old.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// The names of all pools, and the ledger's list of them kept.
    pub(crate) async fn pools(&self, pools: Option<&Pools>) -> anyhow::Result<Vec<PoolName>> {
        let entries = self.ledger.pool_entries().await?;
        let mut names: BTreeSet<PoolName> =
            entries.iter().map(|entry| entry.name.clone()).collect();
        let Some(pools) = pools else {
            return Ok(names.into_iter().collect());
        };
        for entry in &entries {
            if let Err(problem) = self.keep_entry(entry, pools).await {
                warn!(pool.name = %entry.name, error = format!("{problem:#}"), "could not update the pool's entry: the next sweep tries again");
            }
        }
        for pool in &pools.pools {
            if names.insert(pool.name.clone())
                && let Err(problem) = self
                    .ledger
                    .put_pool_entry(&PoolEntry {
                        name: pool.name.clone(),
                        size: pool.size,
                        gone_at: None,
                    })
                    .await
            {
                warn!(pool.name = %pool.name, error = format!("{problem:#}"), "could not add the pool to the list of pools: the next sweep tries again");
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Writes down that a pool is gone, or is back; forgets one that is gone and empty.
    async fn keep_entry(&self, entry: &PoolEntry, pools: &Pools) -> anyhow::Result<()> {
        let is_active = pools.get(&entry.name).is_some();
        let now = self.now();
        if let Some(after) = entry_after(entry, is_active, now) {
            if !is_active {
                info!(pool.name = %entry.name, "the pools file no longer has the pool: it launches nothing and drains");
            }
            return Ok(self.ledger.put_pool_entry(&after).await?);
        }
        if entry
            .gone_at
            .is_some_and(|gone| now.since(gone) > FORGET_AFTER)
        {
            let look = self.ledger.pool_snapshot(&entry.name).await?;
            if look.runners.is_empty()
                && look.jobs.is_empty()
                && self.ledger.forget_pool(&entry.name, &look.meta).await?
            {
                info!(pool.name = %entry.name, "deleted the pool's entry: the pool is gone and empty");
            }
        }
        Ok(())
    }
}

/// The pool's entry where the pools file has it again, or has it no longer; none if that is no news.
fn entry_after(entry: &PoolEntry, is_active: bool, now: Timestamp) -> Option<PoolEntry> {
    let gone_at = (!is_active).then_some(now);
    (gone_at.is_some() != entry.gone_at.is_some()).then(|| PoolEntry {
        gone_at,
        ..entry.clone()
    })
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::size::{Architecture, Capacity, Size};

    use super::*;

    /// Counted as gone, a pool that is back would be forgotten once it is empty.
    #[test]
    fn a_pool_is_gone_from_when_no_file_has_it_until_one_has_it_again() {
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let entry = |gone_at| PoolEntry {
            name: "linux".parse().unwrap(),
            size: Size {
                cpu: 256,
                memory_mib: 512,
                disk_gib: 20,
                architecture: Architecture::X64,
                capacity: Capacity::OnDemand,
            },
            gone_at,
        };
        let after = |gone_at, is_active| entry_after(&entry(gone_at), is_active, at(9));
        assert_eq!(after(None, true), None);
        assert_eq!(after(None, false), Some(entry(Some(at(9)))));
        assert_eq!(after(Some(at(1)), false), None);
        assert_eq!(after(Some(at(1)), true), Some(entry(None)));
    }
}
