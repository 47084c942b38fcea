//! Jobs matched again when the pools file is another one: those that no pool took, and those whose
//! pool is gone, has other labels, or registers its runners elsewhere.

use std::time::Duration;

use crate::model::job::{JobRecord, JobState, WaitingJob};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::placement::{JobRequirements, Placement};
use crate::model::pool::Pool;
use crate::model::story::{LeftPool, PoolChange, Reason, StoryEvent, note};
use crate::model::target::Target;
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::changes::{Changes, WaitingChange};
use crate::transitions::job_state::{follow_up_for, recompute_state};
use crate::transitions::registration::reservation_is_void;
use crate::transitions::snapshot::JobSnapshot;

/// The result of matching a job again.
#[derive(Clone, Debug, PartialEq)]
pub enum RematchOutcome {
    /// Nothing to do: its pool is unchanged, or it waits no longer.
    NotNeeded,
    /// Not now: a runner has the job, or the pools file is not newer than the one that matched it.
    Later,
    /// No pool takes it, for the same reason as before: nothing is written but that this pools file
    /// does not either.
    Still,
    /// To be written in one transaction.
    Changed(Box<Changes>),
}

/// Rematches a job.
#[must_use]
pub fn rematch(place: JobSnapshot<'_>, now: Timestamp) -> RematchOutcome {
    let (record, pools) = (place.record, place.pools);
    match (record.state, &record.pool) {
        (JobState::Unplaced, _) if now.since(record.queued_at) >= timeouts::QUEUED_AT_MOST => {
            let known = matches!(record.reason, Some(Reason::MatchingGivenUp { .. }));
            if known {
                RematchOutcome::NotNeeded
            } else {
                RematchOutcome::Changed(Box::new(given_up(record, now)))
            }
        }
        (JobState::Unplaced, _) => {
            let rematched = rematched(place, now);
            if rematched.state == JobState::Unplaced && rematched.reason == record.reason {
                RematchOutcome::Still
            } else {
                RematchOutcome::Changed(Box::new(move_job(place, rematched, now)))
            }
        }
        (JobState::Queued | JobState::Blocked, Some(pool))
            if pools.get(pool).is_none_or(|pool| is_another(record, pool)) =>
        {
            // Its runner may be at it already, and moved away it would get another one.
            let reserved = place
                .row
                .is_some_and(|row| row.runner.is_some() && !reservation_is_void(row, place.runner));
            // This function's cached pools file may be a minute old and lack the pool in which
            // another function placed the job.
            if reserved || pools.version <= record.pools_version {
                return RematchOutcome::Later;
            }
            RematchOutcome::Changed(Box::new(move_job(place, rematched(place, now), now)))
        }
        _ => RematchOutcome::NotNeeded,
    }
}

/// True if the job's pool was another one when it took the job: it had other labels, or registered
/// its runners elsewhere.
fn is_another(record: &JobRecord, pool: &Pool) -> bool {
    record
        .matched
        .as_ref()
        .is_some_and(|matched| *matched != pool.match_key())
}

/// No pool took the job for as long as GitHub has jobs wait.
fn given_up(record: &JobRecord, now: Timestamp) -> Changes {
    let mut after = record.clone();
    after.reason = Some(Reason::MatchingGivenUp {
        last: record.reason.clone().map(Box::new),
    });
    note(&mut after.story, now, StoryEvent::MatchingGivenUp);
    Changes {
        record: Some(after),
        ..Changes::default()
    }
}

/// The record, matched by the active pools.
fn rematched(place: JobSnapshot<'_>, now: Timestamp) -> JobRecord {
    let (before, pools) = (place.record, place.pools);
    let mut record = JobRecord {
        pools_version: pools.version,
        keep: pools.keep,
        ..before.clone()
    };
    let wanted = JobRequirements {
        labels: &before.labels,
        repository: &before.repository,
        run: before.run,
        attempt: before.attempt,
    };
    let its = before.pool.as_ref().and_then(|pool| pools.get(pool));
    let change = if its.is_some() {
        PoolChange::Relabelled
    } else {
        PoolChange::Removed
    };
    match its.filter(|pool| pool.takes(&wanted)) {
        Some(pool) => keep_in(&mut record, pool, now),
        None => match pools.place(wanted) {
            Placement::Pool(pool) => place_in(&mut record, pool, change, now),
            Placement::Unplaced(why) => unplace(&mut record, why, change, now),
            Placement::Refused(refusal) => {
                unplace(&mut record, Reason::NotServed { refusal }, change, now)
            }
            Placement::NotOurs => unplace(&mut record, Reason::NoLabelOffered, change, now),
        },
    }
    record
}

