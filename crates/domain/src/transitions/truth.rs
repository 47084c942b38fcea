//! GitHub's word: what follows for a job from what GitHub says of it when it is asked.
//!
//! Deliveries may never be made, and the API may show what is past. So what is final is believed at once, and what would take something
//! back is believed only when it cannot be old, or is said twice.

use crate::model::job::{Doubt, Doubtful, JobAction, JobEvent, JobRecord, JobState, WaitingJob, stand_in};
use crate::model::pool::Pools;
use crate::model::runner::Runner;
pub use crate::model::said::{RunEnd, Said, Seen, Standing};
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::times;
use crate::transitions::changes::{Observation, Verdict, WaitingChange};
use crate::transitions::observe::{Known, numbered, observe};
use crate::transitions::standing::{left_open, settle, stand_in_for};

/// What the ledger holds that an answer may touch.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The pools in force.
    pub pools: &'a Pools,
    /// The job's record.
    pub record: &'a JobRecord,
    /// Its waiting row, if it has one.
    pub row: Option<&'a WaitingJob>,
    /// The open row of the runner that the answer names, or else of the one that the record does; whether the answer means it is decided here.
    pub runner: Option<&'a Runner>,
}

/// What follows from an answer, to be written in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// What changes as if a delivery had said it.
    pub observation: Observation,
    /// The waiting row, if it stays and changes.
    pub row: Option<WaitingJob>,
}

impl Learned {
    fn nothing() -> Self {
        Self { observation: Observation::nothing(Verdict::Recorded), row: None }
    }

    /// True if there is nothing to write.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.observation.changes_nothing() && self.row.is_none()
    }
}

/// Decides what an answer changes.
#[must_use]
pub fn learn(said: &Said, about: About<'_>, now: Timestamp) -> Learned {
    let record = about.record;
    if record.is_over() {
        return closed(said, about, now);
    }
    match said {
        Said::Shown(seen) => match (seen.standing, record.state) {
            (Standing::Over, _) => as_delivered(seen, JobAction::Completed, about, now),
            (Standing::Running, _) => as_delivered(seen, JobAction::InProgress, about, now),
            (Standing::Queued, JobState::Running) => queued_again(about, now),
            (Standing::Queued | Standing::Held, JobState::Closed) => changed(given_up_too_early(seen, record, now), about, now),
            (Standing::Queued, JobState::Blocked) | (Standing::Held, JobState::Queued) if told_lately(record, now) => Learned::nothing(),
            (Standing::Queued, JobState::Blocked) => changed(stood_in(record, true, now), about, now),
            (Standing::Held, JobState::Queued) => changed(stood_in(record, false, now), about, now),
            (Standing::Queued, JobState::Queued) => still_waits(about, now),
            _ => as_known(about, now),
        },
        Said::RunOver(end) if matches!(record.state, JobState::Queued | JobState::Blocked) => run_over(end, about, now),
        Said::RunOver(_) => as_known(about, now),
        Said::NotShown | Said::NotSeen(_) if record.state == JobState::Closed => Learned::nothing(),
        Said::NotShown => missed(Doubtful::NotShown, Reason::JobNotFound, about, now),
        Said::NotSeen(message) => {
            let why = Reason::RepositoryNotVisible { repository: record.repository.name.clone(), message: message.clone() };
            missed(Doubtful::NotSeen, why, about, now)
        }
    }
}

/// A closed record stands, whatever is said; only a runner of ours that had the job may not know yet that it is over.
fn closed(said: &Said, about: About<'_>, now: Timestamp) -> Learned {
    match said {
        Said::Shown(seen) if seen.standing == Standing::Over => as_delivered(seen, JobAction::Completed, about, now),
        _ => Learned::nothing(),
    }
}

/// True if what GitHub shows may be older than what was heard last.
fn told_lately(record: &JobRecord, now: Timestamp) -> bool {
    now.since(record.heard_at.unwrap_or(record.received_at)) <= times::READS_LAG
}

