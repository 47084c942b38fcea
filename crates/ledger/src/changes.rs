//! What a transition changes, as writes of one transaction: under which key each value lies, and
//! how items are numbered that come and go under one key.

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::{JobRecord, JobState, WaitingJob};
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::archive::filed_at;
use mayfly_domain::transitions::changes::{Changes, WaitingChange};

use crate::error::LedgerError;
use crate::key;
use crate::transaction::Transaction;

/// By how many digits a waiting row's number is longer than that of the write of the record which
/// made it: so often, at most, such a row is written over.
const ROW_DIGITS: u32 = 20;

impl Transaction {
    /// All that a transition changes: each value under its key, over what was read there.
    pub(crate) fn stage(&mut self, changes: &Changes, now: Timestamp) -> Result<(), LedgerError> {
        let record = changes.record.as_ref();
        let record = record.map(|record| self.put_job(record, now)).transpose()?;
        for change in &changes.waiting {
            match (change, record) {
                (WaitingChange::Put(pool, row), Some(record)) => {
                    self.put_new_row(pool, row, record)?;
                }
                (WaitingChange::Put(pool, row), None) => {
                    self.put(key::waiting(pool, row.id), row)?;
                }
                (WaitingChange::Remove(pool, job), _) => self.delete(key::waiting(pool, *job)),
            }
        }
        if let Some(runner) = &changes.runner {
            self.put_runner(runner)?;
        }
        if let Some(record) = &changes.closed {
            self.delete(key::runner(&record.address()));
            self.put_closed_runner(record, now)?;
        }
        if let Some((pool, health)) = &changes.health {
            self.put(key::health(pool), health)?;
        }
        for follow_up in &changes.follow_ups {
            self.put_follow_up(follow_up, now)?;
        }
        if let Some(follow_up) = &changes.completed {
            self.delete(key::outbox_entry(follow_up));
        }
        Ok(())
    }

    /// A job's record; a closed one can be found by its day. Answers its version.
    fn put_job(&mut self, record: &JobRecord, now: Timestamp) -> Result<u64, LedgerError> {
        let written = self.put(key::job_record(record.id), record)?;
        if let Some(at) = record
            .closed_at
            .filter(|_| record.state == JobState::Closed)
        {
            self.closed(filed_at(at, now));
        }
        Ok(written.version())
    }

    /// An open runner's row.
    pub(crate) fn put_runner(&mut self, runner: &Runner) -> Result<(), LedgerError> {
        self.put(key::runner(&runner.address()), runner).map(drop)
    }

    /// A closed runner's record, which can be found by its day.
    pub(crate) fn put_closed_runner(
        &mut self,
        record: &Runner,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.put(key::runner_record(&record.id), record)?;
        self.closed(filed_at(record.closed_at.unwrap_or(now), now));
        Ok(())
    }

    /// A waiting row that comes with the write of its job's record, which guards it: while the job
    /// does not wait it has no row. Rows of one job follow each other, and who reserves the job by
    /// one must not get the next: its number is made of the record's.
    fn put_new_row(
        &mut self,
        pool: &PoolName,
        row: &WaitingJob,
        record: u64,
    ) -> Result<(), LedgerError> {
        self.put_next(key::waiting(pool, row.id), row, record << ROW_DIGITS)
            .map(drop)
    }

    /// A follow-up, over an earlier one for the same thing: who works on that one must not settle
    /// this. Its number is the time in milliseconds.
    pub(crate) fn put_follow_up(
        &mut self,
        entry: &OutboxEntry,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.put_next(key::outbox_entry(&entry.follow_up), entry, at(now))
            .map(drop)
    }
}

/// The first number of an item that is written now, under a key whose earlier items are gone or not
/// read: the time in milliseconds.
pub(crate) fn at(now: Timestamp) -> u64 {
    u64::try_from(now.millis()).unwrap_or(1).max(1)
}
