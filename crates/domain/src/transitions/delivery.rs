//! What a delivery about a job changes: the transitions of jobs, as one pure function.
//!
//! Deliveries come late, twice and in any order; whatever the order, the same job ends in the same
//! state.

use std::collections::BTreeSet;

use crate::model::id::PoolName;
use crate::model::job::{
    JobAction, JobEvent, JobRecord, JobState, WaitingJob, synthetic_delivery_time, truncated,
};
use crate::model::outbox::FollowUp;
use crate::model::pool::Pools;
use crate::model::runner::{Runner, RunnerState, Work};
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::timeouts;
use crate::transitions::changes::{Changes, Verdict, WaitingChange};
use crate::transitions::job_state::{follow_up_for, recompute_state, record_delivery};
use crate::transitions::new_record::{new_record, queued_at};

/// What the ledger holds that a delivery may touch.
#[derive(Clone, Copy, Debug)]
pub struct DeliverySnapshot<'a> {
    /// The active pools.
    pub pools: &'a Pools,
    /// The job's record.
    pub record: Option<&'a JobRecord>,
    /// The open runner of ours that has the name in the delivery; whether it is meant is decided
    /// here.
    pub runner: Option<&'a Runner>,
}

/// Decides what a delivery changes, and what webhook answers.
#[must_use]
pub fn apply_delivery(event: &JobEvent, known: DeliverySnapshot<'_>) -> (Verdict, Changes) {
    let meant = known.runner.filter(|runner| {
        event
            .runner
            .as_ref()
            .is_some_and(|named| runner.is_meant_by(named, event))
    });
    let mut record = match known.record {
        Some(record) => record.clone(),
        None => match new_record(event, known.pools, meant) {
            Ok(record) => record,
            Err(verdict) => return (verdict, Changes::default()),
        },
    };
    let before = known.record.map(|record| record.state);
    let waited = before == Some(JobState::Queued);
    match event.action {
        JobAction::Queued | JobAction::Waiting => apply_queued(&mut record, event),
        JobAction::InProgress => apply_in_progress(&mut record, event, meant),
        JobAction::Completed => apply_completed(&mut record, event, meant),
    }
    let waits = record.state == JobState::Queued;
    let runner = meant.and_then(|runner| runner_at_work(runner, event));
    // A container may report before any delivery says which job it had.
    let reported = runner.as_ref().or(meant);
    if let Some(after) = reported.and_then(|it| record.with_usage_of(it, event.received_at)) {
        record = after;
    }
    let wake = wakes(event, &record, waited, meant);
    let waiting = match (&record.pool, record.waiting()) {
        (Some(pool), Some(row)) if waits && !waited => Some(WaitingChange::Put(
            pool.clone(),
            WaitingJob {
                needs_check: is_stale(&record, event),
                ..row
            },
        )),
        (Some(pool), _) if waited && !waits => Some(WaitingChange::Remove(pool.clone(), record.id)),
        _ => None,
    };
    let verdict = match (&record.state, &record.reason) {
        (JobState::Unplaced, Some(reason)) => Verdict::Unplaced(reason.clone()),
        _ => Verdict::Recorded,
    };
    let watched = runner.as_ref().or(meant).is_some_and(|runner| {
        runner
            .work
            .as_ref()
            .is_some_and(|work| work.job == Some(event.job))
    });
    let follow_up = follow_up_for(&record, before, watched, (known.pools, event.received_at));
    let settled = placed_by_itself(&record, before);
    let record = (known.record != Some(&record)).then_some(record);
    let changes = Changes {
        record,
        waiting: waiting.into_iter().collect(),
        runner,
        follow_ups: follow_up.into_iter().collect(),
        completed: settled,
        wake,
        ..Changes::default()
    };
    (verdict, changes)
}

