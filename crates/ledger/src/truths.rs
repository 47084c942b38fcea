//! What GitHub says when it is asked, and jobs matched anew: what sweeper writes of jobs.

use mayfly_domain::model::errand::Open;
use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::anew::{Anew, Matching, Place, match_anew};
use mayfly_domain::transitions::truth::{About, Learned, Said, learn};

use crate::Ledger;
use crate::errands::put_errand;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::{TRIES, observed, put_job, put_runner};
use crate::key;
use crate::store::{Expect, Store, Write};

/// What became of an answer of GitHub's.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The job's record as it is now.
    pub record: JobRecord,
    /// What was changed.
    pub learned: Learned,
}

impl<S: Store> Ledger<S> {
    /// The waiting jobs of a pool.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn waiting_jobs(&self, pool: &PoolName) -> Result<Vec<WaitingJob>, LedgerError> {
        self.all(&key::pool(pool), key::JOB_PREFIX).await
    }

    /// Writes down what GitHub says of a job. `None`: there is no such job.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn learn(&self, job: JobId, said: &Said, pools: &Pools, now: Timestamp) -> Result<Option<Told>, LedgerError> {
        self.tried(TRIES, "write down what GitHub says of a job", || async {
            let Some(record) = self.job(job).await? else { return Ok(Try::Done(None)) };
            let row = self.row_of(&record).await?;
            // Read after the record: a runner that is gone stays gone, and one that is open is written over only as it was read.
            let runner = self.runner_meant(said, &record).await?;
            let Learned { observation, row: asked } =
                learn(said, About { pools, record: &record, row: row.as_ref(), runner: runner.as_ref() }, now);
            let gone = named(said).filter(|_| runner.is_none());
            let observation = self.leaving_rerun(observation, Some(record.state), gone.as_ref(), now).await?;
            let learned = Learned { observation, row: asked };
            if learned.changes_nothing() {
                return Ok(Try::Done(Some(Told { record, learned })));
            }
            let mut writes = observed(&learned.observation)?;
            if let (Some(row), Some(pool)) = (&learned.row, &record.pool) {
                writes.push(Write::put(key::waiting(pool, row.id), row, Expect::Rev(row.rev - 1))?);
            }
            if let Try::Done(learned) = settle(self.store.commit(writes).await, learned)? {
                let record = learned.observation.record.clone().unwrap_or(record);
                return Ok(Try::Done(Some(Told { record, learned })));
            }
            Ok(Try::Again)
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
    async fn runner_meant(&self, said: &Said, record: &JobRecord) -> Result<Option<Runner>, LedgerError> {
        let before = || Some(record.runner_name.as_ref()?.parse::<RunnerName>().ok()?.address);
        match named(said).or_else(before) {
            Some(address) => self.runner(&address).await,
            None => Ok(None),
        }
    }

    /// Matches a job anew by the pools file. A job that there is not needs nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn match_anew(&self, job: JobId, pools: &Pools, now: Timestamp) -> Result<Matching, LedgerError> {
        self.match_as(job, None, pools, now).await
    }

    /// The same, of a job whose repository is private, or is not, as GitHub says now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn match_as(&self, job: JobId, private: Option<bool>, pools: &Pools, now: Timestamp) -> Result<Matching, LedgerError> {
        self.tried(TRIES, "match a job anew", || async {
            let Some(mut record) = self.job(job).await? else { return Ok(Try::Done(Matching::NotNeeded)) };
            record.repository.private = private.unwrap_or(record.repository.private);
            let row = self.row_of(&record).await?;
            let holder = match (&record.pool, row.as_ref().and_then(|row| row.runner.clone())) {
                (Some(pool), Some(runner)) => self.runner(&RunnerAddress { pool: pool.clone(), runner }).await?,
                _ => None,
            };
            let matching = match_anew(Place { pools, record: &record, row: row.as_ref(), holder: holder.as_ref() }, now);
            let Matching::Changed(anew) = &matching else { return Ok(Try::Done(matching)) };
            let writes = moved(anew, row.as_ref())?;
            settle(self.store.commit(writes).await, matching)
        })
        .await
    }

    /// Changes a runner's row and leaves an errand, in one transaction. Answers the row as it is then; `None`: there is no open one, or the
    /// change does not apply to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn change_runner_leaving(
        &self,
        address: &RunnerAddress,
        change: impl Fn(&Runner) -> Option<(Runner, Option<Open>)> + Send + Sync,
    ) -> Result<Option<Runner>, LedgerError> {
        self.tried(TRIES, "write down what GitHub says of a runner", || async {
            let Some((after, errand)) = self.runner(address).await?.and_then(|runner| change(&runner)) else { return Ok(Try::Done(None)) };
            let mut writes = vec![put_runner(&after)?];
            writes.extend(errand.as_ref().map(put_errand).transpose()?);
            Ok(settle(self.store.commit(writes).await, after)?.map(Some))
        })
        .await
    }
}

/// The runner of ours that the answer names.
fn named(said: &Said) -> Option<RunnerAddress> {
    match said {
        Said::Shown(seen) => seen.runner.as_ref()?.name.parse::<RunnerName>().ok().map(|name| name.address),
        Said::RunOver(_) | Said::NotShown | Said::NotSeen(_) => None,
    }
}

/// The writes of a job matched anew: the old row goes only as it was read, so that nobody reserves the job meanwhile.
fn moved(anew: &Anew, row: Option<&WaitingJob>) -> Result<Vec<Write>, LedgerError> {
    let mut writes = vec![put_job(&anew.record)?];
    if let Some((pool, job)) = &anew.out {
        writes.push(Write::Delete(key::waiting(pool, *job), row.map_or(Expect::Absent, |row| Expect::Rev(row.rev))));
    }
    if let Some((pool, into)) = &anew.into {
        // In the place of the old one, or where there is none.
        let expected = row.filter(|_| anew.out.is_none()).map_or(Expect::Any, |row| Expect::Rev(row.rev));
        writes.push(Write::put(key::waiting(pool, into.id), into, expected)?);
    }
    writes.extend(anew.errand.as_ref().map(put_errand).transpose()?);
    Ok(writes)
}
