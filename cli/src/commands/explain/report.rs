//! All that `mayfly explain` shows of one job.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName, RunnerId, RunnerName};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::job_timeline::{Clock, JobTimeline, Phase, PhaseTime};
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::price::{NanoDollars, NoPrice};
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::spend::Spend;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use super::pool_match::{Matched, matched};
use super::summary::{ReportSources, Summary, summary};
use super::timeline::{Line, story};
use crate::deployment::hosted;
use crate::deployment::killed::Killed;
use crate::deployment::pool_status::{self, PoolStatus};
use crate::deployment::runner_phase::RunnerPhase;
use crate::deployment::wait_reason::WaitReason;
use crate::terminal::time_format::{Rfc3339, seconds};

/// Most closed records that are read to find the runners that had to do with a job.
const MOST_CLOSED: usize = 3_000;

/// A runner that was started for the job may work on another one for as long after it.
const RUNNERS_AFTER: Duration = timeouts::MAX_LIFETIME;

/// A runner that has to do with the job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The runner.
    pub runner: RunnerId,
    /// Its pool.
    pub pool: PoolName,
    /// How far it is, if it is there.
    pub phase: Option<RunnerPhase>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What killed it, if it had a job that was not over.
    pub killed: Option<Killed>,
    /// The job that it was started for; none for the idle floor.
    pub intended: Option<JobId>,
    /// The job that it works on, or worked on.
    pub job: Option<JobId>,
    /// Its task.
    pub task: Option<String>,
    /// What it cost, in billionths of a dollar.
    pub cost_nanodollars: Option<NanoDollars>,
    /// Why it ended so.
    pub reason: Option<String>,
}

/// A phase of the job, from its queue to the end of its runner's task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseLine {
    /// Which.
    pub phase: Phase,
    /// How long it took. Those before `run` sum to the wait.
    pub seconds: f64,
    /// When it ended, by the clock that told it.
    pub until: Rfc3339,
    /// Whose clock that is.
    pub clock: Clock,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobReport {
    /// When it was read.
    pub at: Rfc3339,
    /// GitHub's id of the job.
    pub job: JobId,
    /// Its run.
    pub run: i64,
    /// The run's attempt.
    pub attempt: u32,
    /// Its name in the workflow.
    pub name: String,
    /// Its repository.
    pub repository: String,
    /// Its page at GitHub.
    pub url: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// Where it is.
    pub state: JobState,
    /// How it ended.
    pub conclusion: Option<String>,
    /// In one sentence.
    pub summary: String,
    /// What would help it the next time; what helps it while it waits is in `waits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What it waits for; none if it does not wait.
    pub waits: Option<WaitReason>,
    /// Who took whose runner.
    pub swaps: Vec<String>,
    /// Which pool, and why that one; none if no pools file is known.
    pub matched: Option<Matched>,
    /// Since when it waits, or waited.
    pub queued_at: Rfc3339,
    /// How long it waited.
    pub waited_seconds: f64,
    /// How long it ran.
    pub ran_seconds: Option<f64>,
    /// Its phases, as far as it got.
    pub phases: Vec<PhaseLine>,
    /// What the runner that ran it cost, in billionths of a dollar; known once it is gone.
    pub cost_nanodollars: Option<NanoDollars>,
    /// What that bought, in billionths of a dollar.
    pub spend_nanodollars: Option<Spend>,
    /// What the job would have cost on a GitHub-hosted runner of similar size: of a job of a private
    /// repository that has ended, if GitHub has such a runner.
    pub hosted_nanodollars: Option<NanoDollars>,
    /// Why it is not known what some of its runners cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_cost: Vec<String>,
    /// What runners cost that were started for it and had no job.
    pub tries_nanodollars: NanoDollars,
    /// What happened, in order.
    pub story: Vec<Line>,
    /// Too much closed meanwhile to find every runner that had to do with it.
    pub story_incomplete: bool,
    /// Runners that had to do with it.
    pub runners: Vec<Beside>,
}