/// A job that no pool took, and that another fleet's runner has, or that is over, is not matched
/// any more: the list of follow-ups would hold each of another fleet's jobs for a day.
fn placed_by_itself(record: &JobRecord, before: Option<JobState>) -> Option<FollowUp> {
    let gone = before == Some(JobState::Unplaced) && record.state != JobState::Unplaced;
    gone.then_some(FollowUp::MatchJob {
        job: record.id,
        pools_version: record.pools_version,
    })
}

/// One job id can go queued → waiting → queued, and deliveries are shuffled: it waits if and only
/// if more deliveries said queued than held back.
fn apply_queued(record: &mut JobRecord, event: &JobEvent) {
    if record.state == JobState::Running || record.is_over() {
        return;
    }
    let says_queued = event.action == JobAction::Queued;
    let says_held = event.action == JobAction::Waiting || event.gated;
    if synthetic_delivery_time(&event.delivery).is_some() && !record.queued.is_empty() {
        // Sweeper found a job before its delivery arrived; the delivery has arrived since.
        return;
    }
    // One that joins both changes no balance, so it can be nothing that GitHub was asked instead
    // of.
    let late = (says_queued != says_held).then(|| queued_at(event));
    let news = (says_queued && record_delivery(&mut record.queued, &event.delivery, late))
        | (says_held && record_delivery(&mut record.blocking, &event.delivery, late));
    if !news {
        return;
    }
    let before = record.state;
    record.reopen(event.received_at);
    record.last_heard_at = record.last_heard_at.max(Some(event.received_at));
    record.queued_at = record.queued_at.max(queued_at(event));
    if record.pool.is_some() {
        recompute_state(record, event.received_at);
    }
    if record.state == JobState::Queued && before != JobState::Queued && is_stale(record, event) {
        note(
            &mut record.story,
            event.received_at,
            StoryEvent::QueuedLongAgo,
        );
    }
}

/// True if the job was queued so long before this was told that it cannot wait any more, unless
/// something has gone wrong at GitHub, too.
fn is_stale(record: &JobRecord, event: &JobEvent) -> bool {
    event.received_at.since(record.queued_at) >= timeouts::QUEUED_AT_MOST
}

fn apply_in_progress(record: &mut JobRecord, event: &JobEvent, meant: Option<&Runner>) {
    if record.is_over() || is_of_an_earlier_epoch(record, event) {
        return;
    }
    record.reopen(event.received_at);
    name_runner(record, event, meant);
    record.running_at = record
        .running_at
        .or(event.started_at)
        .or(Some(event.received_at));
    if record.state != JobState::Running {
        record.state = JobState::Running;
        record.last_heard_at = record.last_heard_at.max(Some(event.received_at));
        record.reason = None;
        record.unconfirmed = None;
        if record.is_ours() {
            record.expires_at = None;
        }
        note(
            &mut record.story,
            event.received_at,
            StoryEvent::Started {
                runner: record.runner_name.clone(),
            },
        );
    }
}

/// True for a delivery of a beginning that came to nothing: GitHub has had the job wait again
/// since. What GitHub says when it is asked is never old.
fn is_of_an_earlier_epoch(record: &JobRecord, event: &JobEvent) -> bool {
    let asked = synthetic_delivery_time(&event.delivery).is_some();
    record.epoch > 0
        && !asked
        && record.state != JobState::Running
        && event
            .started_at
            .is_some_and(|began| began < record.queued_at)
}

fn apply_completed(record: &mut JobRecord, event: &JobEvent, meant: Option<&Runner>) {
    if record.is_over() {
        return;
    }
    name_runner(record, event, meant);
    record.reason = why_it_never_ran(record);
    record.given_up = false;
    if record.runner_name.is_some() {
        record.running_at = record.running_at.or(event.started_at);
    }
    let closed = event.completed_at.unwrap_or(event.received_at);
    record.state = JobState::Closed;
    record.last_heard_at = record.last_heard_at.max(Some(event.received_at));
    record.unconfirmed = None;
    record.closed_at = Some(closed);
    record.conclusion = event.conclusion.as_deref().map(truncated);
    record.expire(event.received_at);
    note(
        &mut record.story,
        event.received_at,
        StoryEvent::Completed {
            conclusion: record.conclusion.clone(),
        },
    );
}

