//! What a waiting job waits for, and what would help: from what scaler would see and do.

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::{assignment, timeouts};
use mayfly_domain::transitions::registration::reservation_is_void;
use serde::Serialize;

use crate::pool_status::PoolStatus;
use crate::runner_phase::RunnerPhase;
use crate::text::counted;
use crate::time_format::Rfc3339;

/// What kind of thing a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// A runner that is on its way.
    Runner,
    /// Scaler's next look.
    NextPlan,
    /// The pool is at its `max`.
    PoolMax,
    /// The pool is paused: its `max` is 0.
    Paused,
    /// The repository is at its `max_per_repository`.
    RepositoryMax,
    /// GitHub told the installation to wait.
    GithubLimit,
    /// Starts fail; the next try.
    FailedStarts,
    /// A runner on trial.
    Trial,
    /// GitHub gives runners for its repository no job; the next try.
    NotAssigned,
    /// GitHub refuses runners for its repository, or of its labels and group; the next try.
    Refused,
    /// ECS.
    Ecs,
    /// Its own next try.
    OwnTry,
    /// GitHub's answer about it.
    Answer,
    /// Its pool is gone: to be rematched.
    Pool,
    /// GitHub holds it back.
    Gate,
    /// No pool takes it.
    NoPool,
}

/// What a job waits for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitReason {
    /// What kind of thing.
    pub waits_for: WaitKind,
    /// The same in words.
    pub because: String,
    /// What would help; none if nothing has to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How many jobs of its pool without a runner come before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<usize>,
    /// When something happens next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Rfc3339>,
    /// The runner that is on its way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
}

impl WaitReason {
    /// For this, for this reason.
    #[must_use]
    pub fn new(waits_for: WaitKind, because: impl Into<String>) -> Self {
        Self {
            waits_for,
            because: because.into(),
            help: None,
            ahead: None,
            next_try_at: None,
            runner: None,
        }
    }

