//! Retry: someone wants a job tried again now (`mayfly retry`).

use std::time::Duration;

use crate::model::id::{PoolName, RunnerAddress};
use crate::model::job::{JobRecord, JobState, WaitingJob};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::Runner;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::changes::Changes;
use crate::transitions::registration::reservation_is_void;
use crate::transitions::snapshot::JobSnapshot;

/// What trying a job again comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Retry {
    /// It waits as if no runner had ever been started for it; GitHub may have to be asked first
    /// (`asks_github`). Its pool is to be woken.
    BackoffReset {
        /// A runner registered for it and ended: it may have run it.
        asks_github: bool,
    },
    /// It waits, and nothing of its own holds it back: its pool is woken, and that is all that
    /// helps.
    Waits,
    /// This runner is on its way for it, or works on it.
    Runner(RunnerAddress),
    /// Only GitHub knows: sweeper asks within a minute.
    CheckJob,
    /// No pool takes it, or its pool is gone: it is to be rematched.
    MatchJob,
    /// It waited for a day, and GitHub has given it up by then.
    TooLate,
    /// It is over.
    Over,
}

/// Decides how to retry a job, and what changes. `by` is who asked.
#[must_use]
pub fn retry(tried: JobSnapshot<'_>, by: &str, now: Timestamp) -> (Retry, Changes) {
    let JobSnapshot {
        pools,
        record,
        row,
        runner,
    } = tried;
    let is_active = |pool: &PoolName| pools.get(pool).is_some();
    let unchanged = |retry| (retry, Changes::default());
    match record.state {
        JobState::Closed if record.given_up => check_job(record, now),
        JobState::Closed => unchanged(Retry::Over),
        JobState::Unplaced if now.since(record.queued_at) >= timeouts::QUEUED_AT_MOST => {
            unchanged(Retry::TooLate)
        }
        JobState::Unplaced => unchanged(Retry::MatchJob),
        JobState::Queued | JobState::Blocked
            if record.pool.as_ref().is_some_and(|pool| !is_active(pool)) =>
        {
            unchanged(Retry::MatchJob)
        }
        JobState::Queued => match (row, runner) {
            (Some(row), Some(runner)) if !reservation_is_void(row, Some(runner)) => {
                unchanged(Retry::Runner(runner.address()))
            }
            (Some(row), _) if row.is_backing_off(now) => reset_backoff(record, row, by, now),
            _ => unchanged(Retry::Waits),
        },
        JobState::Running => match runner.filter(|runner| works_on(runner, record)) {
            Some(runner) => unchanged(Retry::Runner(runner.address())),
            None => check_job(record, now),
        },
        JobState::Blocked => check_job(record, now),
    }
}

fn works_on(runner: &Runner, record: &JobRecord) -> bool {
    runner.done_at.is_none() && runner.work.as_ref().and_then(|work| work.job) == Some(record.id)
}

fn check_job(record: &JobRecord, now: Timestamp) -> (Retry, Changes) {
    let follow_up = OutboxEntry::new(
        FollowUp::CheckJob(record.id),
        record.installation,
        now,
        Duration::ZERO,
    );
    (Retry::CheckJob, Changes::of_follow_up(follow_up))
}

/// The tries are forgotten, and with them the wait. That GitHub must be asked first is not: a
/// runner that registered for the job and ended may have run it.
fn reset_backoff(
    record: &JobRecord,
    row: &WaitingJob,
    by: &str,
    now: Timestamp,
) -> (Retry, Changes) {
    let asks_github = row.needs_check;
    let mut record = JobRecord {
        reason: None,
        ..record.clone()
    };
    note(
        &mut record.story,
        now,
        StoryEvent::Retried {
            by: by.to_owned(),
            asks_github,
        },
    );
    record.reason = asks_github.then_some(Reason::AskedFirst);
    let row = WaitingJob {
        attempts: 0,
        refused: None,
        not_before: None,
        checked_at_github: None,
        hold: None,
        ..row.clone()
    };
    let changes = Changes {
        waiting: record.row_changed(row),
        wake: record.pool.iter().cloned().collect(),
        record: Some(record),
        ..Changes::default()
    };
    (Retry::BackoffReset { asks_github }, changes)
}

impl WaitingJob {
    /// True if what was tried for it before keeps it from being tried now.
    #[must_use]
    pub fn is_backing_off(&self, now: Timestamp) -> bool {
        self.attempts > 0 || self.needs_check || self.not_before.is_some_and(|at| at > now)
    }
}
