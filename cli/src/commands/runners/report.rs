//! The runners of a list: what is known of each, from the ledger.

use clap::ValueEnum;
use mayfly_domain::model::id::{JobId, PoolName, RunnerId};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::target::TargetScope;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use crate::deployment::killed::Killed;
use crate::deployment::pool_status;
use crate::deployment::runner_phase::RunnerPhase;
use crate::terminal::time_format::Rfc3339;
use mayfly_reports::jobs::MOST_CLOSED;

/// States to list by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Not alive yet.
    Starting,
    /// Alive, with nothing to do.
    Idle,
    /// Registered or about to be, without a job.
    Registered,
    /// At work.
    Busy,
    /// About to end.
    Ending,
    /// Gone.
    Closed,
}

impl State {
    fn has(self, line: &Line) -> bool {
        match line.phase {
            None => self == Self::Closed,
            Some(
                RunnerPhase::Requested
                | RunnerPhase::Launched
                | RunnerPhase::Pulling
                | RunnerPhase::Starting,
            ) => self == Self::Starting,
            Some(RunnerPhase::Idle) => self == Self::Idle,
            Some(RunnerPhase::Registering | RunnerPhase::Registered) => self == Self::Registered,
            Some(RunnerPhase::Busy) => self == Self::Busy,
            Some(RunnerPhase::Ending) => self == Self::Ending,
        }
    }
}

/// Which runners to list, as the ledger is asked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this pool.
    pub pool: Option<PoolName>,
    /// For repositories like this.
    pub repository: Option<RepositoryPattern>,
    /// In this state.
    pub state: Option<State>,
    /// Ended ones since then; none: only open ones.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// One runner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Its id.
    pub runner: RunnerId,
    /// Its pool.
    pub pool: PoolName,
    /// How far it is; none if it is closed.
    pub phase: Option<RunnerPhase>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What killed it, if it had a job that was not over.
    pub killed: Option<Killed>,
    /// How large it is.
    pub size: Size,
    /// Its name at GitHub, once it asked for a registration.
    pub name: Option<String>,
    /// Where it is registered: a repository, or an organization.
    pub place: Option<String>,
    /// The job it works on, or worked on.
    pub job: Option<JobId>,
    /// The job it was started for; none for the idle floor.
    pub intended: Option<JobId>,
    /// When it was decided on.
    pub requested_at: Rfc3339,
    /// Since when it is where it is.
    pub since: Rfc3339,
    /// Its task.
    pub task: Option<String>,
    /// What it cost, in billionths of a dollar.
    pub cost_nanodollars: Option<NanoDollars>,
    /// Why that is not known of one that is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cost: Option<String>,
    /// Why it ended so, or is to end.
    pub reason: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunnersReport {
    /// When it was read.
    pub at: Rfc3339,
    /// Ended runners since then are in it.
    pub since: Option<Rfc3339>,
    /// The runners, newest last.
    pub runners: Vec<Line>,
    /// There are more than are listed.
    pub more: bool,
}

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    filter: &Filter,
    now: Timestamp,
) -> Result<RunnersReport, LedgerError> {
    let mut runners = Vec::new();
    let mut more = false;
    if filter.state != Some(State::Closed) {
        let all = pool_status::read(ledger, pools, now).await?;
        runners.extend(all.into_iter().flat_map(|pool| pool.look.runners));
    }
    if let Some(since) = filter
        .since
        .filter(|_| filter.state.is_none_or(|state| state == State::Closed))
    {
        let closed = ledger
            .closed(
                TimeRange {
                    from: since,
                    to: now,
                },
                Order::NewestFirst,
                MOST_CLOSED,
                now,
            )
            .await?;
        more |= closed.cut_at.is_some();
        // One that closed while this was read is shown once, as ended.
        runners.retain(|open| !closed.runners.iter().any(|one| one.id == open.id));
        runners.extend(closed.runners);
    }
    let mut lines: Vec<Line> = runners
        .iter()
        .map(line)
        .filter(|line| filter.takes(line))
        .collect();
    lines.sort_by(|one, other| one.runner.cmp(&other.runner));
    more |= lines.len() > filter.limit;
    let lines = lines.split_off(lines.len().saturating_sub(filter.limit));
    Ok(RunnersReport {
        at: Rfc3339(now),
        since: filter.since.map(Rfc3339),
        runners: lines,
        more,
    })
}

impl Filter {
    fn takes(&self, line: &Line) -> bool {
        // A runner of an organization is listed under its organization: it may serve any repository
        // there.
        let place = |pattern: &RepositoryPattern| {
            line.place
                .as_ref()
                .is_some_and(|place| match place.split_once('/') {
                    Some(_) => pattern.matches(place),
                    None => pattern
                        .0
                        .split('/')
                        .next()
                        .is_some_and(|owner| owner.eq_ignore_ascii_case(place)),
                })
        };
        self.pool.as_ref().is_none_or(|pool| line.pool == *pool)
            && self.repository.as_ref().is_none_or(place)
            && self.state.is_none_or(|state| state.has(line))
    }
}

fn line(runner: &Runner) -> Line {
    let (phase, since) = RunnerPhase::of(runner);
    let place = runner.target.as_ref().map(|target| match &target.scope {
        TargetScope::Repository { name, .. } => name.clone(),
        TargetScope::Organization { login, .. } => login.clone(),
    });
    Line {
        runner: runner.id.clone(),
        pool: runner.pool.clone(),
        phase: runner.closed_at.is_none().then_some(phase),
        outcome: runner.outcome,
        killed: Killed::of(runner),
        size: runner.size,
        name: (runner.registration_attempt > 0).then(|| runner.name().to_string()),
        place,
        job: runner.work.as_ref().and_then(|work| work.job),
        intended: runner.intended,
        requested_at: Rfc3339(runner.requested_at),
        since: Rfc3339(runner.closed_at.unwrap_or(since)),
        task: runner.arn.as_ref().map(ToString::to_string),
        cost_nanodollars: runner.cost,
        no_cost: runner.no_cost().map(|why| why.to_string()),
        reason: runner
            .reason
            .as_ref()
            .or(runner.stop.as_ref().map(|stop| &stop.reason))
            .map(ToString::to_string),
    }
}
