//! Jobs matched again when the pools file is another one: those that no pool took, and those whose pool is gone, has other labels, or registers its runners
//! elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::errand::{Errand, Open};
use crate::model::id::{JobId, PoolName};
use crate::model::job::{JobRecord, JobState, WaitingJob};
use crate::model::pool::{Placement, Pool, Pools, Wanted};
use crate::model::runner::Runner;
use crate::model::story::{LeftPool, PoolChange, Reason, StoryEvent, note};
use crate::model::target::Target;
use crate::model::time::Timestamp;
use crate::model::times;
use crate::transitions::registration::void;
use crate::transitions::standing::{left_open, settle};

/// What the ledger holds of the job.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The pools in force.
    pub pools: &'a Pools,
    /// The job's record.
    pub record: &'a JobRecord,
    /// Its waiting row, if it has one.
    pub row: Option<&'a WaitingJob>,
    /// The open row of the runner that the waiting row names.
    pub holder: Option<&'a Runner>,
}

/// What comes of matching a job anew.
#[derive(Clone, Debug, PartialEq)]
pub enum Matching {
    /// Nobody needs it: its pool is as it was, or it waits no longer.
    NotNeeded,
    /// Not now: a runner is at it, or the pools file at hand is not newer than the one it was matched by.
    Later,
    /// No pool takes it, for the same reason as before: nothing is written but that this pools file does not either.
    Still,
    /// To be written in one transaction.
    Changed(Box<Anew>),
}

/// A job matched anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Anew {
    /// Its record.
    pub record: JobRecord,
    /// The waiting row that goes.
    pub out: Option<(PoolName, JobId)>,
    /// The waiting row that comes.
    pub into: Option<(PoolName, WaitingJob)>,
    /// What sweeper has to see to from now on.
    pub errand: Option<Open>,
    /// Pools to be woken afterwards.
    pub wake: BTreeSet<PoolName>,
}

/// Matches a job anew.
#[must_use]
pub fn match_anew(place: Place<'_>, now: Timestamp) -> Matching {
    let (record, pools) = (place.record, place.pools);
    match (record.state, &record.pool) {
        (JobState::Unplaced, _) if now.since(record.queued_at) >= times::QUEUED_AT_MOST => {
            let known = matches!(record.reason, Some(Reason::MatchingGivenUp { .. }));
            if known { Matching::NotNeeded } else { Matching::Changed(Box::new(given_up(record, now))) }
        }
        (JobState::Unplaced, _) => {
            let anew = moved(place, now);
            let still = anew.record.state == JobState::Unplaced && anew.record.reason == record.reason;
            if still { Matching::Still } else { Matching::Changed(Box::new(anew)) }
        }
        (JobState::Queued | JobState::Blocked, Some(pool)) if pools.get(pool).is_none_or(|pool| is_another(record, pool)) => {
            // Its runner may be at it already, and moved away it would get another one.
            let held = place.row.is_some_and(|row| row.runner.is_some() && !void(row, place.holder));
            // A file that this function has kept for a minute may not have the pool yet that another one has placed the job in.
            if held || pools.generation <= record.generation {
                return Matching::Later;
            }
            Matching::Changed(Box::new(moved(place, now)))
        }
        _ => Matching::NotNeeded,
    }
}

/// True if the job's pool was another one when it took the job: it had other labels, or registered its runners elsewhere.
fn is_another(record: &JobRecord, pool: &Pool) -> bool {
    record.matched.as_ref().is_some_and(|matched| *matched != pool.match_key())
}

/// No pool took the job for as long as GitHub has jobs wait.
fn given_up(record: &JobRecord, now: Timestamp) -> Anew {
    let mut after = JobRecord { rev: record.rev + 1, ..record.clone() };
    after.reason = Some(Reason::MatchingGivenUp { last: record.reason.clone().map(Box::new) });
    note(&mut after.story, now, StoryEvent::MatchingGivenUp);
    Anew { record: after, out: None, into: None, errand: None, wake: BTreeSet::new() }
}

