//! How many rows each pool has, counted as they come and go: anyone who asks need not walk the
//! table.

use std::collections::BTreeMap;

use mayfly_ledger::key::{JOB_PREFIX, Key, RUNNER_PREFIX};

/// Rows of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Runners whose task exists or may exist.
    pub runners: usize,
    /// The most of them that there ever were at once.
    pub most_runners: usize,
    /// Jobs that wait.
    pub jobs: usize,
}

/// Rows by partition, as they are once all transactions under way are over.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pools: BTreeMap<String, Rows>,
    /// Partitions that were touched since the maximum was looked at.
    touched: Vec<String>,
}

impl Tally {
    /// The rows of a partition.
    #[must_use]
    pub fn of(&self, pk: &str) -> Rows {
        self.pools.get(pk).copied().unwrap_or_default()
    }

    /// True if no pool has a runner or a waiting job.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools
            .values()
            .all(|rows| rows.runners == 0 && rows.jobs == 0)
    }

    /// An item comes or goes.
    pub(super) fn count(&mut self, key: &Key, was: bool, is: bool) {
        if was == is || !key.pk.starts_with("pool#") {
            return;
        }
        if !self.pools.contains_key(&key.pk) {
            self.pools.insert(key.pk.clone(), Rows::default());
        }
        let Some(rows) = self.pools.get_mut(&key.pk) else {
            return;
        };
        let count = if key.sk.starts_with(RUNNER_PREFIX) {
            &mut rows.runners
        } else if key.sk.starts_with(JOB_PREFIX) {
            &mut rows.jobs
        } else {
            return;
        };
        *count = if is {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        self.touched.push(key.pk.clone());
    }

    /// All items of one write are counted.
    pub(super) fn settle(&mut self) {
        for pk in self.touched.drain(..) {
            if let Some(rows) = self.pools.get_mut(&pk) {
                rows.most_runners = rows.most_runners.max(rows.runners);
            }
        }
    }
}
