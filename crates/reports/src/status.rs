//! How things are, from the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::{InstallationId, JobId, PoolName, RepositoryId, RunnerId};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::{Outcome, Runner, RunnerState};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::{assignment, timeouts};
use mayfly_domain::transitions::redelivery::ListProgress;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use crate::drift::Drift;
use crate::killed::Killed;
use crate::pool_status::{self, OpenWork, PoolStatus};
use crate::start_summary::{StartSummary, start_summary};
use crate::text::match_command;
use crate::time_format::Rfc3339;
use crate::wait_reason::{WaitReason, wait_reason};

/// The most waiting jobs that are shown one by one: the oldest.
const TOLD: usize = 10;

/// The most jobs without a pool that are shown one by one: the oldest.
const UNPLACED: usize = 5;

/// Most records that are read to find jobs that nothing leads to but sweeper's list.
const MOST_UNSERVED: usize = 500;

/// The most failures that are shown one by one: the newest.
const FAILURES: usize = 5;

/// Failures are shown for this long.
const LATELY: Duration = Duration::from_secs(60 * 60);

/// Most closed records that are read for it.
const MOST_CLOSED: usize = 1_000;

/// What has been due for longer than this was not done in time: sweeper runs every minute, and
/// waits longer after each try.
const OVERDUE: Duration = Duration::from_secs(5 * 60);

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
    pub starts: Vec<StartSummary>,
    /// Repositories whose runners GitHub gives no job.
    pub not_assigned: Vec<NotAssigned>,
}

/// A repository whose runners register, and are given no job: one at a time is tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotAssigned {
    /// The repository; its id if it is not known by name.
    pub repository: String,
    /// How many of its jobs wait for nothing else.
    pub jobs: usize,
    /// When the next runner may be tried.
    pub probes_at: Rfc3339,
    /// What can be done about it.
    pub help: &'static str,
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
    pub queued_at: Rfc3339,
    /// What for.
    #[serde(flatten)]
    pub waits: WaitReason,
}

/// A job that no pool takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnplacedLine {
    /// The job.
    pub job: JobId,
    /// Its repository.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// Since when it waits.
    pub queued_at: Rfc3339,
    /// Why no pool takes it, with the nearest one.
    pub because: Option<String>,
    /// The command that tells more.
    pub ask: String,
}

/// A runner that ended badly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureLine {
    /// When.
    pub at: Rfc3339,
    /// The runner.
    pub runner: RunnerId,
    /// Its pool.
    pub pool: PoolName,
    /// How.
    pub outcome: Option<Outcome>,
    /// AWS took it back while it worked.
    pub interrupted: bool,
    /// What killed it, if it had a job that was not over.
    pub killed: Option<Killed>,
    /// The job that it had.
    pub job: Option<JobId>,
    /// Why.
    pub reason: Option<String>,
}

/// Whether the safety net is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweeperHealth {
    /// When sweeper last read GitHub's list of deliveries to its end; it does so every minute.
    pub deliveries_read_at: Option<Rfc3339>,
    /// What it has yet to do.
    pub follow_ups: usize,
    /// What of it has been due for longer than 5 minutes.
    pub overdue: usize,
    /// Since when the longest.
    pub overdue_since: Option<Rfc3339>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// When it was read.
    pub at: Rfc3339,
    /// The version of the active pools file.
    pub pools_version: Option<u64>,
    /// The pools file was changed by other means than `mayfly apply`.
    pub drift: Option<Drift>,
    /// The pools.
    pub pools: Vec<PoolLine>,
    /// How many jobs wait.
    pub waiting: usize,
    /// The oldest of them.
    pub oldest_waiting: Vec<WaitingLine>,
    /// How many jobs no pool takes, as far as they were looked up.
    pub unplaced: usize,
    /// The oldest of them.
    pub oldest_unplaced: Vec<UnplacedLine>,
    /// How many jobs GitHub holds back: for an approval, or a concurrency group.
    pub blocked: usize,
    /// Runners that ended badly in the last hour.
    pub failures: usize,
    /// The newest of them.
    pub last_failures: Vec<FailureLine>,
    /// Installations that GitHub told to wait, and until when.
    pub github_limits: Vec<(InstallationId, Rfc3339)>,
    /// The safety net.
    pub safety_net: SweeperHealth,
}

/// Asks the ledger. Whether the pools file drifted is for the caller to look up: that needs the
/// parameter.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    now: Timestamp,
) -> Result<StatusReport, LedgerError> {
    let open = OpenWork::read(ledger, pools, now).await?;
    let lately = TimeRange {
        from: now.minus(LATELY),
        to: now,
    };
    let closed = ledger
        .closed(lately, Order::NewestFirst, MOST_CLOSED, now)
        .await?;
    of(ledger, pools, open, &closed.runners, now).await
}

