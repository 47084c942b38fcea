//! Jobs: what deliveries write.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobEvent, JobRecord, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::transitions::changes::{Changes, Verdict};
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

impl<S: Store> Ledger<S> {
    /// Writes down what a delivery says. Returns webhook's answer and what has changed: one read,
    /// one transaction.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: nothing was written, or the result is unknown; GitHub must deliver again.
    pub async fn apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<(Verdict, Changes), LedgerError> {
        self.with_retries(TRIES, "record a delivery", || {
            self.try_apply_delivery(event, pools)
        })
        .await
    }

    async fn try_apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<Attempt<(Verdict, Changes)>, LedgerError> {
        // Only a name of our own form can mean a runner of ours.
        let named = event
            .runner
            .as_ref()
            .and_then(|named| named.name.parse::<RunnerName>().ok())
            .map(|name| name.address);
        let mut tx = Transaction::default();
        let Attempt::Done((record, runner)) = self
            .job_and_runner(&mut tx, event.job, named.as_ref())
            .await?
        else {
            return Ok(Attempt::Conflict);
        };
        let (verdict, mut changes) = apply_delivery(
            event,
            DeliverySnapshot {
                pools,
                record: record.as_ref(),
                runner: runner.as_ref(),
            },
        );
        // Ordinary jobs are of a run's first attempt and cost nothing more.
        if event.attempt > 1
            && record.is_none()
            && changes.record.is_some()
            && self.rerun_of(event.run).await?.is_some()
        {
            changes = changes.on_demand(event.received_at);
        }
        let gone = named.as_ref().filter(|_| runner.is_none());
        let changes = self
            .leaving_rerun(
                changes,
                record.as_ref().map(|record| record.state),
                gone,
                event.received_at,
            )
            .await?;
        if changes.writes_nothing() {
            return Ok(Attempt::Done((verdict, changes)));
        }
        tx.stage(&changes, event.received_at)?;
        self.commit(tx, (verdict, changes)).await
    }

    /// One read: a plain one, which no transaction can disturb, if no runner of ours is named.
    async fn job_and_runner(
        &self,
        tx: &mut Transaction,
        job: JobId,
        named: Option<&RunnerAddress>,
    ) -> Result<Attempt<(Option<JobRecord>, Option<Runner>)>, LedgerError> {
        let record = key::job_record(job);
        let Some(address) = named else {
            return Ok(Attempt::Done((self.read_for(tx, record).await?, None)));
        };
        let keys = [record, key::runner(address)];
        Ok(match self.snapshot(&keys).await? {
            Attempt::Done(mut items) => {
                let runner = tx.take(&keys[1], items.pop().flatten())?;
                Attempt::Done((tx.take(&keys[0], items.pop().flatten())?, runner))
            }
            Attempt::Conflict => Attempt::Conflict,
        })
    }

    /// A job's record.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn job(&self, job: JobId) -> Result<Option<JobRecord>, LedgerError> {
        let record = self.read(key::job_record(job)).await?;
        Ok(record.map(Versioned::into_inner))
    }

    /// One waiting row.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn waiting_job(
        &self,
        pool: &PoolName,
        job: JobId,
    ) -> Result<Option<Versioned<WaitingJob>>, LedgerError> {
        self.read(key::waiting(pool, job)).await
    }
}
