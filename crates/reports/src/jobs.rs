//! The jobs of a list: what is known of each, from the ledger.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::id::{JobId, PoolName, RunnerId};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use crate::killed::Killed;
use crate::pool_status::{self, OpenWork, PoolStatus};
use crate::time_format::{Rfc3339, seconds};
use crate::wait_reason::wait_reason;

/// Most closed records that one answer is made of: some ten reads of 1 MB.
pub const MOST_CLOSED: usize = 5_000;

/// Most open jobs that are looked up one by one.
const MOST_OPEN: usize = 1_000;

/// States to list by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
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
    /// What its runner cost, in billionths of a dollar; known once the runner is gone.
    pub cost_nanodollars: Option<NanoDollars>,
    /// Why that is not known of a runner that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cost: Option<String>,
    /// Why it waits, or is where it is.
    pub because: Option<String>,
}

impl Line {
    /// Its state in a word: how it ended, where it did.
    #[must_use]
    pub fn state_word(&self) -> &str {
        match (self.state, self.conclusion.as_deref()) {
            (JobState::Unplaced, _) => "unplaced",
            (JobState::Blocked, _) => "blocked",
            (JobState::Queued, _) => "queued",
            (JobState::Running, _) => "running",
            (JobState::Closed, conclusion) => conclusion.unwrap_or("closed"),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobsReport {
    /// When it was read.
    pub at: Rfc3339,
    /// Closed jobs since then are in it.
    pub since: Rfc3339,
    /// The jobs, newest last.
    pub jobs: Vec<Line>,
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
) -> Result<JobsReport, LedgerError> {
    let open = match filter.state {
        Some(State::Closed) => None,
        _ => Some(OpenWork::read(ledger, pools, now).await?),
    };
    of(ledger, open.as_ref(), filter, now).await
}

/// [`gather`], where what is open was read already; none where nothing that is open is asked for.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn of<S: Store + History>(
    ledger: &Ledger<S>,
    open: Option<&OpenWork>,
    filter: &Filter,
    now: Timestamp,
) -> Result<JobsReport, LedgerError> {
    let mut found: BTreeMap<JobId, Line> = BTreeMap::new();
    let mut more = false;
    let wanted = |state: State| {
        filter
            .state
            .is_none_or(|asked| asked == state || (asked == State::Open && state != State::Closed))
    };
    if let Some(work) = open {
        let (mut open, whole) = open_jobs(
            work,
            wanted(State::Unplaced) || wanted(State::Blocked) || wanted(State::Running),
        );
        more |= !whole || open.len() > MOST_OPEN;
        while open.len() > MOST_OPEN {
            open.pop_first();
        }
        for (job, record) in pool_status::records(ledger, open).await? {
            // One that closed since is in the index, or in the next reading.
            if record.state != JobState::Closed {
                found.insert(
                    job,
                    line(&record, why(&work.pools, &record, now), None, now),
                );
            }
        }
    }
    if wanted(State::Closed) {
        let closed = ledger
            .closed(
                TimeRange {
                    from: filter.since,
                    to: now,
                },
                Order::NewestFirst,
                MOST_CLOSED,
                now,
            )
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
            found.insert(record.id, line(record, because, runner, now));
        }
    }
    let mut jobs: Vec<Line> = found
        .into_values()
        .filter(|line| filter.takes(line))
        .collect();
    jobs.sort_by_key(|line| (line.queued_at, line.job));
    more |= jobs.len() > filter.limit;
    let jobs = jobs.split_off(jobs.len().saturating_sub(filter.limit));
    Ok(JobsReport {
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
/// that sweeper has a follow-up about, since neither of those lists has them. `false`: there are
/// more follow-ups than were read.
fn open_jobs(work: &OpenWork, follow_ups: bool) -> (BTreeSet<JobId>, bool) {
    let waiting = work
        .pools
        .iter()
        .flat_map(|pool| &pool.look.jobs)
        .map(|job| job.id);
    let at_work = |runner: &Runner| runner.work.as_ref()?.job;
    let running = work
        .pools
        .iter()
        .flat_map(|pool| &pool.look.runners)
        .filter_map(at_work);
    let mut open: BTreeSet<JobId> = waiting.chain(running).collect();
    if !follow_ups {
        return (open, true);
    }
    open.extend(
        work.outbox
            .iter()
            .filter_map(|open| pool_status::job_of(&open.follow_up)),
    );
    (open, work.whole)
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
    ended: Option<&Runner>,
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
        cost_nanodollars: ended.and_then(|runner| runner.cost),
        no_cost: ended.and_then(Runner::no_cost).map(|why| why.to_string()),
        because,
    }
}