/// [`gather`], where what is open, and the runners that closed lately, were read already.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn of<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    open: OpenWork,
    closed: &[Runner],
    now: Timestamp,
) -> Result<StatusReport, LedgerError> {
    let follow_ups = open.outbox;
    // A pool that is gone and empty is forgotten by sweeper in a moment.
    let all: Vec<PoolStatus> = open
        .pools
        .into_iter()
        .filter(|pool| !pool.gone || !pool.look.runners.is_empty() || !pool.look.jobs.is_empty())
        .collect();
    let (oldest_waiting, waiting) = oldest(ledger, &all, now).await?;
    let unserved = unserved(ledger, &follow_ups).await?;
    let unplaced: Vec<&JobRecord> = unserved
        .iter()
        .filter(|record| record.state == JobState::Unplaced)
        .collect();
    let failed: Vec<&Runner> = closed.iter().filter(|runner| is_failure(runner)).collect();
    let limits = all
        .iter()
        .flat_map(|pool| &pool.look.limits)
        .filter(|(_, until)| **until > now);
    let mut github_limits: Vec<(InstallationId, Rfc3339)> = limits
        .map(|(installation, until)| (*installation, Rfc3339(*until)))
        .collect();
    github_limits.sort_unstable();
    github_limits.dedup();
    Ok(StatusReport {
        at: Rfc3339(now),
        pools_version: pools.map(|pools| pools.version),
        drift: None,
        pools: pool_lines(ledger, &all, now).await?,
        waiting,
        oldest_waiting,
        unplaced: unplaced.len(),
        oldest_unplaced: unplaced
            .into_iter()
            .take(UNPLACED)
            .map(unplaced_line)
            .collect(),
        blocked: unserved
            .iter()
            .filter(|record| record.state == JobState::Blocked)
            .count(),
        failures: failed.len(),
        last_failures: failed
            .into_iter()
            .take(FAILURES)
            .map(failure_line)
            .collect(),
        github_limits,
        safety_net: sweeper_health(ledger, &follow_ups, now).await?,
    })
}

/// The oldest jobs that wait, and how many do.
async fn oldest<S: Store>(
    ledger: &Ledger<S>,
    all: &[PoolStatus],
    now: Timestamp,
) -> Result<(Vec<WaitingLine>, usize), LedgerError> {
    let mut rows: Vec<_> = all
        .iter()
        .flat_map(|pool| {
            pool.look
                .jobs
                .iter()
                .map(move |row| (row.rank(), pool, row))
        })
        .collect();
    rows.sort_by_key(|(rank, ..)| *rank);
    let waiting = rows.len();
    rows.truncate(TOLD);
    let records = pool_status::records(
        ledger,
        rows.iter()
            .map(|(_, _, row)| row.id)
            .collect::<BTreeSet<_>>(),
    )
    .await?;
    let line = |(_, pool, row): (
        (Timestamp, JobId),
        &PoolStatus,
        &mayfly_domain::model::job::WaitingJob,
    )| {
        let record = records.get(&row.id);
        WaitingLine {
            job: row.id,
            pool: pool.pool.name.clone(),
            repository: record.map(|record| record.repository.name.clone()),
            name: record.map(|record| record.name.clone()),
            queued_at: Rfc3339(row.queued_at),
            waits: wait_reason(pool, row, record, now),
        }
    };
    Ok((rows.into_iter().map(line).collect(), waiting))
}

/// Jobs that no pool takes or that GitHub holds back, the oldest first: only sweeper's list leads
/// to them.
async fn unserved<S: Store>(
    ledger: &Ledger<S>,
    follow_ups: &[OutboxEntry],
) -> Result<Vec<JobRecord>, LedgerError> {
    let jobs: BTreeSet<JobId> = follow_ups
        .iter()
        .filter_map(|open| pool_status::job_of(&open.follow_up))
        .take(MOST_UNSERVED)
        .collect();
    let records: BTreeMap<JobId, JobRecord> = pool_status::records(ledger, jobs).await?;
    let mut records: Vec<JobRecord> = records.into_values().collect();
    records.sort_by_key(|record| (record.queued_at, record.id));
    Ok(records)
}

fn unplaced_line(record: &JobRecord) -> UnplacedLine {
    UnplacedLine {
        job: record.id,
        repository: record.repository.name.clone(),
        name: record.name.clone(),
        queued_at: Rfc3339(record.queued_at),
        because: record.reason.as_ref().map(ToString::to_string),
        ask: match_command(&record.labels, &record.repository.name)
            .unwrap_or_else(|| format!("mayfly explain {}", record.id)),
        labels: record.labels.iter().map(str::to_owned).collect(),
    }
}

fn is_failure(runner: &Runner) -> bool {
    let bad = [
        Outcome::FailedStart,
        Outcome::Refused,
        Outcome::NeverAssigned,
        Outcome::Unknown,
    ];
    Killed::of(runner).is_some() || runner.outcome.is_some_and(|outcome| bad.contains(&outcome))
}

fn failure_line(runner: &Runner) -> FailureLine {
    let killed = Killed::of(runner);
    FailureLine {
        at: Rfc3339(runner.closed_at.unwrap_or(runner.requested_at)),
        runner: runner.id.clone(),
        pool: runner.pool.clone(),
        outcome: runner.outcome,
        interrupted: runner.interrupted,
        job: runner.work.as_ref().and_then(|work| work.job),
        reason: killed
            .as_ref()
            .map(|killed| killed.in_words(runner))
            .or_else(|| runner.reason.as_ref().map(ToString::to_string)),
        killed,
    }
}

