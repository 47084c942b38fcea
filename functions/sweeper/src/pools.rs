//! Which pools there are: those of the pools file, and those that still drain.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::Pools;
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
        let in_force = pools.get(&entry.name).is_some();
        match (in_force, entry.gone_at) {
            (true, None) => {}
            (true, Some(_)) => {
                self.ledger
                    .put_pool_entry(&PoolEntry {
                        gone_at: None,
                        ..entry.clone()
                    })
                    .await?
            }
            (false, None) => {
                info!(pool.name = %entry.name, "the pools file has it no longer: it launches nothing and drains");
                self.ledger
                    .put_pool_entry(&PoolEntry {
                        gone_at: Some(self.now()),
                        ..entry.clone()
                    })
                    .await?;
            }
            (false, Some(gone)) if self.now().since(gone) > FORGET_AFTER => {
                let look = self.ledger.pool_snapshot(&entry.name).await?;
                if look.runners.is_empty()
                    && look.jobs.is_empty()
                    && self.ledger.forget_pool(&entry.name, &look.meta).await?
                {
                    info!(pool.name = %entry.name, "forgotten: it is gone and empty");
                }
            }
            (false, Some(_)) => {}
        }
        Ok(())
    }
}
