//! What people ask for by `mayfly`: that a runner ends, that a job is tried again, that a pools
//! file comes into force.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::retry::{Retry, RetrySnapshot, retry};
use mayfly_domain::transitions::stop::{StopOutcome, request_stop};
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::{TRIES, optional, put_job, put_runner};
use crate::key;
use crate::outbox::put_outbox_entry;
use crate::store::{Expect, Store, Write, unchanged};

/// How long anyone who applies a pools file keeps others from doing so, should no one hear of him
/// again.
const APPLY_LOCK: std::time::Duration = std::time::Duration::from_secs(60);

/// Someone applies a pools file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyLock {
    rev: u64,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when no one else may, if he does not end it before.
    pub until: Timestamp,
    /// The version that was applied last, by this one or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What is known of the pools file besides the file itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppliedVersion {
    /// The version that `mayfly apply` wrote last; none before the first.
    pub version: Option<u64>,
    /// Another one is being applied, or it is not known what came of it.
    pub under_way: bool,
}

impl<S: Store> Ledger<S> {
    /// Someone wants a runner gone. `None`: it has no open row.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn request_stop(
        &self,
        address: &RunnerAddress,
        request: &StopRequest,
    ) -> Result<Option<StopOutcome>, LedgerError> {
        self.with_retries(TRIES, "write down that a runner is to end", || async {
            let Some(runner) = self.runner(address).await? else {
                return Ok(Attempt::Done(None));
            };
            let outcome = request_stop(&runner, request.clone());
            match &outcome {
                StopOutcome::Marked(after) | StopOutcome::Requested(after) => {
                    let writes = vec![put_runner(after)?];
                    Ok(or_conflict(self.store.commit(writes).await, outcome)?.map(Some))
                }
                StopOutcome::Busy | StopOutcome::Ending => Ok(Attempt::Done(Some(outcome))),
            }
        })
        .await
    }

    /// Someone wants a job tried again now; `pool_there` says if the pools file has a pool. What is
    /// written here is written; rematching it ([`Retry::MatchJob`]) is left to the caller. `None`:
    /// there is no such job.
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
        self.with_retries(TRIES, "try a job again", || async {
            let Some(record) = self.job(job).await? else {
                return Ok(Attempt::Done(None));
            };
            let row = match &record.pool {
                Some(pool) => self.waiting_job(pool, job).await?,
                None => None,
            };
            let runner = self
                .runner_of(&record, row.as_ref().and_then(|row| row.runner.clone()))
                .await?;
            let there = record.pool.as_ref().is_some_and(&pool_there);
            let outcome = retry(
                RetrySnapshot {
                    record: &record,
                    row: row.as_ref(),
                    runner: runner.as_ref(),
                },
                by,
                there,
                now,
            );
            let writes = match (&outcome, &record.pool) {
                (Retry::BackoffReset(after), Some(pool)) => {
                    let (record, row) = &**after;
                    vec![
                        put_job(record)?,
                        Write::put(key::waiting(pool, row.id), row, Expect::Rev(row.rev - 1))?,
                    ]
                }
                (Retry::CheckJob(open), _) => vec![put_outbox_entry(open)?],
                _ => return Ok(Attempt::Done(Some(outcome))),
            };
            Ok(or_conflict(self.store.commit(writes).await, outcome)?.map(Some))
        })
        .await
    }

    /// The open row of the runner that holds a waiting job in reserve, or else of the one that
    /// works on it.
    async fn runner_of(
        &self,
        record: &JobRecord,
        holder: Option<mayfly_domain::model::id::RunnerId>,
    ) -> Result<Option<Runner>, LedgerError> {
        let holder = holder
            .zip(record.pool.clone())
            .map(|(runner, pool)| RunnerAddress { pool, runner });
        let named = || {
            record
                .runner_name
                .as_ref()?
                .parse::<RunnerName>()
                .ok()
                .map(|name| name.address)
        };
        match holder.or_else(named) {
            Some(address) => self.runner(&address).await,
            None => Ok(None),
        }
    }

    /// Begins to apply a pools file, unless someone else does: then it is that one. Anyone who
    /// began goes on only for as long as it says.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn acquire_apply_lock(
        &self,
        by: &str,
        now: Timestamp,
    ) -> Result<Result<ApplyLock, ApplyLock>, LedgerError> {
        let key = key::apply_lock();
        self.with_retries(TRIES, "begin to apply a pools file", || async {
            let other: Option<ApplyLock> = optional(&key, self.store.get(&key).await?)?;
            let (rev, version) = match other {
                Some(other) if other.until > now => return Ok(Attempt::Done(Err(other))),
                Some(over) => (over.rev, over.version),
                None => (0, None),
            };
            let applying = ApplyLock {
                rev: rev + 1,
                by: by.to_owned(),
                at: now,
                until: now.plus(APPLY_LOCK),
                version,
            };
            let writes = vec![Write::put(key.clone(), &applying, unchanged(rev))?];
            Ok(or_conflict(self.store.commit(writes).await, applying)?.map(Ok))
        })
        .await
    }

    /// It is applied as this version, or given up. The item stays, so that its number is never used
    /// twice.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: the next one waits until its time is over.
    pub async fn release_apply_lock(
        &self,
        applying: &ApplyLock,
        version: Option<u64>,
    ) -> Result<(), LedgerError> {
        let version = version.or(applying.version);
        let over = ApplyLock {
            rev: applying.rev + 1,
            until: applying.at,
            version,
            ..applying.clone()
        };
        let writes = vec![Write::put(
            key::apply_lock(),
            &over,
            Expect::Rev(applying.rev),
        )?];
        or_conflict(self.store.commit(writes).await, ()).map(|_| ())
    }

    /// What was applied last: a function that holds an older file reads it again before a decision
    /// that cannot be taken back. One read.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn applied_version(&self, now: Timestamp) -> Result<AppliedVersion, LedgerError> {
        let key = key::apply_lock();
        let last: Option<ApplyLock> = optional(&key, self.store.get(&key).await?)?;
        Ok(
            last.map_or_else(AppliedVersion::default, |last| AppliedVersion {
                version: last.version,
                under_way: last.until > now,
            }),
        )
    }
}
