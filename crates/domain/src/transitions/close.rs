//! What ECS says of a task changes: runners get their times, and close.

use crate::model::end::End;
use crate::model::exit_code::{REGISTRATION_LOST, VERSION_REFUSED};
use crate::model::job::{JobRecord, WaitingJob};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::price::{NanoDollars, Price};
use crate::model::runner::{Outcome, Runner, RunnerState, StopKind};
use crate::model::start_failure::{Cause, FailureKind};
use crate::model::start_health::{Counted, Failure, PoolHealth};
use crate::model::story::{MemoryKill, Reason, StoryEvent, note};
use crate::model::target::TargetScope;
use crate::model::time::Timestamp;
use crate::model::{assignment, timeouts};
use crate::transitions::changes::{Changes, WaitingChange};
use crate::transitions::{interruption, stale_registration};

/// What else a closing touches; read together with the runner.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunnerSnapshot<'a> {
    /// The pool's health.
    pub health: Option<&'a PoolHealth>,
    /// The job that the runner held in reserve, if it still waits.
    pub waiting: Option<&'a WaitingJob>,
    /// That job's record.
    pub record: Option<&'a JobRecord>,
    /// The record of the job that the runner had, if its end tells something of that job
    /// ([`tells_of_job`]).
    pub job: Option<&'a JobRecord>,
}

/// How a runner closes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closing {
    /// What is written.
    pub changes: Changes,
    /// Runners of this size will not start until a person acts: why, and what to do, for the log.
    /// Set at the first end that shows it, not at each that follows.
    pub must_act: Option<String>,
}

/// Closes a runner: removes its row, writes its record, and updates its job and its pool's health.
#[must_use]
pub fn close(runner: &Runner, end: End<'_>, around: RunnerSnapshot<'_>, now: Timestamp) -> Closing {
    let mut record = match end {
        End::Stopped(task) => runner.with_task(task).unwrap_or_else(|| runner.clone()),
        End::NeverStarted(..) | End::Missing => runner.clone(),
    };
    if let End::Stopped(task) = end {
        record.exit_code = task.end.exit_code;
    }
    // Both sides must agree: a row that was created again (an approval gate), or that another
    // runner has reserved since, does not belong to this runner.
    let is_reserved = |waiting: &&WaitingJob| {
        runner.reserved == Some(waiting.id) && waiting.runner.as_ref() == Some(&runner.id)
    };
    let still_waits = around.waiting.filter(is_reserved);
    let outcome = outcome(runner, end, still_waits.is_some(), now);
    let reason = reason(runner, end, outcome);
    record.interrupted = interruption::at_work(runner, end);
    note(
        &mut record.story,
        now,
        StoryEvent::Ended {
            reason: reason.clone(),
        },
    );
    record.outcome = Some(outcome);
    record.cost = cost(&record, end, now);
    record.closed_at = Some(now);
    record.expires_at = Some(now.plus(record.keep.duration()).seconds());
    let (health, must_act) = match outcome {
        Outcome::FailedStart => {
            failed_start(runner, failure(runner, end, &reason), around.health, now)
        }
        Outcome::Ran => (worked(runner, around.health), None),
        Outcome::NeverAssigned => not_assigned_health(runner, around, now),
        _ => (None, None),
    };
    let (row, job) = match (outcome, still_waits, around.record) {
        (Outcome::NeverAssigned, Some(waiting), Some(job)) => {
            let (row, job) = not_assigned(waiting, job, &reason, now);
            (Some(row), Some(job))
        }
        (Outcome::FailedStart, Some(waiting), Some(job)) => {
            let why = Box::new(reason.clone());
            let job = awaits_retry(job, Reason::RunnerFailed { why }, now);
            (Some(checked_first(waiting)), Some(job))
        }
        // A task's end overtakes deliveries, which GitHub may make minutes late: without a
        // question, a second runner would be started for a job that is over.
        (Outcome::Ran, Some(waiting), Some(job)) if may_have_run(runner, waiting) => {
            let job = awaits_retry(job, Reason::MayHaveRun, now);
            (Some(checked_first(waiting)), Some(job))
        }
        _ => (
            None,
            around.job.and_then(|job| job_told(job, &record, end, now)),
        ),
    };
    record.reason = Some(reason);
    let rerun = job
        .as_ref()
        .filter(|_| record.interrupted)
        .and_then(|job| interruption::rerun(job, now));
    let follow_ups = stale_registration::deregister_follow_up(&record, now)
        .into_iter()
        .chain(rerun)
        .chain(left_running(&record, now))
        .collect();
    let pool = runner.pool.clone();
    let changes = Changes {
        record: job,
        waiting: row
            .map(|row| WaitingChange::Put(pool.clone(), row))
            .into_iter()
            .collect(),
        health: health.map(|health| (pool.clone(), health)),
        closed: Some(record),
        follow_ups,
        wake: [pool].into(),
        ..Changes::default()
    };
    Closing { changes, must_act }
}

