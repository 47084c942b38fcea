//! What a waiting job waits for, and what would help: from what scaler would see and do.

use mayfly_domain::model::assignment;
use mayfly_domain::model::held::Held;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::times;
use mayfly_domain::transitions::registration::void;
use serde::Serialize;

use crate::moment::When;
use crate::pools_now::PoolNow;
use crate::stage::Stage;
use crate::words::counted;

/// What kind of thing a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum For {
    /// A runner that is on its way.
    Runner,
    /// Scaler's next look.
    Look,
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
    NothingGiven,
    /// GitHub refuses runners for its repository; the next try.
    Refused,
    /// ECS.
    Ecs,
    /// Its own next try.
    OwnTry,
    /// GitHub's answer about it.
    Answer,
    /// Its pool is gone: to be matched anew.
    Pool,
    /// GitHub holds it back.
    Gate,
    /// No pool takes it.
    NoPool,
}

/// What a job waits for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waits {
    /// What kind of thing.
    pub waits_for: For,
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
    pub next_try_at: Option<When>,
    /// The runner that is on its way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
}

impl Waits {
    /// For this, for this reason.
    #[must_use]
    pub fn new(waits_for: For, because: impl Into<String>) -> Self {
        Self { waits_for, because: because.into(), help: None, ahead: None, next_try_at: None, runner: None }
    }

