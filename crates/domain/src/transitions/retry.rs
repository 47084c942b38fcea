//! Retry: someone wants a job tried again now (`mayfly retry`).

use std::time::Duration;

use crate::model::id::RunnerAddress;
use crate::model::job::{JobRecord, JobState, WaitingJob};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::Runner;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::registration::reservation_is_void;

/// What the ledger holds of the job.
#[derive(Clone, Copy, Debug)]
pub struct RetrySnapshot<'a> {
    /// Its record.
    pub record: &'a JobRecord,
    /// Its waiting row, if it has one.
    pub row: Option<&'a WaitingJob>,
    /// The open row of the runner that holds it in reserve, or that works on it.
    pub runner: Option<&'a Runner>,
}

/// What trying a job again comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Retry {
    /// It waits as if no runner had ever been started for it: both are to be written in one
    /// transaction, then its pool is woken.
    BackoffReset(Box<(JobRecord, WaitingJob)>),
    /// It waits, and nothing of its own holds it back: its pool is woken, and that is all that
    /// helps.
    Waits,
    /// This runner is on its way for it, or works on it.
    Runner(RunnerAddress),
    /// Only GitHub knows: sweeper asks within a minute.
    CheckJob(OutboxEntry),
    /// No pool takes it, or its pool is gone: it is to be rematched.
    MatchJob,
    /// It waited for a day, and GitHub has given it up by then.
    TooLate,
    /// It is over.
    Over,
}

/// Decides what trying a job again comes to. `by` is who asked; `pool_there` says if the pools file
/// has its pool.
#[must_use]
pub fn retry(tried: RetrySnapshot<'_>, by: &str, pool_there: bool, now: Timestamp) -> Retry {
    let RetrySnapshot {
        record,
        row,
        runner,
    } = tried;
    match record.state {
        JobState::Closed if record.given_up => Retry::CheckJob(check_follow_up(record, now)),
        JobState::Closed => Retry::Over,
        JobState::Unplaced if now.since(record.queued_at) >= timeouts::QUEUED_AT_MOST => {
            Retry::TooLate
        }
        JobState::Unplaced => Retry::MatchJob,
        JobState::Queued | JobState::Blocked if record.pool.is_some() && !pool_there => {
            Retry::MatchJob
        }
        JobState::Queued => match (row, runner) {
            (Some(row), Some(runner)) if !reservation_is_void(row, Some(runner)) => {
                Retry::Runner(runner.address())
            }
            (Some(row), _) if row.is_backing_off(now) => {
                Retry::BackoffReset(Box::new(reset_backoff(record, row, by, now)))
            }
            _ => Retry::Waits,
        },
        JobState::Running => match runner.filter(|runner| works_on(runner, record)) {
            Some(runner) => Retry::Runner(runner.address()),
            None => Retry::CheckJob(check_follow_up(record, now)),
        },
        JobState::Blocked => Retry::CheckJob(check_follow_up(record, now)),
    }
}

fn works_on(runner: &Runner, record: &JobRecord) -> bool {
    runner.done_at.is_none() && runner.work.as_ref().and_then(|work| work.job) == Some(record.id)
}

fn check_follow_up(record: &JobRecord, now: Timestamp) -> OutboxEntry {
    OutboxEntry::new(
        FollowUp::CheckJob(record.id),
        record.installation,
        now,
        Duration::ZERO,
    )
}

/// The tries are forgotten, and with them the wait. That GitHub must be asked first is not: a
/// runner that registered for the job and ended may have run it.
fn reset_backoff(
    record: &JobRecord,
    row: &WaitingJob,
    by: &str,
    now: Timestamp,
) -> (JobRecord, WaitingJob) {
    let mut record = JobRecord {
        reason: None,
        ..record.clone()
    };
    note(
        &mut record.story,
        now,
        StoryEvent::Retried {
            by: by.to_owned(),
            asks_github: row.needs_check,
        },
    );
    record.reason = row.needs_check.then_some(Reason::AskedFirst);
    (
        record,
        WaitingJob {
            attempts: 0,
            refused: false,
            not_before: None,
            checked_at_github: None,
            hold: None,
            ..row.clone()
        },
    )
}

impl WaitingJob {
    /// True if what was tried for it before keeps it from being tried now.
    #[must_use]
    pub fn is_backing_off(&self, now: Timestamp) -> bool {
        self.attempts > 0 || self.needs_check || self.not_before.is_some_and(|at| at > now)
    }
}
