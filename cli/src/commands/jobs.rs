//! `mayfly jobs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use mayfly_domain::model::id::{JobId, PoolName, RunnerId};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::price::MicroDollars;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_ledger::history::Order;
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use super::jobs_table;
use crate::arguments::Global;
use crate::deployment::{connect, ledger_refused};
use crate::failure::{Exit, Failure};
use crate::killed::Killed;
use crate::pool_status::{self, PoolStatus};
use crate::screen::Screen;
use crate::time_format::{Rfc3339, duration, duration_text, seconds};
use crate::wait_reason::wait_reason;

/// Most closed records that one answer is made of: some ten reads of 1 MB.
pub(crate) const MOST_CLOSED: usize = 5_000;

/// Most open jobs that are looked up one by one.
const MOST_OPEN: usize = 1_000;

/// Which jobs to list.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lists open jobs and recently ended ones, the newest last. Jobs that no pool takes are listed if they seem meant for one.

Examples:
  mayfly jobs
  mayfly jobs --repository 'acme/*' --state queued
  mayfly jobs --since 24h --json | jq '[.jobs[].cost_microdollars // 0] | add / 1e6'")]
pub struct Jobs {
    /// Only of this repository; * stands for any characters within one part
    #[arg(long, value_name = "OWNER/NAME", value_parser = pattern, value_hint = ValueHint::Other)]
    repository: Option<RepositoryPattern>,
    /// Only of this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only in this state
    #[arg(long)]
    state: Option<State>,
    /// Include jobs that ended within this time (records are kept for 14 days)
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h", value_hint = ValueHint::Other)]
    since: Duration,
    /// Show at most N, the newest [default: 200; with --json all]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    limit: Option<usize>,
}

/// Most lines of a list for people, unless asked otherwise.
const SHOWN: usize = 200;

/// How many lines a list may have: as many as were asked for; else what people can read, and for
/// programs all.
pub(crate) fn limit(asked: Option<usize>, screen: &Screen) -> usize {
    asked.unwrap_or(if screen.json() { usize::MAX } else { SHOWN })
}

/// Says that records do not reach back as far as was asked.
pub(crate) fn reaches_back(since: Duration, screen: &Screen) {
    if since > timeouts::KEEP_RECORDS {
        screen.say(format_args!(
            "records reach back {} days: older ones are gone",
            timeouts::KEEP_RECORDS.as_secs() / 86_400
        ));
    }
}

/// Says so if there is no pool of this name: neither in force nor in the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub(crate) async fn no_such_pool<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    named: Option<&PoolName>,
) -> Result<Option<String>, LedgerError> {
    let Some(named) = named else { return Ok(None) };
    let known = pool_status::known(ledger, pools).await?;
    if known.contains_key(named) {
        return Ok(None);
    }
    let names: Vec<&str> = known.keys().map(PoolName::as_str).collect();
    Ok(Some(if names.is_empty() {
        format!("there is no pool {named}: there are none")
    } else {
        format!("there is no pool {named}: there are {}", names.join(", "))
    }))
}

/// Reads `owner/name`, either part with `*`.
pub(crate) fn pattern(text: &str) -> Result<RepositoryPattern, String> {
    let parts = text
        .split_once('/')
        .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    parts
        .map(|_| RepositoryPattern(text.to_owned()))
        .ok_or_else(|| "write it as owner/name, or owner/*".to_owned())
}

/// Reads a pool's name.
pub(crate) fn pool(text: &str) -> Result<PoolName, String> {
    text.parse()
        .map_err(|error: mayfly_domain::model::id::InvalidName| error.problem.to_owned())
}

/// States to list by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Not over.
    Open,
    /// No pool takes it.
    Unplaced,
    /// GitHub holds it back.
    Blocked,
    /// It waits for a runner.
    Queued,
    /// A runner works on it.
    Running,
    /// It is over.
    Closed,
}

impl State {
    /// True for a job in this state.
    #[must_use]
    pub fn has(self, state: JobState) -> bool {
        match self {
            Self::Open => state != JobState::Closed,
            Self::Unplaced => state == JobState::Unplaced,
            Self::Blocked => state == JobState::Blocked,
            Self::Queued => state == JobState::Queued,
            Self::Running => state == JobState::Running,
            Self::Closed => state == JobState::Closed,
        }
    }
}