async fn pool_lines<S: Store>(
    ledger: &Ledger<S>,
    all: &[PoolStatus],
    now: Timestamp,
) -> Result<Vec<PoolLine>, LedgerError> {
    let mut lines = Vec::with_capacity(all.len());
    for pool in all {
        lines.push(pool_line(pool, not_assigned(ledger, pool).await?, now));
    }
    Ok(lines)
}

/// By repository, the jobs that wait because GitHub gives its runners nothing.
async fn not_assigned<S: Store>(
    ledger: &Ledger<S>,
    now_of: &PoolStatus,
) -> Result<Vec<NotAssigned>, LedgerError> {
    let repositories: BTreeMap<JobId, RepositoryId> = now_of
        .look
        .jobs
        .iter()
        .map(|row| (row.id, row.repository))
        .collect();
    let mut hold: BTreeMap<RepositoryId, (Timestamp, BTreeSet<JobId>)> = BTreeMap::new();
    for (job, why) in &now_of.plan.holds {
        if let (HoldReason::NotAssigned(at), Some(repository)) = (why, repositories.get(job)) {
            hold.entry(*repository)
                .or_insert((*at, BTreeSet::new()))
                .1
                .insert(*job);
        }
    }
    let named = pool_status::records(
        ledger,
        hold.values()
            .filter_map(|(_, jobs)| jobs.first().copied())
            .collect(),
    )
    .await?;
    let line =
        |(repository, (at, jobs)): (RepositoryId, (Timestamp, BTreeSet<JobId>))| NotAssigned {
            repository: jobs
                .first()
                .and_then(|job| named.get(job))
                .map_or_else(|| repository.to_string(), |job| job.repository.name.clone()),
            jobs: jobs.len(),
            probes_at: Rfc3339(at),
            help: assignment::ADVICE,
        };
    Ok(hold.into_iter().map(line).collect())
}

fn pool_line(now_of: &PoolStatus, given_nothing: Vec<NotAssigned>, now: Timestamp) -> PoolLine {
    let runners = &now_of.look.runners;
    let ending = |runner: &&Runner| {
        runner.stop.is_some() || runner.retired_at.is_some() || runner.done_at.is_some()
    };
    let count = |state: &dyn Fn(RunnerState) -> bool| {
        runners
            .iter()
            .filter(|runner| !ending(runner) && state(runner.state))
            .count()
    };
    PoolLine {
        pool: now_of.pool.name.clone(),
        gone: now_of.gone,
        max: now_of.pool.max,
        live: runners.len(),
        starting: count(&|state| {
            matches!(
                state,
                RunnerState::Requested | RunnerState::Registering | RunnerState::Registered
            )
        }),
        idle: count(&|state| state == RunnerState::Parked),
        min_idle: now_of.pool.min_idle,
        busy: count(&|state| state == RunnerState::Busy),
        ending: runners.iter().filter(ending).count(),
        waiting: now_of.look.jobs.len(),
        starts: start_summary(now_of, now),
        not_assigned: given_nothing,
    }
}

/// What tells that sweeper is alive, and keeps up.
async fn sweeper_health<S: Store>(
    ledger: &Ledger<S>,
    follow_ups: &[OutboxEntry],
    now: Timestamp,
) -> Result<SweeperHealth, LedgerError> {
    let overdue: Vec<Timestamp> = follow_ups
        .iter()
        .map(due_at)
        .filter(|at| now.since(*at) > OVERDUE)
        .collect();
    // Only the times are of interest; where the reading is, is GitHub's own.
    let reading = ledger
        .cursor::<ListProgress<String>>("deliveries")
        .await?
        .into_inner()
        .at;
    Ok(SweeperHealth {
        deliveries_read_at: reading.looked_at.map(Rfc3339),
        follow_ups: follow_ups.len(),
        overdue: overdue.len(),
        overdue_since: overdue.into_iter().min().map(Rfc3339),
    })
}

/// When sweeper does something about it at the latest. A job that no pool took is matched again
/// when the pools file changes, and closed when its day is over: when the file changed is not known
/// here, so only the day counts. One whose pool is gone (generation 0) is matched at once.
fn due_at(open: &OutboxEntry) -> Timestamp {
    match open.follow_up {
        FollowUp::MatchJob { pools_version, .. } if pools_version > 0 => open
            .not_before
            .max(open.since.plus(timeouts::QUEUED_AT_MOST)),
        _ => open.not_before,
    }
}

impl SweeperHealth {
    /// True if sweeper has been silent for longer than a healthy one ever is.
    #[must_use]
    pub fn is_torn(&self, now: Timestamp) -> bool {
        let silent = self
            .deliveries_read_at
            .is_some_and(|at| now.since(at.0) > timeouts::TICK * 5);
        silent || self.overdue > 0
    }
}