/// What follows for a job whose record becomes this one.
fn move_job(place: JobSnapshot<'_>, record: JobRecord, now: Timestamp) -> Changes {
    let (before, pools) = (place.record, place.pools);
    let into = record
        .pool
        .clone()
        .zip(new_row(place, &record, now))
        .filter(|_| record.state == JobState::Queued);
    let left = before.pool.clone().filter(|pool| {
        before.state == JobState::Queued && into.as_ref().is_none_or(|(into, _)| into != pool)
    });
    let follow_up = match record.state {
        JobState::Unplaced => {
            let follow_up = FollowUp::MatchJob {
                job: record.id,
                pools_version: pools.version,
            };
            Some(OutboxEntry {
                since: before.queued_at,
                ..OutboxEntry::new(follow_up, record.installation, now, Duration::ZERO)
            })
        }
        _ => follow_up_for(&record, Some(before.state), false, (pools, now)),
    };
    let wake = left
        .iter()
        .chain(into.iter().map(|(pool, _)| pool))
        .cloned();
    let wake = wake.collect();
    let goes = left.map(|pool| WaitingChange::Remove(pool, before.id));
    let comes = into.map(|(pool, row)| WaitingChange::Put(pool, row));
    Changes {
        record: Some(record),
        waiting: goes.into_iter().chain(comes).collect(),
        follow_ups: follow_up.into_iter().collect(),
        wake,
        ..Changes::default()
    }
}

/// The row that the job waits by. What its runners met counts no longer, unless they register where
/// they did before.
fn new_row(place: JobSnapshot<'_>, record: &JobRecord, now: Timestamp) -> Option<WaitingJob> {
    let row = record.waiting()?;
    if let Some(before) = place
        .row
        .filter(|before| before.target == row.target && place.record.pool == record.pool)
    {
        return Some(WaitingJob {
            matched: row.matched,
            ..before.clone()
        });
    }
    // A job that has waited for long may be over for long: GitHub is asked before money is spent on
    // it.
    Some(WaitingJob {
        needs_check: now.since(record.queued_at) > timeouts::CHECK_AFTER,
        ..row
    })
}

/// The job stays in its pool, whose runners may register elsewhere now. Its size stands, as all
/// that a pools file changes of a pool does for jobs that wait.
fn keep_in(record: &mut JobRecord, pool: &Pool, now: Timestamp) {
    let before = record.target.as_ref().map(Target::key);
    record.register_by(pool);
    if record.target.as_ref().map(Target::key) != before {
        record.reason = record
            .reason
            .take()
            .filter(|_| record.state == JobState::Blocked);
        let event = StoryEvent::RegistersElsewhere {
            scope: pool.scope.clone(),
            pools_version: record.pools_version,
        };
        note(&mut record.story, now, event);
    }
}

fn place_in(record: &mut JobRecord, pool: &Pool, change: PoolChange, now: Timestamp) {
    let left = record.pool.take().map(|pool| LeftPool { pool, change });
    record.assign_to_pool(pool);
    record.expires_at = None;
    record.reason = record
        .reason
        .take()
        .filter(|_| record.state == JobState::Blocked);
    note(
        &mut record.story,
        now,
        StoryEvent::Placed {
            pool: pool.name.clone(),
            pools_version: record.pools_version,
            left,
        },
    );
    recompute_state(record, now);
}

fn unplace(record: &mut JobRecord, why: Reason, change: PoolChange, now: Timestamp) {
    let why = match record.pool.take() {
        Some(pool) => Reason::LeftPool {
            left: LeftPool { pool, change },
            then: Box::new(why),
        },
        None => why,
    };
    (
        record.size,
        record.target,
        record.matched,
        record.unconfirmed,
    ) = (None, None, None, None);
    if record.reason.as_ref() != Some(&why) {
        note(
            &mut record.story,
            now,
            StoryEvent::Unplaced {
                reason: why.clone(),
            },
        );
    }
    record.reason = Some(why);
    record.state = JobState::Unplaced;
    record.expire(now);
}
