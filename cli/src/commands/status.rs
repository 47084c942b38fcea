//! `mayfly status`.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use mayfly_domain::errand::Open;
use mayfly_domain::id::{InstallationId, JobId, PoolName, RunnerId};
use mayfly_domain::pool::Pools;
use mayfly_domain::redelivery::Reading;
use mayfly_domain::runner::{Outcome, Runner, RunnerState};
use mayfly_domain::time::Timestamp;
use mayfly_domain::times;
use mayfly_ledger::history::Order;
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use super::status_text::text;
use crate::arguments::Global;
use crate::deployment::{connect, ledger_refused};
use crate::failure::{Exit, Failure};
use crate::moment::When;
use crate::pools_now::{self, PoolNow};
use crate::screen::Screen;
use crate::starts::{Starts, starts};
use crate::waits::{Waits, waits};

/// Waiting jobs that are told one by one: the oldest.
const TOLD: usize = 10;

/// Failures that are told one by one: the newest.
const FAILURES: usize = 5;

/// Failures are told for this long.
const LATELY: Duration = Duration::from_secs(60 * 60);

/// Most closed records that are read for it.
const MOST_CLOSED: usize = 1_000;

/// An errand that is due for longer than this was not seen to in time: sweeper comes every minute, and asks again later each time.
const OVERDUE: Duration = Duration::from_secs(5 * 60);

/// The most seconds between two looks.
const SLOWEST: u64 = 3_600;

/// How things are.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exit 0 whatever is found.

Examples:
  mayfly status
  mayfly status --watch
  mayfly status --json | jq '.pools[] | select(.starts[].breaker_open)'
  mayfly status --watch=60 --json          # one line of JSON a minute")]
pub struct Status {
    /// Look again and again, every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=SLOWEST))]
    watch: Option<u64>,
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolLine {
    /// Its name.
    pub pool: PoolName,
    /// No pools file has it any more; what is left drains.
    pub gone: bool,
    /// Most runners at a time.
    pub max: u32,
    /// How many there are, however far: what counts against `max`.
    pub live: usize,
    /// Those on their way: not alive, or about to be registered or given a job.
    pub starting: usize,
    /// Those that are alive, unregistered and have nothing to do.
    pub idle: usize,
    /// How many are kept idle.
    pub min_idle: u32,
    /// Those with a job.
    pub busy: usize,
    /// Those that are to end.
    pub ending: usize,
    /// Jobs that wait.
    pub waiting: usize,
    /// How starts go, by size.
    pub starts: Vec<Starts>,
}

/// A job that waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingLine {
    /// The job.
    pub job: JobId,
    /// Its pool.
    pub pool: PoolName,
    /// Its repository; none if its record is gone.
    pub repository: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Since when it waits.
    pub queued_at: When,
    /// What for.
    #[serde(flatten)]
    pub waits: Waits,
}

/// A runner that ended badly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureLine {
    /// When.
    pub at: When,
    /// The runner.
    pub runner: RunnerId,
    /// Its pool.
    pub pool: PoolName,
    /// How.
    pub outcome: Option<Outcome>,
    /// AWS took it back while it worked.
    pub reclaimed: bool,
    /// The job that it had.
    pub job: Option<JobId>,
    /// Why.
    pub reason: Option<String>,
}

/// Whether the safety net is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Net {
    /// When sweeper last read GitHub's list of deliveries to its end; it does so every minute.
    pub deliveries_read_at: Option<When>,
    /// What it has yet to see to.
    pub errands: usize,
    /// What of it is due for longer than 5 minutes.
    pub overdue: usize,
    /// Since when the longest.
    pub overdue_since: Option<When>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// When it was read.
    pub at: When,
    /// The version of the pools file in force.
    pub pools_version: Option<u64>,
    /// The pools.
    pub pools: Vec<PoolLine>,
    /// How many jobs wait.
    pub waiting: usize,
    /// The oldest of them.
    pub oldest_waiting: Vec<WaitingLine>,
    /// Runners that ended badly in the last hour.
    pub failures: usize,
    /// The newest of them.
    pub last_failures: Vec<FailureLine>,
    /// Installations that GitHub told to wait, and until when.
    pub github_limits: Vec<(InstallationId, When)>,
    /// The safety net.
    pub safety_net: Net,
}