/// What is final, or leads forward, is taken as a delivery would be.
fn as_delivered(seen: &Seen, action: JobAction, about: About<'_>, now: Timestamp) -> Learned {
    let record = about.record;
    let event = JobEvent {
        action,
        delivery: stand_in(now, 0),
        held: false,
        job: record.id,
        run: record.run,
        attempt: record.attempt,
        name: record.name.clone(),
        labels: record.labels.clone(),
        repository: record.repository.clone(),
        installation: record.installation,
        runner: seen.runner.clone(),
        conclusion: seen.conclusion.clone(),
        created_at: seen.created_at,
        started_at: seen.started_at,
        completed_at: seen.completed_at,
        received_at: now,
    };
    let mut observation = observe(&event, Known { pools: about.pools, record: Some(record), runner: about.runner });
    match observation.record.as_mut() {
        Some(after) => after.doubt = None,
        None => observation.record = without_doubt(record),
    }
    Learned { observation, row: None }
}

/// GitHub forgot the job when it ended the job's run: it is over as the run is.
fn run_over(end: &RunEnd, about: About<'_>, now: Timestamp) -> Learned {
    let mut record = about.record.clone();
    note(&mut record.story, now, StoryEvent::RunOver);
    let seen = Seen {
        standing: Standing::Over,
        runner: None,
        conclusion: end.conclusion.clone(),
        created_at: None,
        started_at: None,
        completed_at: end.at,
    };
    as_delivered(&seen, JobAction::Completed, About { record: &record, ..about }, now)
}

/// The job is where it is known to be, or the answer says nothing: only a doubt goes, and a waiting job keeps that it was asked about.
fn as_known(about: About<'_>, now: Timestamp) -> Learned {
    let observation = Observation { record: without_doubt(about.record), ..Observation::nothing(Verdict::Recorded) };
    Learned { observation, row: asked(about, now) }
}

/// It waits, as is known: if a runner was held back for its sake, it need not be any more.
fn still_waits(about: About<'_>, now: Timestamp) -> Learned {
    let mut learned = as_known(about, now);
    if about.row.is_some_and(|row| row.ask) {
        let mut record = learned.observation.record.unwrap_or_else(|| next(about.record));
        note(&mut record.story, now, StoryEvent::StillQueued);
        learned.observation.record = Some(record);
        learned.observation.wake.extend(about.record.pool.clone());
    }
    learned.row = learned.row.map(|row| WaitingJob { ask: false, ..row });
    learned
}

fn asked(about: About<'_>, now: Timestamp) -> Option<WaitingJob> {
    about.row.map(|row| WaitingJob { rev: row.rev + 1, asked_at: Some(now), ..row.clone() })
}

fn next(record: &JobRecord) -> JobRecord {
    JobRecord { rev: record.rev + 1, ..record.clone() }
}

/// The record without its doubt, if it has one, and without the words about it.
fn without_doubt(record: &JobRecord) -> Option<JobRecord> {
    record.doubt.map(|_| JobRecord {
        doubt: None,
        reason: match record.state {
            JobState::Blocked => Some(Reason::Gated),
            JobState::Unplaced => record.reason.clone(),
            JobState::Queued | JobState::Running | JobState::Closed => None,
        },
        ..next(record)
    })
}

/// A job that was given up, and that GitHub shows waiting or held back.
fn given_up_too_early(seen: &Seen, record: &JobRecord, now: Timestamp) -> JobRecord {
    let mut after = next(record);
    after.open_again(now);
    after.queued_at = after.queued_at.max(seen.started_at.unwrap_or(after.queued_at));
    after.heard_at = Some(now);
    if after.pool.is_some() {
        stand_in_for(&mut after, seen.standing == Standing::Queued, now);
        settle(&mut after, now);
    }
    after
}

/// The record as it waits, or is held back, on GitHub's word.
fn stood_in(record: &JobRecord, waits: bool, now: Timestamp) -> JobRecord {
    let mut after = next(record);
    stand_in_for(&mut after, waits, now);
    after.heard_at = Some(now);
    note(&mut after.story, now, if waits { StoryEvent::FoundQueued } else { StoryEvent::FoundGated });
    settle(&mut after, now);
    after
}

/// A record that takes its waiting row with it.
fn changed(after: JobRecord, about: About<'_>, now: Timestamp) -> Learned {
    let before = about.record;
    let (waited, waits) = (before.state == JobState::Queued, after.state == JobState::Queued);
    let waiting = match (&after.pool, after.waiting()) {
        (Some(pool), Some(row)) if waits && !waited => WaitingChange::Put(pool.clone(), row),
        _ if waited && !waits => before.pool.clone().map_or(WaitingChange::Keep, |pool| WaitingChange::Remove(pool, before.id)),
        _ => WaitingChange::Keep,
    };
    let errand = left_open(&after, Some(before.state), false, (about.pools, now));
    let wake = if waited == waits { None } else { after.pool.clone() };
    let observation = Observation {
        verdict: Verdict::Recorded,
        waiting: numbered(waiting, Some(before)),
        runner: None,
        errand,
        settled: None,
        wake: wake.into_iter().collect(),
        record: Some(after),
    };
    Learned { observation, row: None }
}

