//! Jobs that GitHub was asked to run again, because AWS reclaimed what they ran on.

use mayfly_domain::model::id::{JobId, RunId, RunnerAddress};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::story::{StoryEvent, note};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::Changes;
use mayfly_domain::transitions::interruption::{Rerun, rerun};

use crate::changes::at;
use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

impl<S: Store> Ledger<S> {
    /// What GitHub was asked to run again of a run.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn rerun_of(&self, run: RunId) -> Result<Option<Versioned<Rerun>>, LedgerError> {
        self.read(key::rerun(run)).await
    }

    /// Writes down that GitHub is about to be asked for a job, before it is. `false`: it was asked
    /// before, and may have granted it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: GitHub must not be asked.
    pub async fn ask_to_rerun(
        &self,
        run: RunId,
        job: JobId,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.with_retries(TRIES, "record that a job is run again", || async {
            let before: Versioned<Rerun> = self.read_or_default(key::rerun(run)).await?;
            let Some(after) = before.with(job, now) else {
                return Ok(Attempt::Done(false));
            };
            let mut tx = Transaction::default();
            tx.put_next_over(before.with_value(after), at(now))?;
            self.commit(tx, true).await
        })
        .await
    }

    /// GitHub did nothing: it may be asked for the job again.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: it counts as asked for.
    pub async fn not_rerun(&self, run: RunId, job: JobId) -> Result<(), LedgerError> {
        let Some(before) = self.rerun_of(run).await? else {
            return Ok(());
        };
        let after = before.without(job);
        if after.jobs.is_empty() {
            self.remove(&before).await.map(drop)
        } else {
            self.put(before.with_value(after)).await.map(drop)
        }
    }

    /// Records that GitHub may be asked to run a job again. It failed on a runner that AWS
    /// interrupted, and until that runner was closed, nothing showed that it had this job. `named`:
    /// the runner that GitHub says had it, if no open row is that runner's.
    pub(crate) async fn leaving_rerun(
        &self,
        mut changes: Changes,
        before: Option<JobState>,
        named: Option<&RunnerAddress>,
        now: Timestamp,
    ) -> Result<Changes, LedgerError> {
        let failed = |record: &&JobRecord| {
            record.conclusion.as_deref() == Some("failure") && before != Some(JobState::Closed)
        };
        let record = changes.record.as_ref().filter(failed);
        let open = record.and_then(|record| rerun(record, now));
        let (Some(open), Some(named), true) = (open, named, changes.follow_ups.is_empty()) else {
            return Ok(changes);
        };
        let interrupted = self
            .runner_record(&named.runner)
            .await?
            .is_some_and(|runner| runner.interrupted);
        changes.follow_ups.extend(interrupted.then_some(open));
        Ok(changes)
    }

    /// Adds a line to a job's story, unless it is in it already.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn note_job(
        &self,
        job: JobId,
        event: &StoryEvent,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.with_retries(TRIES, "add to a job's story", || async {
            let mut tx = Transaction::default();
            let record: Option<JobRecord> = self.read_for(&mut tx, key::job_record(job)).await?;
            let Some(mut record) = record else {
                return Ok(Attempt::Done(()));
            };
            if record.story.iter().any(|told| told.event == *event) {
                return Ok(Attempt::Done(()));
            }
            note(&mut record.story, now, event.clone());
            let changes = Changes {
                record: Some(record),
                ..Changes::default()
            };
            tx.stage(&changes, now)?;
            self.commit(tx, ()).await
        })
        .await
    }
}