/// True if a runner's end is worth a line in its job's story.
#[must_use]
pub fn tells_of_job(runner: &Runner, end: End<'_>) -> bool {
    interruption::at_work(runner, end) || memory_kill(runner, end).is_some()
}

/// The record of the job that the runner had, updated by the runner's end.
fn job_told(job: &JobRecord, record: &Runner, end: End<'_>, now: Timestamp) -> Option<JobRecord> {
    if record.interrupted {
        return Some(interruption::with_interruption(job, record, end, now));
    }
    // What succeeded was not cut short, whatever became of its container afterwards.
    let told = memory_kill(record, end).filter(|_| job.conclusion.as_deref() != Some("success"))?;
    let mut after = job.clone();
    note(
        &mut after.story,
        now,
        StoryEvent::OutOfMemory {
            runner: record.id.clone(),
            pool: record.pool.clone(),
            memory_mib: record.size.memory_mib,
            told,
        },
    );
    Some(after)
}

/// Whether memory was why the runner's container was killed. Only a runner at work is called likely
/// killed: the job-started hook ends the container of a refused job with the same signal.
fn memory_kill(runner: &Runner, end: End<'_>) -> Option<MemoryKill> {
    let End::Stopped(task) = end else {
        return None;
    };
    let at_work = runner.work.is_some()
        && runner.done_at.is_none()
        && runner.refused.is_none()
        && !runner.unadmitted();
    task.end
        .memory_kill()
        .filter(|told| *told == MemoryKill::Certain || at_work)
}

/// A runner that is gone while its job is not over, as far as is known: its end overtook the
/// delivery, or GitHub does not know yet, or has the job wait again.
fn left_running(record: &Runner, now: Timestamp) -> Option<OutboxEntry> {
    let job = record
        .work
        .as_ref()?
        .job
        .filter(|_| record.done_at.is_none())?;
    let installation = record.target.as_ref().map(|target| target.installation);
    Some(OutboxEntry::new(
        FollowUp::CheckJob(job),
        installation,
        now,
        timeouts::CHECK_AFTER_END,
    ))
}

/// The pool's health with this failed start, if that changes it: of a burst's many failures only
/// the first does, and the others need not write. Also what a person must know, if one must act
/// from now on.
fn failed_start(
    runner: &Runner,
    failure: Failure,
    health: Option<&PoolHealth>,
    now: Timestamp,
) -> (Option<PoolHealth>, Option<String>) {
    let mut health = health.cloned().unwrap_or_default();
    let (launch, size) = (&runner.launch, health.of_mut(&runner.size));
    let Counted {
        mut changed,
        opened,
    } = size.record_failure_of(&launch.definition, launch.first_sent_at, failure, now);
    changed |= runner.state == RunnerState::Registered && size.record_failure_after_registration();
    let must_act = opened.then(|| size.alarm(&runner.size));
    (changed.then_some(health), must_act)
}

/// The pool's health after a runner that had a job, if runners of its kind failed before they got
/// that far.
fn worked(runner: &Runner, health: Option<&PoolHealth>) -> Option<PoolHealth> {
    let mut health = health?.clone();
    let mut changed = health.of(&runner.size).after_registration
        && health
            .of_mut(&runner.size)
            .record_job(&runner.launch.definition);
    changed |= runner
        .repository
        .is_some_and(|repository| health.given(repository));
    changed.then_some(health)
}

