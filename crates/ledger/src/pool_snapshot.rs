//! Looking at a pool, and committing what was planned from the look.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::id::{InstallationId, JobId, PoolName, RunnerAddress, RunnerId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::jobs_to_reread;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::changes::at;
use crate::error::LedgerError;
use crate::key::{self, Key};
use crate::ledger::{Ledger, TRIES};
use crate::store::{Item, Store, read};
use crate::transaction::Transaction;
use crate::version::{Versioned, Versions};

/// Most launches of one commit: with the marks, the version and the pool's entry a transaction
/// stays below DynamoDB's 100 actions, and looking up whether two rows (open and closed) of each
/// exist fits one `TransactGetItems`.
pub const MOST_LAUNCHES: usize = 40;

/// Most stop marks of one commit.
pub const MOST_STOPS: usize = 50;

/// What the last commit to a pool did. Planners that read the same one exclude each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCommit {
    /// The runners that it launched: a query may not show them yet.
    pub launched: Vec<RunnerId>,
    /// The runner to which it gave a job of a repository that it did not count for: a
    /// query may not show that yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<RunnerId>,
}

/// An active pool, or one that still drains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEntry {
    /// Its name.
    pub name: PoolName,
    /// The size of its runners when it was written.
    pub size: Size,
    /// Since when no pools file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

/// GitHub told an installation to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) reset_at: Timestamp,
}

/// All that a plan depends on.
#[derive(Clone, Debug)]
pub struct PoolSnapshot {
    /// The pool's last commit, which was read first.
    pub meta: Versioned<LastCommit>,
    /// How starts went.
    pub health: PoolHealth,
    /// Every open runner.
    pub runners: Vec<Runner>,
    /// Every waiting job.
    pub jobs: Vec<WaitingJob>,
    /// Installations that GitHub told to wait, until when.
    pub limits: BTreeMap<InstallationId, Timestamp>,
    /// Runners of the last commit that are open no more, each looked up by itself.
    pub looked_up: usize,
    /// The versions of runners and waiting jobs.
    versions: Versions,
}

impl PoolSnapshot {
    /// What the look read of the pool's partition, in rows of open runners: of waiting jobs' rows
    /// four are as large, and looking up one item in a transaction costs as much as eight.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.runners.len() + self.jobs.len() / 4 + self.looked_up * 8
    }

    /// A waiting job of the look, to be written over as it was read.
    #[must_use]
    pub fn versioned(&self, pool: &PoolName, job: &WaitingJob) -> Versioned<WaitingJob> {
        self.versions.of(key::waiting(pool, job.id), job.clone())
    }
}

