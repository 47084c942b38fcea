//! Reconciles a job with what GitHub's API says of it.
//!
//! Deliveries may never be made, and the API may show what is past. So a final state is trusted at
//! once. An answer that would move a job backwards is trusted only if it cannot be outdated, or if
//! a second one agrees.

pub use crate::model::github_job::{GithubJob, GithubJobDetails, GithubJobStatus, RunEnd};

use crate::model::job::{
    JobAction, JobEvent, JobRecord, JobState, Unconfirmed, UnconfirmedReason, WaitingJob,
    synthetic_delivery,
};
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::changes::{Changes, WaitingChange};
use crate::transitions::delivery::{DeliverySnapshot, apply_delivery};
use crate::transitions::job_state::{follow_up_for, recompute_state, set_synthetic_delivery};
use crate::transitions::snapshot::JobSnapshot;

/// Decides what an answer changes.
#[must_use]
pub fn reconcile_job(said: &GithubJob, about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    let record = about.record;
    if record.is_over() {
        return closed(said, about, now);
    }
    match said {
        GithubJob::Found(seen) => match (seen.status, record.state) {
            (GithubJobStatus::Completed, _) => {
                apply_as_delivery(seen, JobAction::Completed, about, now)
            }
            (GithubJobStatus::Running, _) => {
                apply_as_delivery(seen, JobAction::InProgress, about, now)
            }
            (GithubJobStatus::Queued, JobState::Running) => queued_again(about, now),
            (GithubJobStatus::Queued | GithubJobStatus::Gated, JobState::Closed) => {
                changed(reopened(seen, record, now), about, now)
            }
            (GithubJobStatus::Queued, JobState::Blocked)
            | (GithubJobStatus::Gated, JobState::Queued)
                if heard_recently(record, now) =>
            {
                Changes::default()
            }
            (GithubJobStatus::Queued, JobState::Blocked) => {
                changed(with_synthetic_delivery(record, true, now), about, now)
            }
            (GithubJobStatus::Gated, JobState::Queued) => {
                changed(with_synthetic_delivery(record, false, now), about, now)
            }
            (GithubJobStatus::Queued, JobState::Queued) => still_waits(about, now),
            _ => as_recorded(about, now),
        },
        GithubJob::RunCompleted(end)
            if matches!(record.state, JobState::Queued | JobState::Blocked) =>
        {
            run_over(end, about, now)
        }
        GithubJob::RunCompleted(_) => as_recorded(about, now),
        GithubJob::NotFound | GithubJob::RepositoryNotVisible(_)
            if record.state == JobState::Closed =>
        {
            Changes::default()
        }
        GithubJob::NotFound => {
            not_found(UnconfirmedReason::NotFound, Reason::JobNotFound, about, now)
        }
        GithubJob::RepositoryNotVisible(message) => {
            let why = Reason::RepositoryNotVisible {
                repository: record.repository.name.clone(),
                message: message.clone(),
            };
            not_found(UnconfirmedReason::RepositoryNotVisible, why, about, now)
        }
    }
}

/// A closed record is final; only a runner of ours that had the job may still have to learn that
/// the job is over.
fn closed(said: &GithubJob, about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    match said {
        GithubJob::Found(seen) if seen.status == GithubJobStatus::Completed => {
            apply_as_delivery(seen, JobAction::Completed, about, now)
        }
        _ => Changes::default(),
    }
}

/// True if GitHub's answer may be older than the last delivery.
fn heard_recently(record: &JobRecord, now: Timestamp) -> bool {
    now.since(record.last_heard_at.unwrap_or(record.received_at)) <= timeouts::READS_LAG
}

