//! `mayfly runners`.

use std::time::Duration;

use anstyle::Style;
use clap::{Args, ValueEnum, ValueHint};
use mayfly_domain::model::id::{JobId, PoolName, RunnerId};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::price::MicroDollars;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::target::TargetScope;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::Order;
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use super::jobs::{MOST_CLOSED, limit, no_such_pool, pattern, pool, reaches_back};
use crate::arguments::Global;
use crate::deployment::{connect, ledger_refused};
use crate::failure::{Exit, Failure};
use crate::killed::Killed;
use crate::pool_status;
use crate::runner_phase::RunnerPhase;
use crate::screen::{BAD, CAUTION, FAINT, GOOD, STRONG, Screen};
use crate::table::{Cell, Column, Table};
use crate::text_format::dollars;
use crate::time_format::{Rfc3339, age, duration, duration_text};

/// Which runners to list.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lists open runners, and with --since those that ended within this time, the newest last.

Examples:
  mayfly runners
  mayfly runners --pool linux --state busy
  mayfly runners --since 1h --json | jq '.runners[] | select(.outcome == \"failed_start\") | .reason'")]
pub struct Runners {
    /// Only of this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only for this repository; * stands for any characters within one part
    #[arg(long, value_name = "OWNER/NAME", value_parser = pattern, value_hint = ValueHint::Other)]
    repository: Option<RepositoryPattern>,
    /// Only in this state
    #[arg(long)]
    state: Option<State>,
    /// Include runners that ended within this time (records are kept for 14 days)
    #[arg(long, value_name = "DURATION", value_parser = duration, value_hint = ValueHint::Other)]
    since: Option<Duration>,
    /// Show at most N, the newest [default: 200; with --json all]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    limit: Option<usize>,
}

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
    /// What it cost, in millionths of a dollar at us-east-1's list prices.
    pub cost_microdollars: Option<MicroDollars>,
    /// Why it ended so, or is to end.
    pub reason: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// When it was read.
    pub at: Rfc3339,
    /// Ended runners since then are in it.
    pub since: Option<Rfc3339>,
    /// The runners, newest last.
    pub runners: Vec<Line>,
    /// There are more than are listed.
    pub more: bool,
}

impl Runners {
    /// Lists runners.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        crate::wait_for(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            let since = self
                .since
                .or((self.state == Some(State::Closed)).then_some(Duration::from_secs(60 * 60)));
            let filter = Filter {
                pool: self.pool.clone(),
                repository: self.repository.clone(),
                state: self.state,
                since: since.map(|since| now.minus(since)),
                limit: limit(self.limit, screen),
            };
            since
                .into_iter()
                .for_each(|since| reaches_back(since, screen));
            let ledger = connected.ledger();
            let failed = |error: LedgerError| ledger_refused("read the runners", &error);
            if let Some(problem) = no_such_pool(&ledger, pools.as_deref(), self.pool.as_ref())
                .await
                .map_err(failed)?
            {
                screen.say(problem);
                return Ok(Exit::Nothing);
            }
            let answer = gather(&ledger, pools.as_deref(), &filter, now)
                .await
                .map_err(failed)?;
            let text = (!answer.runners.is_empty()).then(|| text(&answer, screen.width()));
            let such = if self.repository.is_some() || self.pool.is_some() || self.state.is_some() {
                "such runners"
            } else {
                "runners"
            };
            let none = since.map_or_else(
                || format!("no {such} now"),
                |since| format!("no {such} now or in the last {}", duration_text(since)),
            );
            screen.print_list(&answer, text, (&none, answer.more))?;
            Ok(Exit::Done)
        })
    }
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
) -> Result<Answer, LedgerError> {
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
            .closed((since, now), Order::NewestFirst, MOST_CLOSED, now)
            .await?;
        more |= closed.cut_at.is_some();
        // One that closed while this was read is told once, as it ended.
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
    Ok(Answer {
        at: Rfc3339(now),
        since: filter.since.map(Rfc3339),
        runners: lines,
        more,
    })
}

impl Filter {
    fn takes(&self, line: &Line) -> bool {
        // A runner of an organization is told by its organization: it may serve any repository
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
        cost_microdollars: runner.cost,
        reason: runner
            .reason
            .as_ref()
            .or(runner.stop.as_ref().map(|stop| &stop.reason))
            .map(ToString::to_string),
    }
}

/// The runners, a line each. `room`: the terminal's width.
#[must_use]
pub fn text(answer: &Answer, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("RUNNER").cuts_middle(15),
        Column::new("POOL").cuts(6),
        Column::new("STATE"),
        Column::new("FOR"),
        Column::new("PLACE").cuts_front(8).hides(3),
        Column::new("JOB"),
        Column::new("AGE").hides(2),
        Column::new("COST").hides(1),
        Column::new("WHY").cuts(16),
    ]);
    for line in &answer.runners {
        let (state, style) = state(line);
        table.row([
            line.runner.to_string().into(),
            line.pool.to_string().into(),
            Cell::new(state).styled(style),
            Cell::number(age(answer.at.0, line.since.0)),
            line.place.clone().into(),
            line.job.map(|job| job.to_string()).into(),
            Cell::number(age(answer.at.0, line.requested_at.0)),
            Cell::number(line.cost_microdollars.map(dollars).unwrap_or_default()),
            line.reason.clone().into(),
        ]);
    }
    table.fitted(room)
}

/// A runner's state in a word, and how it is shown.
fn state(line: &Line) -> (&'static str, Style) {
    match (line.phase, line.outcome) {
        (Some(phase @ RunnerPhase::Busy), _) => (phase.word(), STRONG),
        (Some(phase @ RunnerPhase::Ending), _) => (phase.word(), FAINT),
        (Some(phase), _) => (phase.word(), Style::new()),
        (None, outcome) => match &line.killed {
            Some(killed) => killed_in_a_word(killed),
            None => outcome.map_or(("closed", FAINT), outcome_in_a_word),
        },
    }
}

/// What killed a runner, and how that is shown.
#[must_use]
pub fn killed_in_a_word(killed: &Killed) -> (&'static str, Style) {
    let style = if matches!(killed, Killed::Spot | Killed::Forced { .. }) {
        CAUTION
    } else {
        BAD
    };
    (killed.word(), style)
}

/// How a runner ended, and how that is shown.
#[must_use]
pub fn outcome_in_a_word(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ran => ("ran", GOOD),
        Outcome::Surplus => ("surplus", FAINT),
        Outcome::FailedStart => ("failed_start", BAD),
        Outcome::Refused => ("refused", BAD),
        Outcome::NeverAssigned => ("not_assigned", CAUTION),
        Outcome::Unknown => ("lost", BAD),
    }
}