impl Status {
    /// Tells how things are.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked; while watching, only if it could not the first time.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        crate::wait_for(async {
            let connected = connect(global).await?;
            let ledger = connected.ledger();
            let mut looked = false;
            loop {
                let asked = async {
                    let pools = connected.pools_in_force(screen).await?;
                    let now = mayfly_settings::source::system_clock();
                    gather(&ledger, pools.as_deref(), now).await.map_err(|error| ledger_refused("read the ledger", &error))
                };
                match (asked.await, self.watch) {
                    (Ok(answer), watch) => {
                        if !show(&answer, watch, screen)? {
                            return Ok(Exit::Done);
                        }
                    }
                    // Networks come back.
                    (Err(failure), Some(_)) if looked => screen.failure(&failure),
                    (Err(failure), _) => return Err(failure),
                }
                looked = true;
                let Some(seconds) = self.watch else { return Ok(Exit::Done) };
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        })
    }
}

/// Clears the terminal and goes to its first line.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

/// `false`: nobody reads it any more.
fn show(answer: &Answer, watch: Option<u64>, screen: &Screen) -> Result<bool, Failure> {
    let terminal = std::io::stdout().is_terminal();
    Ok(match (screen.json(), watch) {
        (true, None) => screen.print_json(answer).map(|()| true)?,
        // One line an answer: whoever reads a stream reads lines.
        (true, Some(_)) => {
            let line = serde_json::to_string(answer).map_err(|error| Failure::new(format!("write the answer as JSON: {error}"), ""))?;
            screen.told(line)
        }
        (false, Some(seconds)) if terminal => screen.told(format_args!("{CLEAR}{}\n\nevery {seconds} s, Ctrl-C ends it", text(answer))),
        (false, Some(_)) => screen.told(format_args!("{}\n{}\n", answer.at, text(answer))),
        (false, None) => screen.told(text(answer)),
    })
}

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store + History>(ledger: &Ledger<S>, pools: Option<&Pools>, now: Timestamp) -> Result<Answer, LedgerError> {
    let all = pools_now::read(ledger, pools, now).await?;
    // A pool that is gone and empty is forgotten by sweeper in a moment.
    let all: Vec<PoolNow> =
        all.into_iter().filter(|pool| !pool.gone || !pool.look.runners.is_empty() || !pool.look.jobs.is_empty()).collect();
    let (oldest_waiting, waiting) = oldest(ledger, &all, now).await?;
    let closed = ledger.closed((now.minus(LATELY), now), Order::NewestFirst, MOST_CLOSED, now).await?;
    let failed: Vec<&Runner> = closed.runners.iter().filter(|runner| is_failure(runner)).collect();
    let limits = all.iter().flat_map(|pool| &pool.look.limits).filter(|(_, until)| **until > now);
    let mut github_limits: Vec<(InstallationId, When)> = limits.map(|(installation, until)| (*installation, When(*until))).collect();
    github_limits.sort_unstable();
    github_limits.dedup();
    Ok(Answer {
        at: When(now),
        pools_version: pools.map(|pools| pools.generation),
        pools: all.iter().map(|pool| pool_line(pool, now)).collect(),
        waiting,
        oldest_waiting,
        failures: failed.len(),
        last_failures: failed.into_iter().take(FAILURES).map(failure_line).collect(),
        github_limits,
        safety_net: net(ledger, now).await?,
    })
}

