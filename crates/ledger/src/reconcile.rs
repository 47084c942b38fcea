//! What sweeper records of jobs: GitHub's answers, and rematched jobs.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::Changes;
use mayfly_domain::transitions::reconcile::{GithubJob, reconcile_job};
use mayfly_domain::transitions::rematch::{RematchOutcome, rematch};
use mayfly_domain::transitions::snapshot::JobSnapshot;

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::transaction::Transaction;

/// What became of an answer of GitHub's.
#[derive(Clone, Debug, PartialEq)]
pub struct ReconcileReport {
    /// The job's record as it is now.
    pub record: JobRecord,
    /// What was changed.
    pub changes: Changes,
}

impl<S: Store> Ledger<S> {
    /// The waiting jobs of a pool.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn waiting_jobs(&self, pool: &PoolName) -> Result<Vec<WaitingJob>, LedgerError> {
        self.query_values(&key::pool(pool), key::JOB_PREFIX).await
    }

    /// Writes down what GitHub says of a job. `None`: there is no such job.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn reconcile_job(
        &self,
        job: JobId,
        said: &GithubJob,
        pools: &Pools,
        now: Timestamp,
    ) -> Result<Option<ReconcileReport>, LedgerError> {
        self.with_retries(TRIES, "record what GitHub says of a job", || async {
            let mut tx = Transaction::default();
            let record: Option<JobRecord> = self.read_for(&mut tx, key::job_record(job)).await?;
            let Some(record) = record else {
                return Ok(Attempt::Done(None));
            };
            let row = self.row_of(&mut tx, &record).await?;
            // Read after the record: a runner that is gone stays gone, and one that is open is
            // written over only as it was read.
            let runner = self.runner_meant(&mut tx, said, &record).await?;
            let changes = reconcile_job(
                said,
                JobSnapshot {
                    pools,
                    record: &record,
                    row: row.as_ref(),
                    runner: runner.as_ref(),
                },
                now,
            );
            let gone = named(said).filter(|_| runner.is_none());
            let changes = self
                .leaving_rerun(changes, Some(record.state), gone.as_ref(), now)
                .await?;
            if changes.writes_nothing() {
                return Ok(Attempt::Done(Some(ReconcileReport { record, changes })));
            }
            tx.stage(&changes, now)?;
            let record = changes.record.clone().unwrap_or(record);
            self.commit(tx, Some(ReconcileReport { record, changes }))
                .await
        })
        .await
    }

    /// The row that a job waits by.
    pub(crate) async fn row_of(
        &self,
        tx: &mut Transaction,
        record: &JobRecord,
    ) -> Result<Option<WaitingJob>, LedgerError> {
        match &record.pool {
            Some(pool) => self.read_for(tx, key::waiting(pool, record.id)).await,
            None => Ok(None),
        }
    }

    /// The open row of the runner that the answer names, or else of the one that the record does.
    async fn runner_meant(
        &self,
        tx: &mut Transaction,
        said: &GithubJob,
        record: &JobRecord,
    ) -> Result<Option<Runner>, LedgerError> {
        let before = || {
            Some(
                record
                    .runner_name
                    .as_ref()?
                    .parse::<RunnerName>()
                    .ok()?
                    .address,
            )
        };
        match named(said).or_else(before) {
            Some(address) => self.read_for(tx, key::runner(&address)).await,
            None => Ok(None),
        }
    }

    /// Rematches a job by the pools file. A job that there is not needs nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn rematch(
        &self,
        job: JobId,
        pools: &Pools,
        now: Timestamp,
    ) -> Result<RematchOutcome, LedgerError> {
        self.match_as(job, None, pools, now).await
    }

    /// The same, of a job whose repository is private, or is not, as GitHub says now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn match_as(
        &self,
        job: JobId,
        private: Option<bool>,
        pools: &Pools,
        now: Timestamp,
    ) -> Result<RematchOutcome, LedgerError> {
        self.with_retries(TRIES, "rematch a job", || async {
            let mut tx = Transaction::default();
            let record: Option<JobRecord> = self.read_for(&mut tx, key::job_record(job)).await?;
            let Some(mut record) = record else {
                return Ok(Attempt::Done(RematchOutcome::NotNeeded));
            };
            record.repository.private = private.unwrap_or(record.repository.private);
            let row = self.row_of(&mut tx, &record).await?;
            let holder = match (
                &record.pool,
                row.as_ref().and_then(|row| row.runner.clone()),
            ) {
                (Some(pool), Some(runner)) => {
                    self.runner(&RunnerAddress {
                        pool: pool.clone(),
                        runner,
                    })
                    .await?
                }
                _ => None,
            };
            let matching = rematch(
                JobSnapshot {
                    pools,
                    record: &record,
                    row: row.as_ref(),
                    runner: holder.as_deref(),
                },
                now,
            );
            let RematchOutcome::Changed(changes) = &matching else {
                return Ok(Attempt::Done(matching));
            };
            tx.stage(changes, now)?;
            self.commit(tx, matching).await
        })
        .await
    }

    /// Changes a runner's row and what follows from that, in one transaction. Answers the row as it
    /// is then; `None`: there is no open one, or the change does not apply to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn change_runner_with_follow_up(
        &self,
        address: &RunnerAddress,
        change: impl Fn(&Runner) -> Option<Changes> + Send + Sync,
        now: Timestamp,
    ) -> Result<Option<Runner>, LedgerError> {
        self.with_retries(TRIES, "record what GitHub says of a runner", || async {
            let mut tx = Transaction::default();
            let runner: Option<Runner> = self.read_for(&mut tx, key::runner(address)).await?;
            let Some(changes) = runner.and_then(|runner| change(&runner)) else {
                return Ok(Attempt::Done(None));
            };
            tx.stage(&changes, now)?;
            self.commit(tx, changes.runner).await
        })
        .await
    }
}

/// The runner of ours that the answer names.
fn named(said: &GithubJob) -> Option<RunnerAddress> {
    match said {
        GithubJob::Found(seen) => seen
            .runner
            .as_ref()?
            .name
            .parse::<RunnerName>()
            .ok()
            .map(|name| name.address),
        GithubJob::RunCompleted(_) | GithubJob::NotFound | GithubJob::RepositoryNotVisible(_) => {
            None
        }
    }
}