/// Which jobs to list, as the ledger is asked.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of repositories like this.
    pub repository: Option<RepositoryPattern>,
    /// Of this pool.
    pub pool: Option<PoolName>,
    /// In this state.
    pub state: Option<State>,
    /// Closed ones since then.
    pub since: Timestamp,
    /// At most so many.
    pub limit: usize,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// GitHub's id of it.
    pub job: JobId,
    /// Its run.
    pub run: i64,
    /// The run's attempt.
    pub attempt: u32,
    /// Its name in the workflow.
    pub name: String,
    /// Its repository.
    pub repository: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// Its pool.
    pub pool: Option<PoolName>,
    /// Where it is.
    pub state: JobState,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Since when it waits, or waited.
    pub queued_at: Rfc3339,
    /// When a runner began it.
    pub running_at: Option<Rfc3339>,
    /// When it was over.
    pub closed_at: Option<Rfc3339>,
    /// How long it waited, until now if it does.
    pub waited_seconds: f64,
    /// How long it ran, until now if it does.
    pub ran_seconds: Option<f64>,
    /// The name of its runner.
    pub runner_name: Option<String>,
    /// What its runner cost, in millionths of a dollar at us-east-1's list prices; known once the
    /// runner is gone.
    pub cost_microdollars: Option<MicroDollars>,
    /// Why it waits, or is where it is.
    pub because: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// When it was read.
    pub at: Rfc3339,
    /// Closed jobs since then are in it.
    pub since: Rfc3339,
    /// The jobs, newest last.
    pub jobs: Vec<Line>,
    /// There are more than are listed.
    pub more: bool,
}

impl Jobs {
    /// Lists jobs.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        crate::wait_for(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            let filter = Filter {
                repository: self.repository.clone(),
                pool: self.pool.clone(),
                state: self.state,
                since: now.minus(self.since),
                limit: limit(self.limit, screen),
            };
            reaches_back(self.since, screen);
            let ledger = connected.ledger();
            let failed = |error: LedgerError| ledger_refused("read the jobs", &error);
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
            let text = (!answer.jobs.is_empty()).then(|| jobs_table::text(&answer, screen.width()));
            screen.print_list(&answer, text, (&self.none(), answer.more))?;
            Ok(Exit::Done)
        })
    }

    /// What an empty list means.
    fn none(&self) -> String {
        let such = if self.repository.is_some() || self.pool.is_some() || self.state.is_some() {
            "such jobs"
        } else {
            "jobs"
        };
        match self.state {
            Some(state) if state != State::Closed => format!("no {such} now"),
            _ => format!("no {such} in the last {}", duration_text(self.since)),
        }
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
    let mut found: BTreeMap<JobId, Line> = BTreeMap::new();
    let mut more = false;
    let wanted = |state: State| {
        filter
            .state
            .is_none_or(|asked| asked == state || (asked == State::Open && state != State::Closed))
    };
    if filter.state != Some(State::Closed) {
        let all = pool_status::read(ledger, pools, now).await?;
        let (mut open, whole) = open_jobs(
            ledger,
            &all,
            wanted(State::Unplaced) || wanted(State::Blocked) || wanted(State::Running),
        )
        .await?;
        more |= !whole || open.len() > MOST_OPEN;
        while open.len() > MOST_OPEN {
            open.pop_first();
        }
        for (job, record) in pool_status::records(ledger, open).await? {
            // One that closed since is told by the index, or by the next look.
            if record.state != JobState::Closed {
                found.insert(job, line(&record, why(&all, &record, now), None, now));
            }
        }
    }
    if wanted(State::Closed) {
        let closed = ledger
            .closed((filter.since, now), Order::NewestFirst, MOST_CLOSED, now)
            .await?;
        more |= closed.cut_at.is_some();
        let runners: BTreeMap<&RunnerId, &Runner> = closed
            .runners
            .iter()
            .map(|runner| (&runner.id, runner))
            .collect();
        let ran_on = |record: &JobRecord| {
            record
                .runner
                .as_ref()
                .and_then(|runner| runners.get(runner))
                .copied()
        };
        for record in &closed.jobs {
            let runner = ran_on(record);
            let because = runner
                .and_then(|runner| fate(record.conclusion.as_deref(), runner))
                .or_else(|| record.reason.as_ref().map(ToString::to_string));
            found.insert(
                record.id,
                line(record, because, runner.and_then(|runner| runner.cost), now),
            );
        }
    }
    let mut jobs: Vec<Line> = found
        .into_values()
        .filter(|line| filter.takes(line))
        .collect();
    jobs.sort_by_key(|line| (line.queued_at, line.job));
    more |= jobs.len() > filter.limit;
    let jobs = jobs.split_off(jobs.len().saturating_sub(filter.limit));
    Ok(Answer {
        at: Rfc3339(now),
        since: Rfc3339(filter.since),
        jobs,
        more,
    })
}