/// The pool's health after a runner that was given nothing, if that is news, and what a person must
/// know, if one must act from now on. That an organization's runner group keeps a public repository
/// out says nothing of the runners.
fn not_assigned_health(
    runner: &Runner,
    around: RunnerSnapshot<'_>,
    now: Timestamp,
) -> (Option<PoolHealth>, Option<String>) {
    let Some(job) = around.record else {
        return (None, None);
    };
    let organization = matches!(
        runner.target.as_ref().map(|target| &target.scope),
        Some(TargetScope::Organization { .. })
    );
    if organization && !job.repository.private {
        return (None, None);
    }
    let mut health = around.health.cloned().unwrap_or_default();
    let counted = health.record_not_assigned(runner, (job.repository.id, job.id), now);
    let must_act = counted.opened.then(|| {
        format!(
            "GitHub gives runners of pool {} no job of {}: {} of them registered for different jobs that wait, then one more, and none was given any. One at a \
             time is tried now. What to do: {}",
            runner.pool, job.repository.name, assignment::OPENS, assignment::ADVICE
        )
    });
    (counted.changed.then_some(health), must_act)
}

/// ECS's code for a task whose container ended by itself. Source: ECS API reference, `Task`,
/// `stopCode`.
const EXITED: &str = "EssentialContainerExited";

/// True if a registered runner's own failure ended it before it could take a job. run.sh turns
/// every error at GitHub into exit code 0, so any other code right after the start comes from the
/// image. From 128 on it is a signal, from any sender. Source: actions/runner,
/// src/Misc/layoutroot/run.sh and run-helper.sh.template.
fn failed_registered(runner: &Runner, end: End<'_>, now: Timestamp) -> bool {
    let End::Stopped(task) = end else {
        return false;
    };
    let Some(code) = task.end.exit_code.filter(|_| {
        runner.retired_at.is_none()
            && task
                .end
                .stop_code
                .as_deref()
                .is_none_or(|code| code == EXITED)
    }) else {
        return false;
    };
    let ended = task
        .timeline
        .stopping
        .or(task.timeline.stopped)
        .unwrap_or(now);
    let at_once = runner
        .registered_at
        .is_some_and(|registered| ended.since(registered) <= timeouts::LISTENS_WITHIN);
    code == VERSION_REFUSED || (at_once && (1..=127).contains(&code) && code != REGISTRATION_LOST)
}

fn outcome(runner: &Runner, end: End<'_>, job_still_waits: bool, now: Timestamp) -> Outcome {
    let exit = match end {
        End::Stopped(task) => task.end.exit_code,
        End::NeverStarted(..) | End::Missing => None,
    };
    match runner.state {
        _ if runner.refused.is_some() => Outcome::Refused,
        _ if runner.work.is_some() || runner.state == RunnerState::Busy => Outcome::Ran,
        _ if runner
            .stop
            .as_ref()
            .is_some_and(|stop| stop.kind != StopKind::StartTimeout) =>
        {
            Outcome::Surplus
        }
        RunnerState::Requested if runner.first_polled_at.is_none() => Outcome::FailedStart,
        _ if runner.stopped_before_a_job() => Outcome::Surplus,
        RunnerState::Registered if failed_registered(runner, end, now) => Outcome::FailedStart,
        RunnerState::Registered | RunnerState::Registering if job_still_waits => {
            Outcome::NeverAssigned
        }
        RunnerState::Registered => Outcome::Surplus,
        // It asked and was told to wait; it gave up (0, or 20 at the park limit) or something ended
        // it.
        _ if matches!(exit, Some(0 | 20)) => Outcome::Surplus,
        _ => Outcome::Unknown,
    }
}

fn reason(runner: &Runner, end: End<'_>, outcome: Outcome) -> Reason {
    if let Some(stop) = runner
        .stop
        .as_ref()
        .filter(|_| matches!(outcome, Outcome::Surplus | Outcome::FailedStart))
    {
        return stop.reason.clone();
    }
    if let Some(request) = runner
        .stop_request
        .as_ref()
        .filter(|_| runner.stopped_before_a_job())
    {
        return request.reason();
    }
    if let Some(why) = &runner.refused {
        return Reason::JobRefused {
            why: Box::new(why.clone()),
        };
    }
    match end {
        End::NeverStarted(_, why) => Reason::Ecs {
            message: why.to_owned(),
        },
        End::Missing => Reason::TaskUnknown,
        End::Stopped(task) => match runner
            .retired_reason
            .as_ref()
            .filter(|_| task.end.stop_code.as_deref() == Some(EXITED))
        {
            // It ended by itself because of that. ECS would have told the same words if the call to
            // stop its task had come first.
            Some(why) if matches!(task.end.exit_code, None | Some(0)) => why.clone(),
            Some(why) => Reason::DeregisteredThenEnded {
                why: Box::new(why.clone()),
                end: task.end.clone(),
            },
            None => match memory_kill(runner, end) {
                Some(told) => Reason::OutOfMemory {
                    told,
                    memory_mib: runner.size.memory_mib,
                    end: task.end.clone(),
                },
                None => Reason::TaskStopped(task.end.clone()),
            },
        },
    }
}