    /// With what would help.
    #[must_use]
    pub fn helped(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn until(self, at: Timestamp) -> Self {
        Self { next_try_at: Some(When(at)), ..self }
    }
}

/// After this time scaler has looked, if it is alive: a tick, and a minute for the tick to come.
const LOOKED: std::time::Duration = times::TICK.saturating_mul(2);

/// What a waiting job of a pool waits for.
#[must_use]
pub fn waits(now_of: &PoolNow, row: &WaitingJob, record: Option<&JobRecord>, now: Timestamp) -> Waits {
    if now_of.gone {
        let why = format!("pool {} was removed; the job is being re-matched", now_of.pool.name);
        return Waits::new(For::Pool, why).helped("that takes up to a minute; mayfly pools shows the pools in force");
    }
    if let Some((_, held)) = now_of.plan.held.iter().find(|(job, _)| *job == row.id) {
        return held_back(now_of, row, record, *held);
    }
    if now_of.plan.launch.iter().any(|start| start.job == Some(row.id)) {
        // What only scaler can know it has written down.
        if let Some(held) = row.held.filter(|held| matches!(held, Held::NoAnswer)) {
            return held_back(now_of, row, record, held);
        }
        let waits = Waits::new(For::Look, "scaler is about to start a runner for it");
        let late = now.since(row.queued_at.max(record.map_or(row.queued_at, |record| record.received_at))) > LOOKED;
        return if late {
            waits.helped("scaler runs at least once a minute, so this is late: see the log of the function scaler")
        } else {
            waits
        };
    }
    covered(now_of, row, now)
}

/// A runner is on its way: the one that holds it in reserve, that was started for it, or any.
fn covered(now_of: &PoolNow, row: &WaitingJob, now: Timestamp) -> Waits {
    let holder = row.runner.as_ref().and_then(|holder| now_of.runner(holder)).filter(|holder| !void(row, Some(holder)));
    let own = |runner: &&Runner| runner.intended == Some(row.id) && runner.state.unregistered() && runner.stop.is_none();
    let Some(runner) = holder.or_else(|| now_of.look.runners.iter().find(own)) else {
        let coming = now_of.look.runners.iter().filter(|runner| runner.work.is_none() && runner.stop.is_none()).count();
        let which =
            if coming == 1 { "the runner that is starting".to_owned() } else { format!("one of {coming} runners that are starting") };
        return Waits::new(For::Runner, format!("{which} in pool {} can take it", now_of.pool.name));
    };
    let (stage, since) = Stage::of(runner);
    let waits = Waits::new(For::Runner, format!("its runner {} {}", runner.id, stage.in_words(since, now)));
    let waits = Waits { runner: Some(runner.id.clone()), ..waits };
    match stage {
        Stage::Registered if now.since(since) > times::TICK => {
            waits.helped("GitHub usually assigns a job within seconds: check that the runner group admits the repository, and that the runner's version is still allowed")
        }
        Stage::Requested | Stage::Launched | Stage::Pulling | Stage::Starting if now.since(runner.requested_at) > times::TICK * 3 => {
            waits.helped(format!("45 to 75 s are usual; after {} min the start counts as failed", times::START_TIMEOUT.as_secs() / 60))
        }
        _ => waits,
    }
}

/// No runner is started for it, and why.
fn held_back(now_of: &PoolNow, row: &WaitingJob, record: Option<&JobRecord>, held: Held) -> Waits {
    let health = now_of.look.health.of_with(&row.size, &now_of.look.runners);
    let because = held.in_words(&now_of.pool.name, row.installation, health.reason.as_ref());
    let waits = |waits_for| Waits { ahead: Some(ahead(now_of, row)), ..Waits::new(waits_for, because.clone()) };
    match held {
        Held::Job => own_wait(row, record),
        Held::PoolMax(0) => {
            waits(For::Paused).helped("raise max in the pools file (mayfly apply); until then only runners that started before can take it")
        }
        Held::PoolMax(_) => {
            let live = match now_of.look.runners.len() {
                1 => "its runner".to_owned(),
                count => format!("one of its {}", counted(count, "runner")),
            };
            waits(For::PoolMax).helped(format!("wait for {live} to end, or raise max in the pools file (mayfly apply)"))
        }
        Held::RepositoryMax(_) => {
            waits(For::RepositoryMax).helped("wait for another job of its repository to end, or raise max_per_repository")
        }
        Held::GithubLimit(until) => waits(For::GithubLimit).until(until).helped("it continues then; you need not do anything"),
        Held::FailedStarts(at) => waits(For::FailedStarts).until(at).helped(health.advice()),
        Held::Unproven(_) => {
            let waits = waits(For::Trial);
            if health.failures > 0 { waits.helped(health.advice()) } else { waits }
        }
        Held::NothingGiven(at) => waits(For::NothingGiven).until(at).helped(assignment::ADVICE),
        Held::Refused(at) => waits(For::Refused).until(at).helped(
            "mayfly explain of the job that is tried says why: is the App still installed on the repository, and with its permissions? Is it archived, or gone?",
        ),
        Held::NoAnswer => waits(For::Ecs)
            .helped("ECS is asked again within a minute; if this lasts, check its status in this region (health.aws.amazon.com)"),
        Held::ThisRun => waits(For::Look),
    }
}

/// Jobs of the pool without a runner that come before it.
fn ahead(now_of: &PoolNow, row: &WaitingJob) -> usize {
    let uncovered = now_of.plan.held.iter().map(|(job, _)| *job).chain(now_of.plan.launch.iter().filter_map(|start| start.job));
    let ranks = uncovered.filter_map(|job| now_of.look.jobs.iter().find(|other| other.id == job)).map(WaitingJob::rank);
    ranks.filter(|rank| *rank < row.rank()).count()
}

/// It must not be served yet, for its own sake: its record says why.
fn own_wait(row: &WaitingJob, record: Option<&JobRecord>) -> Waits {
    let reason = record.and_then(|record| record.reason.as_ref()).map(ToString::to_string);
    if row.ask {
        return Waits::new(
            For::Answer,
            reason.unwrap_or_else(|| "Mayfly asks GitHub whether it still waits before it starts a runner".to_owned()),
        )
        .helped("that takes a minute, and GitHub's answers lag two minutes behind");
    }
    let waits = Waits::new(For::OwnTry, reason.unwrap_or_else(|| "it waits for its next try".to_owned()));
    let waits = match row.not_before {
        Some(at) => waits.until(at),
        None => waits,
    };
    if row.attempts == 0 {
        return waits;
    }
    waits.helped("fix that, then run mayfly retry")
}
