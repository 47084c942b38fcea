//! What people ask for by `mayfly`: that a runner ends, that a job is tried again, that a pools
//! file comes into force.

use std::fmt::Write as _;

use mayfly_domain::model::id::{JobId, RunnerAddress, RunnerName};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::retry::{Retry, retry};
use mayfly_domain::transitions::snapshot::JobSnapshot;
use mayfly_domain::transitions::stop::{StopOutcome, request_stop};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

/// How long an apply of a pools file blocks others if it never ends.
const APPLY_LOCK: std::time::Duration = std::time::Duration::from_secs(60);

/// Someone applies a pools file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyLock {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when others are blocked, unless the apply ends before.
    pub until: Timestamp,
    /// The version that was applied last, by this one or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The last file that `mayfly apply` wrote, then those of applies whose result is unknown, the
    /// newest last. A parameter that holds anything else was changed by other means. Empty in items
    /// of versions that did not keep it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileHash>,
}

/// Most files that are remembered of those who did not say how they ended: each keeps the lock for
/// a minute, so this many in a row mean that something else is wrong.
const UNKNOWN_FILES: usize = 8;

/// What tells one pools file from another: its SHA-256, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash(String);

impl FileHash {
    /// Of a file, to the byte.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digits =
            Sha256::digest(text)
                .iter()
                .fold(String::with_capacity(64), |mut digits, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(digits, "{byte:02x}");
                    digits
                });
        Self(digits)
    }
}

/// How applying a pools file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyEnd {
    /// The file is active, as this version.
    Applied(u64),
    /// The file was surely not written.
    NotWritten,
    /// The file may have been written.
    Unknown,
}

impl ApplyLock {
    /// True if `mayfly apply` wrote what the parameter holds now, or may have. The version decides
    /// only where an earlier Mayfly kept nothing else: SSM counts from 1 again where a parameter
    /// was deleted and made again.
    #[must_use]
    pub fn wrote(&self, version: u64, file: &FileHash) -> bool {
        if self.files.is_empty() {
            self.version.is_none_or(|applied| applied == version)
        } else {
            self.files.contains(file)
        }
    }
}

/// What is known of the pools file besides the file itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppliedVersion {
    /// The version that `mayfly apply` wrote last; none before the first.
    pub version: Option<u64>,
    /// Another apply is running, or its result is unknown.
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
        self.with_retries(TRIES, "record that a runner is to end", || async {
            let Some(runner) = self.runner(address).await? else {
                return Ok(Attempt::Done(None));
            };
            let (outcome, changes) = request_stop(&runner, request.clone());
            let mut tx = Transaction::over(&runner);
            tx.stage(&changes, request.at)?;
            self.commit(tx, Some(outcome)).await
        })
        .await
    }

    /// Someone wants a job tried again now, by these pools. What is written here is written;
    /// rematching it ([`Retry::MatchJob`]) is left to the caller. `None`: there is no such job.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn retry(
        &self,
        job: JobId,
        by: &str,
        pools: &Pools,
        now: Timestamp,
    ) -> Result<Option<Retry>, LedgerError> {
        self.with_retries(TRIES, "try a job again", || async {
            let mut tx = Transaction::default();
            let record: Option<JobRecord> = self.read_for(&mut tx, key::job_record(job)).await?;
            let Some(record) = record else {
                return Ok(Attempt::Done(None));
            };
            let row = self.row_of(&mut tx, &record).await?;
            let runner = self
                .runner_of(&record, row.as_ref().and_then(|row| row.runner.clone()))
                .await?;
            let (outcome, changes) = retry(
                JobSnapshot {
                    pools,
                    record: &record,
                    row: row.as_ref(),
                    runner: runner.as_deref(),
                },
                by,
                now,
            );
            tx.stage(&changes, now)?;
            self.commit(tx, Some(outcome)).await
        })
        .await
    }

    /// The open row of the runner that holds a waiting job in reserve, or else of the one that
    /// works on it.
    async fn runner_of(
        &self,
        record: &JobRecord,
        holder: Option<mayfly_domain::model::id::RunnerId>,
    ) -> Result<Option<Versioned<Runner>>, LedgerError> {
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
        file: &FileHash,
        now: Timestamp,
    ) -> Result<Result<Versioned<ApplyLock>, ApplyLock>, LedgerError> {
        self.with_retries(TRIES, "begin to apply a pools file", || async {
            let mut tx = Transaction::default();
            let other: Option<ApplyLock> = self.read_for(&mut tx, key::apply_lock()).await?;
            let (version, mut files) = match other {
                Some(other) if other.until > now => return Ok(Attempt::Done(Err(other))),
                Some(over) => (over.version, over.files),
                None => (None, Vec::new()),
            };
            // Written before the parameter is: one that dies right after its write, without a
            // word, must not look like a change by other means.
            files.push(file.clone());
            files.drain(..files.len().saturating_sub(UNKNOWN_FILES));
            let applying = ApplyLock {
                by: by.to_owned(),
                at: now,
                until: now.plus(APPLY_LOCK),
                version,
                files,
            };
            let applying = tx.put(key::apply_lock(), applying)?;
            self.commit(tx, Ok(applying)).await
        })
        .await
    }

    /// It ended like this. The item stays, so that its number is never used twice, and with it what
    /// proves who wrote the active file.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: the next one waits until its time is over.
    pub async fn release_apply_lock(
        &self,
        applying: &Versioned<ApplyLock>,
        end: ApplyEnd,
    ) -> Result<(), LedgerError> {
        let mut over = ApplyLock {
            until: applying.at,
            ..(**applying).clone()
        };
        match end {
            ApplyEnd::Applied(version) => {
                over.version = Some(version);
                over.files.drain(..over.files.len().saturating_sub(1));
            }
            ApplyEnd::NotWritten => drop(over.files.pop()),
            ApplyEnd::Unknown => {}
        }
        self.put(applying.with_value(over)).await.map(drop)
    }

    /// The last apply of a pools file, running or over; none if there was none. One read.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn last_apply(&self) -> Result<Option<ApplyLock>, LedgerError> {
        let last: Option<Versioned<ApplyLock>> = self.read(key::apply_lock()).await?;
        Ok(last.map(Versioned::into_inner))
    }

    /// What was applied last: a function that holds an older file reads it again before a decision
    /// that cannot be taken back. One read.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn applied_version(&self, now: Timestamp) -> Result<AppliedVersion, LedgerError> {
        let last = self.last_apply().await?;
        Ok(
            last.map_or_else(AppliedVersion::default, |last| AppliedVersion {
                version: last.version,
                under_way: last.until > now,
            }),
        )
    }
}
