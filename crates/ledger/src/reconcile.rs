//! What GitHub says when it is asked, and jobs rematched: what sweeper writes of jobs.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::reconcile::{
    GithubJob, JobSnapshot, ReconcileChanges, reconcile_job,
};
use mayfly_domain::transitions::rematch::{
    RematchChanges, RematchOutcome, RematchSnapshot, rematch,
};

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::{TRIES, delivery_writes, put_job, put_runner};
use crate::key;
use crate::outbox::put_outbox_entry;
use crate::store::{Expect, Store, Write};

/// What became of an answer of GitHub's.
#[derive(Clone, Debug, PartialEq)]
pub struct ReconcileReport {
    /// The job's record as it is now.
    pub record: JobRecord,
    /// What was changed.
    pub learned: ReconcileChanges,
}

impl<S: Store> Ledger<S> {
    /// The waiting jobs of a pool.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn waiting_jobs(&self, pool: &PoolName) -> Result<Vec<WaitingJob>, LedgerError> {
        self.query_all(&key::pool(pool), key::JOB_PREFIX).await
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
        self.with_retries(TRIES, "write down what GitHub says of a job", || async {
            let Some(record) = self.job(job).await? else {
                return Ok(Attempt::Done(None));
            };
            let row = self.row_of(&record).await?;
            // Read after the record: a runner that is gone stays gone, and one that is open is
            // written over only as it was read.
            let runner = self.runner_meant(said, &record).await?;
            let ReconcileChanges {
                delivery: observation,
                row: asked,
            } = reconcile_job(
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
            let observation = self
                .leaving_rerun(observation, Some(record.state), gone.as_ref(), now)
                .await?;
            let learned = ReconcileChanges {
                delivery: observation,
                row: asked,
            };
            if learned.changes_nothing() {
                return Ok(Attempt::Done(Some(ReconcileReport { record, learned })));
            }
            let mut writes = delivery_writes(&learned.delivery)?;
            if let (Some(row), Some(pool)) = (&learned.row, &record.pool) {
                writes.push(Write::put(
                    key::waiting(pool, row.id),
                    row,
                    Expect::Rev(row.rev - 1),
                )?);
            }
            if let Attempt::Done(learned) = or_conflict(self.store.commit(writes).await, learned)? {
                let record = learned.delivery.record.clone().unwrap_or(record);
                return Ok(Attempt::Done(Some(ReconcileReport { record, learned })));
            }
            Ok(Attempt::Conflict)
        })
        .await
    }

    async fn row_of(&self, record: &JobRecord) -> Result<Option<WaitingJob>, LedgerError> {
        match &record.pool {
            Some(pool) => self.waiting_job(pool, record.id).await,
            None => Ok(None),
        }
    }

    /// The open row of the runner that the answer names, or else of the one that the record does.
    async fn runner_meant(
        &self,
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
            Some(address) => self.runner(&address).await,
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
            let Some(mut record) = self.job(job).await? else {
                return Ok(Attempt::Done(RematchOutcome::NotNeeded));
            };
            record.repository.private = private.unwrap_or(record.repository.private);
            let row = self.row_of(&record).await?;
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
                RematchSnapshot {
                    pools,
                    record: &record,
                    row: row.as_ref(),
                    holder: holder.as_ref(),
                },
                now,
            );
            let RematchOutcome::Changed(rematched) = &matching else {
                return Ok(Attempt::Done(matching));
            };
            let writes = rematch_writes(rematched, row.as_ref())?;
            or_conflict(self.store.commit(writes).await, matching)
        })
        .await
    }

    /// Changes a runner's row and leaves a follow-up, in one transaction. Answers the row as it is
    /// then; `None`: there is no open one, or the change does not apply to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn change_runner_with_follow_up(
        &self,
        address: &RunnerAddress,
        change: impl Fn(&Runner) -> Option<(Runner, Option<OutboxEntry>)> + Send + Sync,
    ) -> Result<Option<Runner>, LedgerError> {
        self.with_retries(TRIES, "write down what GitHub says of a runner", || async {
            let Some((after, follow_up)) = self
                .runner(address)
                .await?
                .and_then(|runner| change(&runner))
            else {
                return Ok(Attempt::Done(None));
            };
            let mut writes = vec![put_runner(&after)?];
            writes.extend(follow_up.as_ref().map(put_outbox_entry).transpose()?);
            Ok(or_conflict(self.store.commit(writes).await, after)?.map(Some))
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

/// The writes of a job rematched: the old row goes only as it was read, so that no one reserves the
/// job meanwhile.
fn rematch_writes(
    rematched: &RematchChanges,
    row: Option<&WaitingJob>,
) -> Result<Vec<Write>, LedgerError> {
    let mut writes = vec![put_job(&rematched.record)?];
    if let Some((pool, job)) = &rematched.removed {
        writes.push(Write::Delete(
            key::waiting(pool, *job),
            row.map_or(Expect::Absent, |row| Expect::Rev(row.rev)),
        ));
    }
    if let Some((pool, into)) = &rematched.added {
        // In the place of the old one, or where there is none.
        let expected = row
            .filter(|_| rematched.removed.is_none())
            .map_or(Expect::Any, |row| Expect::Rev(row.rev));
        writes.push(Write::put(key::waiting(pool, into.id), into, expected)?);
    }
    writes.extend(
        rematched
            .follow_up
            .as_ref()
            .map(put_outbox_entry)
            .transpose()?,
    );
    Ok(writes)
}