/// The doubt as it is with this answer, and if that is enough: two answers, so far apart that the second cannot be the first one's echo.
fn doubted(record: &JobRecord, what: Doubtful, now: Timestamp) -> (Doubt, bool) {
    match record.doubt.filter(|doubt| doubt.what == what) {
        Some(doubt) => (doubt, now.since(doubt.since) >= times::ASK_TWICE),
        None => (Doubt { what, since: now }, false),
    }
}

/// The one way back: a job that ran waits again, for another runner. Its runner must be gone for good: an open row may still be at work.
fn queued_again(about: About<'_>, now: Timestamp) -> Learned {
    let record = about.record;
    if told_lately(record, now) {
        return Learned::nothing();
    }
    let (doubt, twice) = doubted(record, Doubtful::QueuedAgain, now);
    if twice && about.runner.is_none() {
        return changed(of_next_epoch(record, now), about, now);
    }
    in_doubt(doubt, Reason::QueuedAgainUnconfirmed, about, now)
}

fn of_next_epoch(record: &JobRecord, now: Timestamp) -> JobRecord {
    let mut after = next(record);
    after.epoch += 1;
    let began = record.running_at.unwrap_or(record.queued_at);
    // Later than it began: what still comes of that beginning is old. Its place in the line is nearly the one it had.
    after.queued_at = record.queued_at.max(began.plus(std::time::Duration::from_millis(1)));
    let runner = after.runner_name.take();
    (after.running_at, after.runner, after.doubt, after.heard_at) = (None, None, None, Some(now));
    note(&mut after.story, now, StoryEvent::QueuedAgain { runner });
    if after.pool.is_some() {
        stand_in_for(&mut after, true, now);
        settle(&mut after, now);
    } else {
        after.state = JobState::Unplaced;
        after.reason = Some(Reason::QueuedAgainUnplaced);
        after.expire(now);
    }
    after
}

/// One answer, of which nothing follows yet but that GitHub is asked again. The words are for whoever waits for the job.
fn in_doubt(doubt: Doubt, reason: Reason, about: About<'_>, now: Timestamp) -> Learned {
    let before = about.record;
    let new = before.doubt != Some(doubt);
    let record = (new || before.reason.as_ref() != Some(&reason)).then(|| {
        let mut after = JobRecord { doubt: Some(doubt), reason: Some(reason.clone()), ..next(before) };
        if new {
            note(&mut after.story, now, StoryEvent::Unconfirmed { reason });
        }
        after
    });
    Learned { observation: Observation { record, ..Observation::nothing(Verdict::Recorded) }, row: asked(about, now) }
}

/// GitHub does not show it. For a day that may have many reasons; then whatever waited is over, and nobody can tell how. A gate may stay shut for
/// much longer, and nobody hears of it meanwhile.
fn missed(what: Doubtful, why: Reason, about: About<'_>, now: Timestamp) -> Learned {
    let (doubt, twice) = doubted(about.record, what, now);
    let since = match what {
        // The repository is there and the job is not: its run was deleted.
        Doubtful::NotShown => about.record.received_at,
        Doubtful::NotSeen | Doubtful::QueuedAgain => doubt.since,
    };
    let most = match about.record.state {
        JobState::Blocked => times::HELD_AT_MOST,
        _ => times::QUEUED_AT_MOST,
    };
    if twice && now.since(since) >= most {
        return changed(given_up(about.record, Reason::GivenUp { why: Box::new(why), after: most }, now), about, now);
    }
    in_doubt(doubt, Reason::AskedAgain { why: Box::new(why) }, about, now)
}

fn given_up(record: &JobRecord, reason: Reason, now: Timestamp) -> JobRecord {
    let mut after =
        JobRecord { state: JobState::Closed, given_up: true, closed_at: Some(now), doubt: None, heard_at: Some(now), ..next(record) };
    note(&mut after.story, now, StoryEvent::GivenUp { reason: reason.clone() });
    after.reason = Some(reason);
    after.expire(now);
    after
}