/// The oldest jobs that wait, and how many do.
async fn oldest<S: Store>(ledger: &Ledger<S>, all: &[PoolNow], now: Timestamp) -> Result<(Vec<WaitingLine>, usize), LedgerError> {
    let mut rows: Vec<_> = all.iter().flat_map(|pool| pool.look.jobs.iter().map(move |row| (row.rank(), pool, row))).collect();
    rows.sort_by_key(|(rank, ..)| *rank);
    let waiting = rows.len();
    rows.truncate(TOLD);
    let records = pools_now::records(ledger, rows.iter().map(|(_, _, row)| row.id).collect::<BTreeSet<_>>()).await?;
    let line = |(_, pool, row): ((Timestamp, JobId), &PoolNow, &mayfly_domain::job::WaitingJob)| {
        let record = records.get(&row.id);
        WaitingLine {
            job: row.id,
            pool: pool.pool.name.clone(),
            repository: record.map(|record| record.repository.name.clone()),
            name: record.map(|record| record.name.clone()),
            queued_at: When(row.queued_at),
            waits: waits(pool, row, record, now),
        }
    };
    Ok((rows.into_iter().map(line).collect(), waiting))
}

fn is_failure(runner: &Runner) -> bool {
    let bad = [Outcome::FailedStart, Outcome::Refused, Outcome::NotAssigned, Outcome::Lost];
    runner.reclaimed || runner.outcome.is_some_and(|outcome| bad.contains(&outcome))
}

fn failure_line(runner: &Runner) -> FailureLine {
    FailureLine {
        at: When(runner.closed_at.unwrap_or(runner.requested_at)),
        runner: runner.id.clone(),
        pool: runner.pool.clone(),
        outcome: runner.outcome,
        reclaimed: runner.reclaimed,
        job: runner.work.as_ref().and_then(|work| work.job),
        reason: runner.reason.clone(),
    }
}

fn pool_line(now_of: &PoolNow, now: Timestamp) -> PoolLine {
    let runners = &now_of.look.runners;
    let ending = |runner: &&Runner| runner.stop.is_some() || runner.retired_at.is_some() || runner.done_at.is_some();
    let count = |state: &dyn Fn(RunnerState) -> bool| runners.iter().filter(|runner| !ending(runner) && state(runner.state)).count();
    PoolLine {
        pool: now_of.pool.name.clone(),
        gone: now_of.gone,
        max: now_of.pool.max,
        live: runners.len(),
        starting: count(&|state| matches!(state, RunnerState::Requested | RunnerState::Registering | RunnerState::Registered)),
        idle: count(&|state| state == RunnerState::Parked),
        min_idle: now_of.pool.min_idle,
        busy: count(&|state| state == RunnerState::Busy),
        ending: runners.iter().filter(ending).count(),
        waiting: now_of.look.jobs.len(),
        starts: starts(now_of, now),
    }
}

/// What tells that sweeper is alive, and keeps up.
async fn net<S: Store>(ledger: &Ledger<S>, now: Timestamp) -> Result<Net, LedgerError> {
    let (errands, _) = pools_now::errands(ledger).await?;
    let late = |open: &&Open| now.since(open.not_before) > OVERDUE;
    let overdue: Vec<Timestamp> = errands.iter().filter(late).map(|open| open.not_before).collect();
    // Only the times are of interest; where the reading is, is GitHub's own.
    let reading = ledger.cursor::<Reading<String>>("deliveries").await?.at;
    Ok(Net {
        deliveries_read_at: reading.looked_at.map(When),
        errands: errands.len(),
        overdue: overdue.len(),
        overdue_since: overdue.into_iter().min().map(When),
    })
}

impl Net {
    /// True if sweeper was not heard of for longer than a healthy one lets pass.
    #[must_use]
    pub fn is_torn(&self, now: Timestamp) -> bool {
        let silent = self.deliveries_read_at.is_some_and(|at| now.since(at.0) > times::TICK * 5);
        silent || self.overdue > 0
    }
}