/// The failed start that a runner's end was, if it was one; `record` is the closed runner's.
#[must_use]
pub fn start_failure(runner: &Runner, end: End<'_>, record: &Runner) -> Option<Failure> {
    let reason = record
        .reason
        .as_ref()
        .filter(|_| record.outcome == Some(Outcome::FailedStart))?;
    Some(failure(runner, end, reason))
}

/// The failed start that the end of a runner is.
fn failure(runner: &Runner, end: End<'_>, reason: &Reason) -> Failure {
    let reason = reason.clone();
    let task = match end {
        End::NeverStarted(kind, why) => {
            return Failure {
                reason,
                ..Failure::of_launch(kind, why)
            };
        }
        End::Missing => {
            return Failure {
                kind: FailureKind::Transient,
                cause: None,
                reason,
                had_task: false,
            };
        }
        End::Stopped(task) => task,
    };
    let timed_out = runner
        .stop
        .as_ref()
        .is_some_and(|stop| stop.kind == StopKind::StartTimeout);
    // Of a task that was stopped because its time was over, the exit code tells nothing.
    let cause = Cause::of_task(task)
        .filter(|cause| !(timed_out && *cause == Cause::Ended))
        .or(timed_out.then_some(Cause::NotHeardOf));
    Failure {
        kind: cause.map_or(FailureKind::Transient, Cause::kind),
        cause,
        reason,
        had_task: !task.is_interrupted(),
    }
}

/// What the runner cost: known if its price is, or if there is nothing to pay.
fn cost(record: &Runner, end: End<'_>, now: Timestamp) -> Option<NanoDollars> {
    let End::Stopped(_) = end else {
        return Some(NanoDollars(0));
    };
    let stopped = record.timeline.stopped.unwrap_or(now);
    // Without a pull there is nothing to pay.
    let Some(from) = record.timeline.pull_started.or(record.timeline.started) else {
        return Some(NanoDollars(0));
    };
    match record.price {
        Some(Price::Hour(price)) => Some(price.cost(stopped.since(from))),
        Some(Price::Unknown(_)) | None => None,
    }
}

/// After this many runners without a job, a job is tried only from time to time.
const NOT_ASSIGNED_MAX: u32 = 3;

fn not_assigned(
    waiting: &WaitingJob,
    record: &JobRecord,
    why: &Reason,
    now: Timestamp,
) -> (WaitingJob, JobRecord) {
    let attempts = waiting.attempts.saturating_add(1);
    let given_up = attempts >= NOT_ASSIGNED_MAX;
    let wait = if given_up {
        timeouts::NOT_ASSIGNED_PROBE
    } else {
        timeouts::BACK_OFF_MIN.saturating_mul(attempts)
    };
    let why = Box::new(why.clone());
    let reason = if given_up {
        Reason::NeverAssigned {
            runners: attempts,
            why,
        }
    } else {
        Reason::NotAssigned { why }
    };
    let job = awaits_retry(record, reason, now);
    let waiting = WaitingJob {
        needs_check: true,
        checked_at_github: None,
        attempts,
        refused: None,
        not_before: Some(now.plus(wait)),
        ..waiting.clone()
    };
    (waiting, job)
}

/// True if the job that the runner held in reserve is, for all that is known, the one that it ran.
fn may_have_run(runner: &Runner, waiting: &WaitingJob) -> bool {
    runner.work.as_ref().is_none_or(|work| {
        work.job.is_none() && (work.run, work.attempt) == (waiting.run, waiting.attempt)
    })
}

/// The job is not at fault: its attempts and its backoff stay as they are, and GitHub is asked
/// about it first.
fn checked_first(waiting: &WaitingJob) -> WaitingJob {
    WaitingJob {
        needs_check: true,
        checked_at_github: None,
        ..waiting.clone()
    }
}

/// The record of a job that waits for its next try, with the reason.
pub(crate) fn awaits_retry(record: &JobRecord, reason: Reason, now: Timestamp) -> JobRecord {
    let mut job = JobRecord {
        reason: Some(reason.clone()),
        ..record.clone()
    };
    note(&mut job.story, now, StoryEvent::AwaitsRetry { reason });
    job
}