/// Asks the ledger. `github`: where its jobs are looked at. `None`: it does not know the job.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    job: JobId,
    github: &str,
    now: Timestamp,
) -> Result<Option<JobReport>, LedgerError> {
    let Some(record) = ledger.job(job).await? else {
        return Ok(None);
    };
    let pool = match (&record.pool, record.size) {
        (Some(pool), Some(size)) => Some(pool_status::one(ledger, pools, pool, size, now).await?),
        _ => None,
    };
    let (runners, incomplete) = runners_of(ledger, &record, pool.as_ref(), now).await?;
    let matched = pools.map(|pools| matched(&record, pools));
    let follow_up = outbox_entry_of(ledger, &record).await?;
    let runner = runners
        .iter()
        .find(|runner| record.runner.as_ref() == Some(&runner.id));
    let around = ReportSources {
        record: &record,
        pool: pool.as_ref(),
        runner,
        matched: matched.as_ref(),
        hosted: hosted(&record, runner, pools),
        follow_up: follow_up.as_ref(),
        now,
    };
    let Summary {
        summary,
        waits,
        help,
    } = summary(&around);
    let hosted_nanodollars = around.hosted;
    let until = record.closed_at.unwrap_or(now);
    let unused = runners
        .iter()
        .filter(|one| one.intended == Some(job) && one.work.is_none())
        .filter_map(|one| one.cost);
    Ok(Some(JobReport {
        at: Rfc3339(now),
        job,
        run: record.run.0,
        attempt: record.attempt,
        name: record.name.clone(),
        repository: record.repository.name.clone(),
        url: format!(
            "{github}/{}/actions/runs/{}/job/{job}",
            record.repository.name, record.run
        ),
        labels: record.labels.iter().map(str::to_owned).collect(),
        state: record.state,
        conclusion: record.conclusion.clone(),
        summary,
        help,
        waits,
        swaps: swaps(&record, &runners),
        queued_at: Rfc3339(record.queued_at),
        waited_seconds: seconds(record.running_at.unwrap_or(until).since(record.queued_at)),
        ran_seconds: record.running_at.map(|since| seconds(until.since(since))),
        phases: phases(&record, runner),
        cost_nanodollars: runner.and_then(|runner| runner.cost),
        spend_nanodollars: runner.and_then(Runner::spend),
        hosted_nanodollars,
        no_cost: no_cost(&runners),
        tries_nanodollars: NanoDollars(unused.map(|cost| cost.0).sum()),
        story: story(&record, &runners),
        story_incomplete: incomplete,
        runners: runners.iter().map(beside).collect(),
        matched,
    }))
}

fn phases(record: &JobRecord, runner: Option<&Runner>) -> Vec<PhaseLine> {
    let timeline = JobTimeline::of(record, runner);
    let line = |one: &PhaseTime| PhaseLine {
        phase: one.phase,
        seconds: seconds(one.took),
        until: Rfc3339(one.end.at),
        clock: one.end.step.clock(),
    };
    timeline.phases().iter().map(line).collect()
}

/// What an ended job of a private repository would have cost on a GitHub-hosted runner of similar size.
fn hosted(
    record: &JobRecord,
    runner: Option<&Runner>,
    pools: Option<&Pools>,
) -> Option<NanoDollars> {
    let ran = record.closed_at?.since(record.running_at?);
    let size = runner.filter(|_| record.repository.private)?.size;
    hosted::hosted(&size, ran, pools)
}

/// Why it is not known what some of these cost, each reason once.
fn no_cost(runners: &[Runner]) -> Vec<String> {
    let reasons: BTreeSet<NoPrice> = runners.iter().filter_map(Runner::no_cost).collect();
    reasons.iter().map(ToString::to_string).collect()
}

/// What sweeper has yet to do about a job that nothing else leads to.
async fn outbox_entry_of<S: Store>(
    ledger: &Ledger<S>,
    record: &JobRecord,
) -> Result<Option<OutboxEntry>, LedgerError> {
    let follow_up = match record.state {
        JobState::Blocked | JobState::Running => FollowUp::CheckJob(record.id),
        JobState::Unplaced => FollowUp::MatchJob {
            job: record.id,
            pools_version: record.pools_version,
        },
        JobState::Closed => FollowUp::RerunJob(record.id),
        JobState::Queued => return Ok(None),
    };
    ledger.outbox_entry(&follow_up).await
}

