//! Closed runners: what sweeper reads and adds when it sees to what they left.

use mayfly_domain::model::id::{RunnerAddress, RunnerId};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::{StoryEvent, note};
use mayfly_domain::model::time::Timestamp;

use crate::Ledger;
use crate::error::{Attempt, LedgerError, or_conflict};
use crate::jobs::{TRIES, optional};
use crate::key;
use crate::store::{Store, Write, on_day, unchanged};

/// A runner as the ledger has it: open, closed, or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunnerRecords {
    /// Its open row.
    pub row: Option<Runner>,
    /// Its record.
    pub record: Option<Runner>,
}

impl<S: Store> Ledger<S> {
    /// A runner's row and record as of one moment: it is in at most one of them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn runner_records(
        &self,
        address: &RunnerAddress,
    ) -> Result<RunnerRecords, LedgerError> {
        let keys = [key::runner(address), key::runner_record(&address.runner)];
        let mut items = self
            .with_retries(TRIES, "read a runner and its record", || {
                self.snapshot(&keys)
            })
            .await?;
        let record = optional(&keys[1], items.pop().flatten())?;
        Ok(RunnerRecords {
            row: optional(&keys[0], items.pop().flatten())?,
            record,
        })
    }

    /// Adds a line to the story of a closed runner, unless it is its last one already.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn note_closed(
        &self,
        runner: &RunnerId,
        event: &StoryEvent,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.with_retries(TRIES, "add to a closed runner's story", || async {
            let Some(record) = self.runner_record(runner).await? else {
                return Ok(Attempt::Done(()));
            };
            if record.story.last().is_some_and(|last| last.event == *event) {
                return Ok(Attempt::Done(()));
            }
            let (before, closed) = (record.rev, record.closed_at.unwrap_or(now));
            let mut after = Runner {
                rev: before + 1,
                ..record
            };
            note(&mut after.story, now, event.clone());
            let write = on_day(
                Write::put(key::runner_record(runner), &after, unchanged(before))?,
                closed,
            );
            or_conflict(self.store.commit(vec![write]).await, ())
        })
        .await
    }
}