/// What kept a job from every runner until it was over (no pool takes it, GitHub refuses its
/// runners or gives them nothing), for the person who looks for it then. A gate is over with the
/// job, and so is a doubt about what GitHub shows.
fn why_it_never_ran(record: &JobRecord) -> Option<Reason> {
    let told = record.runner_name.is_none()
        && record.running_at.is_none()
        && record.unconfirmed.is_none()
        && !record.given_up;
    let reason = record
        .reason
        .as_ref()
        .filter(|reason| told && **reason != Reason::Gated)?
        .clone();
    Some(if record.pool.is_none() {
        reason
    } else {
        Reason::WhileItWaited {
            why: Box::new(reason),
        }
    })
}

/// Writes down who works on the job. GitHub names no runner, or an empty one, for jobs that never
/// ran.
fn name_runner(record: &mut JobRecord, event: &JobEvent, meant: Option<&Runner>) {
    if let Some(named) = event.runner.as_ref().filter(|named| !named.name.is_empty()) {
        record.runner_name = Some(truncated(&named.name));
    }
    if let Some(runner) = meant {
        record.runner = Some(runner.id.clone());
    }
}

/// The runner that the delivery means, at work on the job; `None` if nothing about it is news.
fn runner_at_work(runner: &Runner, event: &JobEvent) -> Option<Runner> {
    if !matches!(event.action, JobAction::InProgress | JobAction::Completed) {
        return None;
    }
    let mut after = runner.clone();
    let since = event.started_at.unwrap_or(event.received_at);
    let same = after.work.as_ref().is_none_or(|work| {
        (work.run, work.attempt) == (event.run, event.attempt)
            && work.job.is_none_or(|job| job == event.job)
    });
    if same {
        let since = after.work.as_ref().map_or(since, |work| work.since);
        after.work = Some(Work {
            run: event.run,
            attempt: event.attempt,
            job: Some(event.job),
            since,
        });
        after.state = RunnerState::Busy;
        after.busy_at = after.busy_at.or(Some(event.received_at));
        after.repository = Some(event.repository.id);
        if event.action == JobAction::Completed {
            after.done_at = after
                .done_at
                .or(event.completed_at)
                .or(Some(event.received_at));
            // A job fails without having been admitted, where that could not be asked, or is
            // cancelled before. None succeeds.
            if event.conclusion.as_deref() == Some("success")
                && let Some(refused) = after.refused_unadmitted(event.received_at)
            {
                after = refused;
            }
        }
    }
    (after != *runner).then(|| {
        if runner.state != RunnerState::Busy {
            let works = StoryEvent::WorksOn {
                job: event.job,
                repository: event.repository.name.clone(),
            };
            note(&mut after.story, event.received_at, works);
        }
        after
    })
}

/// Pools that must look again: a job waits, a waiting job was taken by someone else or cancelled, a
/// runner took a job that was not its own.
fn wakes(
    event: &JobEvent,
    record: &JobRecord,
    waited: bool,
    meant: Option<&Runner>,
) -> BTreeSet<PoolName> {
    let mut wake = BTreeSet::new();
    let own = meant.is_some_and(|runner| runner.reserved == Some(event.job));
    let waits = record.state == JobState::Queued;
    // A repeated `queued` wakes again: the first may have been written by a function that died
    // before its wake.
    if (waits && event.action == JobAction::Queued) || (waited && !waits && !own) {
        wake.extend(record.pool.clone());
    }
    if let Some(runner) = meant {
        let took_a_strangers = runner.work.as_ref().is_none_or(|work| work.job.is_none()) && !own;
        if took_a_strangers && matches!(event.action, JobAction::InProgress | JobAction::Completed)
        {
            wake.insert(runner.pool.clone());
        }
    }
    wake
}