impl<S: Store> Ledger<S> {
    /// Reads a pool for planning. The version first, then the runners (with those that the last
    /// commit launched, shown by the query or not), then the health, and the jobs last; jobs whose
    /// runner is not shown are read again. Whatever part of a transaction in progress is visible,
    /// the result is too few launches, never too many.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn pool_snapshot(&self, pool: &PoolName) -> Result<PoolSnapshot, LedgerError> {
        let (meta, runners) = self.versioned_runners(pool).await?;
        let looked_up = gone(&meta, &runners);
        // A failed start counts in the transaction that removes its row: a health older than the
        // runners would try again at once.
        let health: Versioned<PoolHealth> = self.read_or_default(key::health(pool)).await?;
        let jobs = self.query_all(&key::pool(pool), key::JOB_PREFIX).await?;
        let mut versions = Versions::default();
        let runners: Vec<Runner> = runners.into_iter().map(|row| versions.keep(row)).collect();
        let jobs = self.reread_jobs(pool, jobs, &runners).await?;
        let jobs: Vec<WaitingJob> = jobs.into_iter().map(|row| versions.keep(row)).collect();
        let limits = self
            .limits(jobs.iter().map(|job| job.installation).collect())
            .await?;
        Ok(PoolSnapshot {
            meta,
            health: health.into_inner(),
            runners,
            jobs,
            limits,
            looked_up,
            versions,
        })
    }

    /// The jobs, those read again that a query may have shown as they were before their runner's
    /// end.
    async fn reread_jobs(
        &self,
        pool: &PoolName,
        jobs: Vec<Versioned<WaitingJob>>,
        runners: &[Runner],
    ) -> Result<Vec<Versioned<WaitingJob>>, LedgerError> {
        let unconfirmed: BTreeSet<JobId> =
            jobs_to_reread(&jobs, runners).map(|job| job.id).collect();
        if unconfirmed.is_empty() {
            return Ok(jobs);
        }
        let again = futures::future::try_join_all(
            unconfirmed.iter().map(|job| self.waiting_job(pool, *job)),
        )
        .await?;
        let certain = jobs
            .into_iter()
            .filter(|job| !unconfirmed.contains(&job.id));
        Ok(certain.chain(again.into_iter().flatten()).collect())
    }

    /// Every item of a partition that begins so.
    pub(crate) async fn query_all<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<Versioned<T>>, LedgerError> {
        let items = self.query_items(pk, prefix).await?;
        items
            .into_iter()
            .map(|(key, item)| Versioned::read(&key, item))
            .collect()
    }

    /// The same, to be looked at only.
    pub(crate) async fn query_values<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<T>, LedgerError> {
        let items = self.query_items(pk, prefix).await?;
        items
            .into_iter()
            .map(|(key, item)| read(&key, item))
            .collect()
    }

    pub(crate) async fn query_items(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<(Key, Item)>, LedgerError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store()
                .query(pk, prefix, after.as_deref(), None)
                .await?;
            items.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// A pool's version, and its open runners as they are at that version or later.
    pub(crate) async fn versioned_runners(
        &self,
        pool: &PoolName,
    ) -> Result<(Versioned<LastCommit>, Vec<Versioned<Runner>>), LedgerError> {
        let meta: Versioned<LastCommit> = self.read_or_default(key::meta(pool)).await?;
        let mut runners = self.query_all(&key::pool(pool), key::RUNNER_PREFIX).await?;
        runners.extend(self.not_shown(pool, &meta, &runners).await?);
        if let Some(given) = meta.given.clone() {
            let address = RunnerAddress {
                pool: pool.clone(),
                runner: given,
            };
            let now = self.runner(&address).await?;
            runners.retain(|runner: &Versioned<Runner>| runner.id != address.runner);
            runners.extend(now);
        }
        Ok((meta, runners))
    }

    /// The runners of the last commit that the query did not show and that are not closed.
    async fn not_shown(
        &self,
        pool: &PoolName,
        meta: &LastCommit,
        shown: &[Versioned<Runner>],
    ) -> Result<Vec<Versioned<Runner>>, LedgerError> {
        let shown: BTreeSet<&RunnerId> = shown.iter().map(|runner| &runner.id).collect();
        let missing: Vec<&RunnerId> = meta
            .launched
            .iter()
            .filter(|id| !shown.contains(id))
            .collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let address = |runner: &&RunnerId| RunnerAddress {
            pool: pool.clone(),
            runner: (*runner).clone(),
        };
        // Row and record of each as of one moment: it is in exactly one of them.
        let keys: Vec<_> = missing
            .iter()
            .flat_map(|id| [key::runner(&address(id)), key::runner_record(id)])
            .collect();
        let items = self
            .with_retries(TRIES, "find the runners launched last", || {
                self.snapshot(&keys)
            })
            .await?;
        let rows = keys.iter().zip(items).step_by(2);
        rows.filter_map(|(key, item)| Some(Versioned::read(key, item?)))
            .collect()
    }

    /// Which of these installations GitHub told to wait.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn limits(
        &self,
        installations: BTreeSet<InstallationId>,
    ) -> Result<BTreeMap<InstallationId, Timestamp>, LedgerError> {
        let reads = installations.into_iter().map(|installation| async move {
            let key = key::limit(installation);
            let item = self.store().get(&key).await?;
            let limit: Option<Limit> = item.map(|item| read(&key, item)).transpose()?;
            Ok::<_, LedgerError>(limit.map(|limit| (installation, limit.reset_at)))
        });
        Ok(futures::future::try_join_all(reads)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Commits a plan: new rows, stop marks and the next version, unless another planner has
    /// committed since the snapshot. `false`: someone did, look again.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; [`LedgerError::Unavailable`] leaves open whether it was committed: the rows
    /// tell at the next look.
    pub async fn commit_plan(
        &self,
        entry: &PoolEntry,
        snapshot: &PoolSnapshot,
        (launched, marked): (&[Runner], &[Runner]),
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let mut tx = Transaction::default();
        let commit = LastCommit {
            launched: launched.iter().map(|runner| runner.id.clone()).collect(),
            given: None,
        };
        tx.put_next_over(snapshot.meta.with_value(commit), at(now))?;
        if snapshot.meta.is_absent() {
            // From its first runner on the pool is ticked until it has drained, whatever becomes of
            // the pools file.
            tx.replace(key::pool_entry(&entry.name), entry)?;
        }
        for runner in marked {
            tx.has_read(&snapshot.versions.of(key::runner(&runner.address()), runner));
        }
        for runner in launched.iter().chain(marked) {
            tx.put_runner(runner)?;
        }
        Ok(self.commit(tx, ()).await?.is_done())
    }
}

/// How many runners of the last commit are open no more: none of them was shown, so each was looked
/// up.
fn gone(meta: &LastCommit, open: &[Versioned<Runner>]) -> usize {
    let open: BTreeSet<&RunnerId> = open.iter().map(|runner| &runner.id).collect();
    meta.launched.iter().filter(|id| !open.contains(id)).count()
}
