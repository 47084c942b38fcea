//! What people ask for by `mayfly`: that a runner ends, that a job is tried again, that a pools file comes into force.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::stop_request::Dismissal;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::dismissal::{Dismissed, dismiss};
use mayfly_domain::transitions::retry::{Retry, Tried, retry};
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::errands::put_errand;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::{TRIES, optional, put_job, put_runner};
use crate::key;
use crate::store::{Expect, Store, Write, unchanged};

/// How long whoever applies a pools file keeps others from doing so, should nobody hear of him again.
const APPLYING: std::time::Duration = std::time::Duration::from_secs(60);

/// Somebody applies a pools file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applying {
    rev: u64,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when nobody else may, if he does not end it before.
    pub until: Timestamp,
    /// The version that was applied last, by this one or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What is known of the pools file besides the file itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The version that `mayfly apply` wrote last; none before the first.
    pub version: Option<u64>,
    /// Another one is being applied, or it is not known what came of it.
    pub under_way: bool,
}

impl<S: Store> Ledger<S> {
    /// Somebody wants a runner gone. `None`: it has no open row.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn dismiss(&self, address: &RunnerAddress, wish: &Dismissal) -> Result<Option<Dismissed>, LedgerError> {
        self.tried(TRIES, "write down that a runner is to end", || async {
            let Some(runner) = self.runner(address).await? else { return Ok(Try::Done(None)) };
            let dismissed = dismiss(&runner, wish.clone());
            match &dismissed {
                Dismissed::Marked(after) | Dismissed::Left(after) => {
                    let writes = vec![put_runner(after)?];
                    Ok(settle(self.store.commit(writes).await, dismissed)?.map(Some))
                }
                Dismissed::Busy | Dismissed::Ending => Ok(Try::Done(Some(dismissed))),
            }
        })
        .await
    }

    /// Somebody wants a job tried again now; `pool_there` says if the pools file has a pool. What is written here is written; matching it anew
    /// ([`Retry::Place`]) is left to the caller. `None`: there is no such job.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn retry(
        &self,
        job: JobId,
        by: &str,
        pool_there: impl Fn(&PoolName) -> bool + Send + Sync,
        now: Timestamp,
    ) -> Result<Option<Retry>, LedgerError> {
        self.tried(TRIES, "try a job again", || async {
            let Some(record) = self.job(job).await? else { return Ok(Try::Done(None)) };
            let row = match &record.pool {
                Some(pool) => self.waiting_job(pool, job).await?,
                None => None,
            };
            let runner = self.runner_of(&record, row.as_ref().and_then(|row| row.runner.clone())).await?;
            let there = record.pool.as_ref().is_some_and(&pool_there);
            let outcome = retry(Tried { record: &record, row: row.as_ref(), runner: runner.as_ref() }, by, there, now);
            let writes = match (&outcome, &record.pool) {
                (Retry::Afresh(after), Some(pool)) => {
                    let (record, row) = &**after;
                    vec![put_job(record)?, Write::put(key::waiting(pool, row.id), row, Expect::Rev(row.rev - 1))?]
                }
                (Retry::Ask(open), _) => vec![put_errand(open)?],
                _ => return Ok(Try::Done(Some(outcome))),
            };
            Ok(settle(self.store.commit(writes).await, outcome)?.map(Some))
        })
        .await
    }

    /// The open row of the runner that holds a waiting job in reserve, or else of the one that works on it.
    async fn runner_of(
        &self,
        record: &JobRecord,
        holder: Option<mayfly_domain::model::id::RunnerId>,
    ) -> Result<Option<Runner>, LedgerError> {
        let holder = holder.zip(record.pool.clone()).map(|(runner, pool)| RunnerAddress { pool, runner });
        let named = || record.runner_name.as_ref()?.parse::<RunnerName>().ok().map(|name| name.address);
        match holder.or_else(named) {
            Some(address) => self.runner(&address).await,
            None => Ok(None),
        }
    }

    /// Begins to apply a pools file, unless somebody else does: then it is that one. Whoever began goes on only for as long as it says.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn begin_applying(&self, by: &str, now: Timestamp) -> Result<Result<Applying, Applying>, LedgerError> {
        let key = key::applying();
        self.tried(TRIES, "begin to apply a pools file", || async {
            let other: Option<Applying> = optional(&key, self.store.get(&key).await?)?;
            let (rev, version) = match other {
                Some(other) if other.until > now => return Ok(Try::Done(Err(other))),
                Some(over) => (over.rev, over.version),
                None => (0, None),
            };
            let applying = Applying { rev: rev + 1, by: by.to_owned(), at: now, until: now.plus(APPLYING), version };
            let writes = vec![Write::put(key.clone(), &applying, unchanged(rev))?];
            Ok(settle(self.store.commit(writes).await, applying)?.map(Ok))
        })
        .await
    }

    /// It is applied as this version, or given up. The item stays, so that its number is never used twice.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: the next one waits until its time is over.
    pub async fn end_applying(&self, applying: &Applying, version: Option<u64>) -> Result<(), LedgerError> {
        let version = version.or(applying.version);
        let over = Applying { rev: applying.rev + 1, until: applying.at, version, ..applying.clone() };
        let writes = vec![Write::put(key::applying(), &over, Expect::Rev(applying.rev))?];
        settle(self.store.commit(writes).await, ()).map(|_| ())
    }

    /// What was applied last: a function that holds an older file reads it again before a decision that cannot be taken back. One read.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn applied(&self, now: Timestamp) -> Result<Applied, LedgerError> {
        let key = key::applying();
        let last: Option<Applying> = optional(&key, self.store.get(&key).await?)?;
        Ok(last.map_or_else(Applied::default, |last| Applied { version: last.version, under_way: last.until > now }))
    }
}