    /// With what would help.
    #[must_use]
    pub fn helped(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    fn until(self, at: Timestamp) -> Self {
        Self {
            next_try_at: Some(Rfc3339(at)),
            ..self
        }
    }
}

/// After this time scaler has looked, if it is alive: a tick, and a minute for the tick to come.
const PLANNED_RECENTLY: std::time::Duration = timeouts::TICK.saturating_mul(2);

/// What a waiting job of a pool waits for.
#[must_use]
pub fn wait_reason(
    now_of: &PoolStatus,
    row: &WaitingJob,
    record: Option<&JobRecord>,
    now: Timestamp,
) -> WaitReason {
    if now_of.gone {
        let why = format!(
            "pool {} was removed; the job is being re-matched",
            now_of.pool.name
        );
        return WaitReason::new(WaitKind::Pool, why)
            .helped("that takes up to a minute; mayfly pools shows the active pools");
    }
    if let Some((_, hold)) = now_of.plan.holds.iter().find(|(job, _)| *job == row.id) {
        return hold_reason(now_of, row, record, *hold);
    }
    if now_of
        .plan
        .launch
        .iter()
        .any(|start| start.job == Some(row.id))
    {
        // What only scaler can know it has written down.
        if let Some(hold) = row.hold.filter(|hold| matches!(hold, HoldReason::NoAnswer)) {
            return hold_reason(now_of, row, record, hold);
        }
        let waits = WaitReason::new(
            WaitKind::NextPlan,
            "scaler is about to start a runner for it",
        );
        let late = now.since(
            row.queued_at
                .max(record.map_or(row.queued_at, |record| record.received_at)),
        ) > PLANNED_RECENTLY;
        return if late {
            waits.helped("scaler runs at least once a minute, so this is late: see the log of the function scaler")
        } else {
            waits
        };
    }
    covered(now_of, row, now)
}

/// A runner is on its way: the one that holds it in reserve, that was started for it, or any.
fn covered(now_of: &PoolStatus, row: &WaitingJob, now: Timestamp) -> WaitReason {
    let holder = row
        .runner
        .as_ref()
        .and_then(|holder| now_of.runner(holder))
        .filter(|holder| !reservation_is_void(row, Some(holder)));
    let own = |runner: &&Runner| {
        runner.intended == Some(row.id) && runner.state.unregistered() && runner.stop.is_none()
    };
    let Some(runner) = holder.or_else(|| now_of.look.runners.iter().find(own)) else {
        let coming = now_of
            .look
            .runners
            .iter()
            .filter(|runner| runner.work.is_none() && runner.stop.is_none())
            .count();
        let which = if coming == 1 {
            "the runner that is starting".to_owned()
        } else {
            format!("one of {coming} runners that are starting")
        };
        return WaitReason::new(
            WaitKind::Runner,
            format!("{which} in pool {} can take it", now_of.pool.name),
        );
    };
    let (phase, since) = RunnerPhase::of(runner);
    let waits = WaitReason::new(
        WaitKind::Runner,
        format!("its runner {} {}", runner.id, phase.in_words(since, now)),
    );
    let waits = WaitReason {
        runner: Some(runner.id.clone()),
        ..waits
    };
    match phase {
        RunnerPhase::Registered if now.since(since) > timeouts::TICK => {
            waits.helped("GitHub usually assigns a job within seconds: check that the runner group admits the repository, and that the runner's version is still allowed")
        }
        RunnerPhase::Requested | RunnerPhase::Launched | RunnerPhase::Pulling | RunnerPhase::Starting if now.since(runner.requested_at) > timeouts::TICK * 3 => {
            waits.helped(format!("45 to 75 s are usual; after {} min the start counts as failed", timeouts::START_TIMEOUT.as_secs() / 60))
        }
        _ => waits,
    }
}

/// No runner is started for it, and why.
fn hold_reason(
    now_of: &PoolStatus,
    row: &WaitingJob,
    record: Option<&JobRecord>,
    hold: HoldReason,
) -> WaitReason {
    let health = now_of.look.health.of_with(&row.size, &now_of.look.runners);
    let because = hold.in_words(&now_of.pool.name, row.installation, health.reason.as_ref());
    let waits = |waits_for| WaitReason {
        ahead: Some(ahead(now_of, row)),
        ..WaitReason::new(waits_for, because.clone())
    };
    match hold {
        HoldReason::Job => own_wait(row, record),
        HoldReason::PoolMax(0) => {
            waits(WaitKind::Paused).helped("raise max in the pools file (mayfly apply); until then only runners that started before can take it")
        }
        HoldReason::PoolMax(_) => {
            let live = match now_of.look.runners.len() {
                1 => "its runner".to_owned(),
                count => format!("one of its {}", counted(count, "runner")),
            };
            waits(WaitKind::PoolMax).helped(format!("wait for {live} to end, or raise max in the pools file (mayfly apply)"))
        }
        HoldReason::RepositoryMax(_) => {
            waits(WaitKind::RepositoryMax).helped("wait for another job of its repository to end, or raise max_per_repository")
        }
        HoldReason::GithubLimit(until) => waits(WaitKind::GithubLimit).until(until).helped("it then continues by itself"),
        HoldReason::FailedStarts(at) => waits(WaitKind::FailedStarts).until(at).helped(health.advice()),
        HoldReason::Unverified(_) => {
            let waits = waits(WaitKind::Trial);
            if health.failures > 0 { waits.helped(health.advice()) } else { waits }
        }
        HoldReason::NotAssigned(at) => waits(WaitKind::NotAssigned).until(at).helped(assignment::ADVICE),
        HoldReason::Refused(at) => waits(WaitKind::Refused).until(at).helped(
            "mayfly explain of the job that is tried shows why: is the App still installed on the repository, with its permissions? Is the repository archived or deleted?",
        ),
        HoldReason::NoAnswer => waits(WaitKind::Ecs)
            .helped("ECS is asked again within a minute; if this lasts, check its status in this region (health.aws.amazon.com)"),
        HoldReason::ThisRun => waits(WaitKind::NextPlan),
    }
}

/// Jobs of the pool without a runner that come before it.
fn ahead(now_of: &PoolStatus, row: &WaitingJob) -> usize {
    let uncovered = now_of
        .plan
        .holds
        .iter()
        .map(|(job, _)| *job)
        .chain(now_of.plan.launch.iter().filter_map(|start| start.job));
    let ranks = uncovered
        .filter_map(|job| now_of.look.jobs.iter().find(|other| other.id == job))
        .map(WaitingJob::rank);
    ranks.filter(|rank| *rank < row.rank()).count()
}

/// It must not be served yet, for its own sake: its record says why.
fn own_wait(row: &WaitingJob, record: Option<&JobRecord>) -> WaitReason {
    let reason = record
        .and_then(|record| record.reason.as_ref())
        .map(ToString::to_string);
    if row.needs_check {
        return WaitReason::new(
            WaitKind::Answer,
            reason.unwrap_or_else(|| {
                "Mayfly asks GitHub whether it still waits before it starts a runner".to_owned()
            }),
        )
        .helped("that takes a minute; GitHub's answers lag by two minutes");
    }
    let waits = WaitReason::new(
        WaitKind::OwnTry,
        reason.unwrap_or_else(|| "it waits for its next try".to_owned()),
    );
    let waits = match row.not_before {
        Some(at) => waits.until(at),
        None => waits,
    };
    if row.attempts == 0 {
        return waits;
    }
    waits.helped("fix that, then run mayfly retry")
}
