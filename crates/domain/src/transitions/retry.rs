//! Retry: somebody wants a job tried again now (`mayfly retry`).

use std::time::Duration;

use crate::model::errand::{Errand, Open};
use crate::model::id::RunnerAddress;
use crate::model::job::{JobRecord, JobState, WaitingJob};
use crate::model::runner::Runner;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::times;
use crate::transitions::registration::void;

/// What the ledger holds of the job.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
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
    /// It waits as if no runner had ever been started for it: both are to be written in one transaction, then its pool is woken.
    Afresh(Box<(JobRecord, WaitingJob)>),
    /// It waits, and nothing of its own holds it back: its pool is woken, and that is all that helps.
    Waits,
    /// This runner is on its way for it, or works on it.
    Runner(RunnerAddress),
    /// Only GitHub knows: sweeper asks within a minute.
    Ask(Open),
    /// No pool takes it, or its pool is gone: it is to be matched anew.
    Place,
    /// It waited for a day, and GitHub has given it up by then.
    TooLate,
    /// It is over.
    Over,
}

/// Decides what trying a job again comes to. `by` is who asked; `pool_there` says if the pools file has its pool.
#[must_use]
pub fn retry(tried: Tried<'_>, by: &str, pool_there: bool, now: Timestamp) -> Retry {
    let Tried { record, row, runner } = tried;
    match record.state {
        JobState::Closed if record.given_up => Retry::Ask(asked(record, now)),
        JobState::Closed => Retry::Over,
        JobState::Unplaced if now.since(record.queued_at) >= times::QUEUED_AT_MOST => Retry::TooLate,
        JobState::Unplaced => Retry::Place,
        JobState::Queued | JobState::Blocked if record.pool.is_some() && !pool_there => Retry::Place,
        JobState::Queued => match (row, runner) {
            (Some(row), Some(runner)) if !void(row, Some(runner)) => Retry::Runner(runner.address()),
            (Some(row), _) if row.holds_itself_back(now) => Retry::Afresh(Box::new(afresh(record, row, by, now))),
            _ => Retry::Waits,
        },
        JobState::Running => match runner.filter(|runner| works_on(runner, record)) {
            Some(runner) => Retry::Runner(runner.address()),
            None => Retry::Ask(asked(record, now)),
        },
        JobState::Blocked => Retry::Ask(asked(record, now)),
    }
}

fn works_on(runner: &Runner, record: &JobRecord) -> bool {
    runner.done_at.is_none() && runner.work.as_ref().and_then(|work| work.job) == Some(record.id)
}

fn asked(record: &JobRecord, now: Timestamp) -> Open {
    Open::new(Errand::Ask(record.id), record.installation, now, Duration::ZERO)
}

/// The tries are forgotten, and with them the wait. That GitHub must be asked first is not: a runner that registered for the job and ended may
/// have run it.
fn afresh(record: &JobRecord, row: &WaitingJob, by: &str, now: Timestamp) -> (JobRecord, WaitingJob) {
    let mut record = JobRecord { rev: record.rev + 1, reason: None, ..record.clone() };
    note(&mut record.story, now, StoryEvent::Retried { by: by.to_owned(), asks_github: row.ask });
    record.reason = row.ask.then_some(Reason::AskedFirst);
    (record, WaitingJob { rev: row.rev + 1, attempts: 0, refused: false, not_before: None, asked_at: None, held: None, ..row.clone() })
}

impl WaitingJob {
    /// True if what was tried for it before keeps it from being tried now.
    #[must_use]
    pub fn holds_itself_back(&self, now: Timestamp) -> bool {
        self.attempts > 0 || self.ask || self.not_before.is_some_and(|at| at > now)
    }
}