fn moved(place: Place<'_>, now: Timestamp) -> Anew {
    let (before, pools) = (place.record, place.pools);
    let mut record = JobRecord { rev: before.rev + 1, generation: pools.generation, ..before.clone() };
    let wanted = Wanted { labels: &before.labels, repository: &before.repository, run: before.run, attempt: before.attempt };
    let its = before.pool.as_ref().and_then(|pool| pools.get(pool));
    let change = if its.is_some() { PoolChange::Relabelled } else { PoolChange::Removed };
    match its.filter(|pool| pool.takes(&wanted)) {
        Some(pool) => stays(&mut record, pool, now),
        None => match pools.place(wanted) {
            Placement::Pool(pool) => taken(&mut record, pool, change, now),
            Placement::Unplaced(why) => left(&mut record, why, change, now),
            Placement::Refused(refusal) => left(&mut record, Reason::NotServed { refusal }, change, now),
            Placement::NotOurs => left(&mut record, Reason::NoLabelOffered, change, now),
        },
    }
    let into = record.pool.clone().zip(new_row(place, &record, now)).filter(|_| record.state == JobState::Queued);
    let left = before.pool.clone().filter(|pool| before.state == JobState::Queued && into.as_ref().is_none_or(|(into, _)| into != pool));
    let out = left.map(|pool| (pool, before.id));
    let errand = match record.state {
        JobState::Unplaced => {
            let errand = Errand::Place { job: record.id, generation: pools.generation };
            Some(Open { since: before.queued_at, ..Open::new(errand, record.installation, now, Duration::ZERO) })
        }
        _ => left_open(&record, Some(before.state), false, (pools, now)),
    };
    let wake = out.iter().map(|(pool, _)| pool).chain(into.iter().map(|(pool, _)| pool)).cloned().collect();
    Anew { record, out, into, errand, wake }
}

/// The row that the job waits by. What its runners met counts no longer, unless they register where they did before.
fn new_row(place: Place<'_>, record: &JobRecord, now: Timestamp) -> Option<WaitingJob> {
    let row = record.waiting()?;
    if let Some(before) = place.row.filter(|before| before.target == row.target && place.record.pool == record.pool) {
        return Some(WaitingJob { rev: row.rev, matched: row.matched, ..before.clone() });
    }
    // A job that has waited for long may be over for long: GitHub is asked before money is spent on it.
    Some(WaitingJob { ask: now.since(record.queued_at) > times::ASK_AFTER, ..row })
}

/// The job stays in its pool, whose runners may register elsewhere now. Its size stands, as all that a pools file changes of a pool does for jobs that wait.
fn stays(record: &mut JobRecord, pool: &Pool, now: Timestamp) {
    let before = record.target.as_ref().map(Target::key);
    record.register_by(pool);
    if record.target.as_ref().map(Target::key) != before {
        record.reason = record.reason.take().filter(|_| record.state == JobState::Blocked);
        let event = StoryEvent::RegistersElsewhere { scope: pool.scope.clone(), pools_version: record.generation };
        note(&mut record.story, now, event);
    }
}

fn taken(record: &mut JobRecord, pool: &Pool, change: PoolChange, now: Timestamp) {
    let left = record.pool.take().map(|pool| LeftPool { pool, change });
    record.give_to(pool);
    record.expires_at = None;
    record.reason = record.reason.take().filter(|_| record.state == JobState::Blocked);
    note(&mut record.story, now, StoryEvent::Placed { pool: pool.name.clone(), pools_version: record.generation, left });
    settle(record, now);
}

fn left(record: &mut JobRecord, why: Reason, change: PoolChange, now: Timestamp) {
    let why = match record.pool.take() {
        Some(pool) => Reason::LeftPool { left: LeftPool { pool, change }, then: Box::new(why) },
        None => why,
    };
    (record.size, record.target, record.matched, record.doubt) = (None, None, None, None);
    if record.reason.as_ref() != Some(&why) {
        note(&mut record.story, now, StoryEvent::Unplaced { reason: why.clone() });
    }
    record.reason = Some(why);
    record.state = JobState::Unplaced;
    record.expire(now);
}
