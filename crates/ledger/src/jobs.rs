//! Jobs: what deliveries write.

use mayfly_domain::model::id::{JobId, PoolName, RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobEvent, JobRecord, JobState, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::transitions::changes::{DeliveryChanges, WaitingChange};
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};

use crate::error::{Attempt, LedgerError, or_conflict};
use crate::key::{self, Key};
use crate::outbox::put_outbox_entry;
use crate::store::{CommitError, Expect, Item, Store, Write, read, unchanged};
use crate::{Ledger, store};

/// How often a change is tried when others are at the same items.
pub(crate) const TRIES: u32 = 3;

impl<S: Store> Ledger<S> {
    /// Writes down what a delivery says, and tells which pools to wake: one read, one transaction.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: nothing was written, or it is unknown; the delivery must be sent again.
    pub async fn apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<DeliveryChanges, LedgerError> {
        self.with_retries(TRIES, "record a delivery", || {
            self.try_apply_delivery(event, pools)
        })
        .await
    }

    async fn try_apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<Attempt<DeliveryChanges>, LedgerError> {
        // Only a name of our own form can mean a runner of ours.
        let named = event
            .runner
            .as_ref()
            .and_then(|named| named.name.parse::<RunnerName>().ok())
            .map(|name| name.address);
        let Attempt::Done((record, runner)) =
            self.job_and_runner(event.job, named.as_ref()).await?
        else {
            return Ok(Attempt::Conflict);
        };
        let mut observation = apply_delivery(
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
            && observation.record.is_some()
            && self.rerun_of(event.run).await?.is_some()
        {
            observation = observation.on_demand(event.received_at);
        }
        let gone = named.as_ref().filter(|_| runner.is_none());
        let observation = self
            .leaving_rerun(
                observation,
                record.as_ref().map(|record| record.state),
                gone,
                event.received_at,
            )
            .await?;
        if observation.changes_nothing() {
            return Ok(Attempt::Done(observation));
        }
        or_conflict(
            self.store.commit(delivery_writes(&observation)?).await,
            observation,
        )
    }

    /// One read: a plain one, which no transaction can disturb, if no runner of ours is named.
    async fn job_and_runner(
        &self,
        job: JobId,
        named: Option<&RunnerAddress>,
    ) -> Result<Attempt<(Option<JobRecord>, Option<Runner>)>, LedgerError> {
        let record = key::job_record(job);
        let Some(address) = named else {
            return Ok(Attempt::Done((
                optional(&record, self.store.get(&record).await?)?,
                None,
            )));
        };
        let keys = [record, key::runner(address)];
        Ok(match self.snapshot(&keys).await? {
            Attempt::Done(mut items) => {
                let runner = optional(&keys[1], items.pop().flatten())?;
                Attempt::Done((optional(&keys[0], items.pop().flatten())?, runner))
            }
            Attempt::Conflict => Attempt::Conflict,
        })
    }

    /// Several items as of one moment.
    pub(crate) async fn snapshot(
        &self,
        keys: &[Key],
    ) -> Result<Attempt<Vec<Option<Item>>>, LedgerError> {
        match self.store.get_many(keys).await {
            Ok(items) => Ok(Attempt::Done(items)),
            Err(CommitError::Conflict) => Ok(Attempt::Conflict),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// A job's record.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn job(&self, job: JobId) -> Result<Option<JobRecord>, LedgerError> {
        let key = key::job_record(job);
        optional(&key, self.store.get(&key).await?)
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
    ) -> Result<Option<WaitingJob>, LedgerError> {
        let key = key::waiting(pool, job);
        optional(&key, self.store.get(&key).await?)
    }
}

/// The writes of an observation.
pub(crate) fn delivery_writes(observation: &DeliveryChanges) -> Result<Vec<Write>, LedgerError> {
    let mut writes = Vec::new();
    if let Some(after) = &observation.record {
        writes.push(put_job(after)?);
    }
    match &observation.waiting {
        WaitingChange::Keep => {}
        // The record guards its row: anyone who changes the one changes the other in the same
        // transaction.
        WaitingChange::Put(pool, row) => {
            writes.push(Write::put(key::waiting(pool, row.id), row, Expect::Any)?)
        }
        WaitingChange::Remove(pool, job) => {
            writes.push(Write::Delete(key::waiting(pool, *job), Expect::Any))
        }
    }
    if let Some(after) = &observation.runner {
        writes.push(put_runner(after)?);
    }
    writes.extend(
        observation
            .follow_up
            .as_ref()
            .map(put_outbox_entry)
            .transpose()?,
    );
    writes.extend(
        observation
            .completed
            .as_ref()
            .map(|follow_up| Write::Delete(key::outbox_entry(follow_up), Expect::Any)),
    );
    Ok(writes)
}

/// Reads an item that may be absent.
pub(crate) fn optional<T: serde::de::DeserializeOwned>(
    key: &Key,
    item: Option<Item>,
) -> Result<Option<T>, LedgerError> {
    item.map(|item| read(key, item)).transpose()
}

/// Writes a job's record over the one it was made from. A closed one can be found by its day.
pub(crate) fn put_job(after: &JobRecord) -> Result<Write, LedgerError> {
    let write = Write::put(key::job_record(after.id), after, unchanged(after.rev - 1))?;
    Ok(
        match after.closed_at.filter(|_| after.state == JobState::Closed) {
            Some(closed) => store::on_day(write, closed),
            None => write,
        },
    )
}

/// Writes a runner's row over the one it was made from.
pub(crate) fn put_runner(after: &Runner) -> Result<Write, LedgerError> {
    Write::put(
        key::runner(&after.address()),
        after,
        unchanged(after.rev - 1),
    )
}
