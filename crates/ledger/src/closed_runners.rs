//! Closed runners: what sweeper reads and records when it removes their registrations.

use mayfly_domain::model::id::{RunnerAddress, RunnerId};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::{StoryEvent, note};
use mayfly_domain::model::time::Timestamp;

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::{Store, read};
use crate::transaction::Transaction;

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
        let mut last = |key| {
            let item = items.pop().flatten();
            item.map(|item| read(key, item)).transpose()
        };
        let record = last(&keys[1])?;
        let row = last(&keys[0])?;
        Ok(RunnerRecords { row, record })
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
            let mut tx = Transaction::default();
            let record: Option<Runner> = self.read_for(&mut tx, key::runner_record(runner)).await?;
            let Some(mut record) = record else {
                return Ok(Attempt::Done(()));
            };
            if record.story.last().is_some_and(|last| last.event == *event) {
                return Ok(Attempt::Done(()));
            }
            note(&mut record.story, now, event.clone());
            tx.put_closed_runner(&record, now)?;
            self.commit(tx, ()).await
        })
        .await
    }
}