/// What is final, or leads forward, is taken as a delivery would be.
fn apply_as_delivery(
    seen: &GithubJobDetails,
    action: JobAction,
    about: JobSnapshot<'_>,
    now: Timestamp,
) -> Changes {
    let record = about.record;
    let event = JobEvent {
        action,
        delivery: synthetic_delivery(now, 0),
        gated: false,
        job: record.id,
        run: record.run,
        attempt: record.attempt,
        name: record.name.clone(),
        workflow: record.workflow.clone(),
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
    let (_, mut changes) = apply_delivery(
        &event,
        DeliverySnapshot {
            pools: about.pools,
            record: Some(record),
            runner: about.runner,
        },
    );
    match changes.record.as_mut() {
        Some(after) => after.unconfirmed = None,
        None => changes.record = confirmed(record),
    }
    changes
}

/// GitHub forgot the job when it ended the job's run: it is over as the run is.
fn run_over(end: &RunEnd, about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    let mut record = about.record.clone();
    note(&mut record.story, now, StoryEvent::RunOver);
    let seen = GithubJobDetails {
        status: GithubJobStatus::Completed,
        runner: None,
        conclusion: end.conclusion.clone(),
        created_at: None,
        started_at: None,
        completed_at: end.at,
    };
    apply_as_delivery(
        &seen,
        JobAction::Completed,
        JobSnapshot {
            record: &record,
            ..about
        },
        now,
    )
}

/// The job is where it is known to be, or the answer says nothing: only a doubt goes, and a waiting
/// job keeps that it was asked about.
fn as_recorded(about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    Changes {
        record: confirmed(about.record),
        waiting: mark_checked(about, now),
        ..Changes::default()
    }
}

/// It waits, as is known: if a runner was held back for its sake, it need not be any more.
fn still_waits(about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    let mut changes = as_recorded(about, now);
    if about.row.is_some_and(|row| row.needs_check) {
        let record = changes.record.get_or_insert_with(|| about.record.clone());
        note(&mut record.story, now, StoryEvent::StillQueued);
        changes.wake.extend(about.record.pool.clone());
    }
    for change in &mut changes.waiting {
        if let WaitingChange::Put(_, row) = change {
            row.needs_check = false;
        }
    }
    changes
}

/// The waiting row, if there is one, asked about now.
fn mark_checked(about: JobSnapshot<'_>, now: Timestamp) -> Vec<WaitingChange> {
    about.row.map_or_else(Vec::new, |row| {
        about.record.row_changed(WaitingJob {
            checked_at_github: Some(now),
            ..row.clone()
        })
    })
}

/// The record without its doubt, if it has one, and without the words about it.
fn confirmed(record: &JobRecord) -> Option<JobRecord> {
    record.unconfirmed.map(|_| JobRecord {
        unconfirmed: None,
        reason: match record.state {
            JobState::Blocked => Some(Reason::Gated),
            JobState::Unplaced => record.reason.clone(),
            JobState::Queued | JobState::Running | JobState::Closed => None,
        },
        ..record.clone()
    })
}

/// A job that was given up, and that GitHub shows waiting or held back.
fn reopened(seen: &GithubJobDetails, record: &JobRecord, now: Timestamp) -> JobRecord {
    let mut after = record.clone();
    after.reopen(now);
    after.queued_at = after
        .queued_at
        .max(seen.started_at.unwrap_or(after.queued_at));
    after.last_heard_at = Some(now);
    if after.pool.is_some() {
        set_synthetic_delivery(&mut after, seen.status == GithubJobStatus::Queued, now);
        recompute_state(&mut after, now);
    }
    after
}

/// The record as it waits, or is held back, on GitHub's word.
fn with_synthetic_delivery(record: &JobRecord, waits: bool, now: Timestamp) -> JobRecord {
    let mut after = record.clone();
    set_synthetic_delivery(&mut after, waits, now);
    after.last_heard_at = Some(now);
    note(
        &mut after.story,
        now,
        if waits {
            StoryEvent::FoundQueued
        } else {
            StoryEvent::FoundGated
        },
    );
    recompute_state(&mut after, now);
    after
}

/// A record that takes its waiting row with it.
fn changed(after: JobRecord, about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    let before = about.record;
    let (waited, waits) = (
        before.state == JobState::Queued,
        after.state == JobState::Queued,
    );
    let waiting = match (&after.pool, after.waiting()) {
        (Some(pool), Some(row)) if waits && !waited => Some(WaitingChange::Put(pool.clone(), row)),
        _ if waited && !waits => {
            let left = before.pool.clone();
            left.map(|pool| WaitingChange::Remove(pool, before.id))
        }
        _ => None,
    };
    let follow_up = follow_up_for(&after, Some(before.state), false, (about.pools, now));
    let wake = if waited == waits {
        None
    } else {
        after.pool.clone()
    };
    Changes {
        record: Some(after),
        waiting: waiting.into_iter().collect(),
        follow_ups: follow_up.into_iter().collect(),
        wake: wake.into_iter().collect(),
        ..Changes::default()
    }
}

/// The doubt as it is with this answer, and if that is enough: two answers, so far apart that the
/// second cannot be the first one's echo.
fn unconfirmed(record: &JobRecord, what: UnconfirmedReason, now: Timestamp) -> (Unconfirmed, bool) {
    match record.unconfirmed.filter(|doubt| doubt.reason == what) {
        Some(doubt) => (doubt, now.since(doubt.since) >= timeouts::REREAD_AFTER),
        None => (
            Unconfirmed {
                reason: what,
                since: now,
            },
            false,
        ),
    }
}

/// The one way back: a job that ran waits again, for another runner. Its runner must be gone for
/// good: an open row may still be at work.
fn queued_again(about: JobSnapshot<'_>, now: Timestamp) -> Changes {
    let record = about.record;
    if heard_recently(record, now) {
        return Changes::default();
    }
    let (doubt, twice) = unconfirmed(record, UnconfirmedReason::QueuedAgain, now);
    if twice && about.runner.is_none() {
        return changed(of_next_epoch(record, now), about, now);
    }
    keep_unconfirmed(doubt, Reason::QueuedAgainUnconfirmed, about, now)
}

fn of_next_epoch(record: &JobRecord, now: Timestamp) -> JobRecord {
    let mut after = record.clone();
    after.epoch += 1;
    let began = record.running_at.unwrap_or(record.queued_at);
    // Later than its start: deliveries of that start are old. Its place in the line is nearly the
    // one it had.
    after.queued_at = record
        .queued_at
        .max(began.plus(std::time::Duration::from_millis(1)));
    let runner = after.runner_name.take();
    (
        after.running_at,
        after.runner,
        after.usage,
        after.unconfirmed,
        after.last_heard_at,
    ) = (None, None, None, None, Some(now));
    note(&mut after.story, now, StoryEvent::QueuedAgain { runner });
    if after.pool.is_some() {
        set_synthetic_delivery(&mut after, true, now);
        recompute_state(&mut after, now);
    } else {
        after.state = JobState::Unplaced;
        after.reason = Some(Reason::QueuedAgainUnplaced);
        after.expire(now);
    }
    after
}

/// One answer, of which nothing follows yet but that GitHub is asked again. The words are for
/// anyone who waits for the job.
fn keep_unconfirmed(
    doubt: Unconfirmed,
    reason: Reason,
    about: JobSnapshot<'_>,
    now: Timestamp,
) -> Changes {
    let before = about.record;
    let new = before.unconfirmed != Some(doubt);
    let record = (new || before.reason.as_ref() != Some(&reason)).then(|| {
        let mut after = JobRecord {
            unconfirmed: Some(doubt),
            reason: Some(reason.clone()),
            ..before.clone()
        };
        if new {
            note(&mut after.story, now, StoryEvent::Unconfirmed { reason });
        }
        after
    });
    Changes {
        record,
        waiting: mark_checked(about, now),
        ..Changes::default()
    }
}

/// GitHub does not show it. For a day that may have many reasons; after that every waiting job is
/// over, and its result is unknown. A gate may stay closed for much longer, without any delivery.
fn not_found(
    what: UnconfirmedReason,
    why: Reason,
    about: JobSnapshot<'_>,
    now: Timestamp,
) -> Changes {
    let (doubt, twice) = unconfirmed(about.record, what, now);
    let since = match what {
        // The repository is there and the job is not: its run was deleted.
        UnconfirmedReason::NotFound => about.record.received_at,
        UnconfirmedReason::RepositoryNotVisible | UnconfirmedReason::QueuedAgain => doubt.since,
    };
    let most = match about.record.state {
        JobState::Blocked => timeouts::GATED_AT_MOST,
        _ => timeouts::QUEUED_AT_MOST,
    };
    if twice && now.since(since) >= most {
        return changed(
            given_up(
                about.record,
                Reason::GivenUp {
                    why: Box::new(why),
                    after: most,
                },
                now,
            ),
            about,
            now,
        );
    }
    keep_unconfirmed(doubt, Reason::AskedAgain { why: Box::new(why) }, about, now)
}

fn given_up(record: &JobRecord, reason: Reason, now: Timestamp) -> JobRecord {
    let mut after = JobRecord {
        state: JobState::Closed,
        given_up: true,
        closed_at: Some(now),
        unconfirmed: None,
        last_heard_at: Some(now),
        ..record.clone()
    };
    note(
        &mut after.story,
        now,
        StoryEvent::GivenUp {
            reason: reason.clone(),
        },
    );
    after.reason = Some(reason);
    after.expire(now);
    after
}