impl Filter {
    fn takes(&self, line: &Line) -> bool {
        self.repository
            .as_ref()
            .is_none_or(|pattern| pattern.matches(&line.repository))
            && self
                .pool
                .as_ref()
                .is_none_or(|pool| line.pool.as_ref() == Some(pool))
            && self.state.is_none_or(|state| state.has(line.state))
    }
}

/// Ids of jobs that are not over: those that wait, those that a runner of ours works on, and those
/// that sweeper has a follow-up about, since neither leads to them. `false`: there are more
/// follow-ups than were read.
async fn open_jobs<S: Store>(
    ledger: &Ledger<S>,
    all: &[PoolStatus],
    follow_ups: bool,
) -> Result<(BTreeSet<JobId>, bool), LedgerError> {
    let waiting = all
        .iter()
        .flat_map(|pool| &pool.look.jobs)
        .map(|job| job.id);
    let at_work = |runner: &Runner| runner.work.as_ref()?.job;
    let running = all
        .iter()
        .flat_map(|pool| &pool.look.runners)
        .filter_map(at_work);
    let mut open: BTreeSet<JobId> = waiting.chain(running).collect();
    if !follow_ups {
        return Ok((open, true));
    }
    let (follow_ups, whole) = pool_status::outbox_entries(ledger).await?;
    open.extend(
        follow_ups
            .iter()
            .filter_map(|open| pool_status::job_of(&open.follow_up)),
    );
    Ok((open, whole))
}

/// What killed the runner of a job that did not succeed.
fn fate(conclusion: Option<&str>, runner: &Runner) -> Option<String> {
    Killed::of(runner)
        .filter(|_| conclusion != Some("success"))
        .map(|killed| killed.in_words(runner))
}

/// Why a job is where it is: of one that waits, what scaler would say now.
fn why(all: &[PoolStatus], record: &JobRecord, now: Timestamp) -> Option<String> {
    let pool = all
        .iter()
        .find(|pool| Some(&pool.pool.name) == record.pool.as_ref());
    let row =
        pool.and_then(|pool| Some((pool, pool.look.jobs.iter().find(|row| row.id == record.id)?)));
    match row {
        Some((pool, row)) if record.state == JobState::Queued => {
            Some(wait_reason(pool, row, Some(record), now).because)
        }
        _ => record.reason.as_ref().map(ToString::to_string),
    }
}

fn line(
    record: &JobRecord,
    because: Option<String>,
    cost: Option<MicroDollars>,
    now: Timestamp,
) -> Line {
    let until = record.closed_at.unwrap_or(now);
    Line {
        job: record.id,
        run: record.run.0,
        attempt: record.attempt,
        name: record.name.clone(),
        repository: record.repository.name.clone(),
        labels: record.labels.iter().map(str::to_owned).collect(),
        pool: record.pool.clone(),
        state: record.state,
        conclusion: record.conclusion.clone(),
        queued_at: Rfc3339(record.queued_at),
        running_at: record.running_at.map(Rfc3339),
        closed_at: record.closed_at.map(Rfc3339),
        waited_seconds: seconds(record.running_at.unwrap_or(until).since(record.queued_at)),
        ran_seconds: record.running_at.map(|since| seconds(until.since(since))),
        runner_name: record.runner_name.clone(),
        cost_microdollars: cost,
        because,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Color;

    /// Sums of an answer in JSON are wrong if something is missing from it.
    #[test]
    fn programs_get_all_and_people_what_they_can_read_unless_they_say_how_many() {
        for (asked, json, lines) in [
            (None, true, usize::MAX),
            (None, false, SHOWN),
            (Some(5), true, 5),
            (Some(1_000), false, 1_000),
        ] {
            assert_eq!(
                limit(asked, &Screen::new(Color::Never, json)),
                lines,
                "{asked:?}, JSON {json}"
            );
        }
    }
}