/// Runners, open or closed, that had to do with a job, by the time they were asked for. `true`:
/// more closed meanwhile than was read.
async fn runners_of<S: Store + History>(
    ledger: &Ledger<S>,
    record: &JobRecord,
    pool: Option<&PoolStatus>,
    now: Timestamp,
) -> Result<(Vec<Runner>, bool), LedgerError> {
    let begin = record
        .received_at
        .min(record.queued_at)
        .minus(timeouts::TICK);
    let end = record
        .closed_at
        .map_or(now, |closed| closed.plus(RUNNERS_AFTER).min(now));
    let closed = ledger
        .closed(
            TimeRange {
                from: begin,
                to: end,
            },
            Order::OldestFirst,
            MOST_CLOSED,
            now,
        )
        .await?;
    let open = pool
        .into_iter()
        .flat_map(|pool| pool.look.runners.iter().cloned());
    let involved = open
        .chain(closed.runners)
        .filter(|runner| has_to_do(runner, record));
    let mut found: BTreeMap<RunnerId, Runner> = BTreeMap::new();
    for runner in involved {
        // One that closed while this was read is shown as ended.
        if runner.closed_at.is_some() || !found.contains_key(&runner.id) {
            found.insert(runner.id.clone(), runner);
        }
    }
    // The one that ran it may be another pool's, or have been missed.
    let named = record
        .runner_name
        .as_ref()
        .and_then(|name| name.parse::<RunnerName>().ok());
    if let Some(name) = named.filter(|name| {
        record.runner.as_ref() == Some(&name.address.runner)
            && !found.contains_key(&name.address.runner)
    }) {
        let records = ledger.runner_records(&name.address).await?;
        found.extend(
            records
                .row
                .or(records.record)
                .map(|runner| (runner.id.clone(), runner)),
        );
    }
    Ok((found.into_values().collect(), closed.cut_at.is_some()))
}

/// True for a runner that was started for the job, held it in reserve, registered for it, or ran
/// it.
fn has_to_do(runner: &Runner, record: &JobRecord) -> bool {
    let job = Some(record.id);
    runner.intended == job
        || runner.reserved == job
        || runner.work.as_ref().is_some_and(|work| work.job == job)
        || record.runner.as_ref() == Some(&runner.id)
        || runner.story.iter().any(|note| note.event.job() == job)
}

/// A swap is no failure.
const NORMAL: &str = "that is normal; GitHub gives a runner any job whose labels it has";

/// GitHub gives a runner any job that its labels cover: whose runner went to whom.
fn swaps(record: &JobRecord, runners: &[Runner]) -> Vec<String> {
    let mut swaps = Vec::new();
    for runner in runners {
        let worked_on = runner.work.as_ref().and_then(|work| work.job);
        match (runner.intended, worked_on) {
            (Some(intended), Some(job)) if intended == record.id && job != record.id => {
                swaps.push(format!(
                    "runner {} was started for it, and GitHub gave it job {job} instead: {NORMAL}",
                    runner.id
                ));
            }
            (Some(intended), Some(job)) if intended != record.id && job == record.id => {
                swaps.push(format!(
                    "it ran on runner {}, which was started for job {intended}: {NORMAL}",
                    runner.id
                ));
            }
            _ => {}
        }
    }
    swaps
}

fn beside(runner: &Runner) -> Beside {
    Beside {
        runner: runner.id.clone(),
        pool: runner.pool.clone(),
        phase: runner
            .closed_at
            .is_none()
            .then(|| RunnerPhase::of(runner).0),
        outcome: runner.outcome,
        killed: Killed::of(runner),
        intended: runner.intended,
        job: runner.work.as_ref().and_then(|work| work.job),
        task: runner.arn.as_ref().map(ToString::to_string),
        cost_nanodollars: runner.cost,
        reason: runner.reason.as_ref().map(ToString::to_string),
    }
}
