//! The plan: what scaler should do now for one pool. The one place where launches and stops are decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::id::{InstallationId, JobId, RepositoryId, RunnerId};
use crate::job::WaitingJob;
use crate::pool::Pool;
use crate::runner::{Runner, RunnerState};
use crate::size::Size;
use crate::time::Timestamp;
use crate::times;

/// What bounds a plan besides the pool's own limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// GitHub told these installations to wait until then.
    pub github: BTreeMap<InstallationId, Timestamp>,
    /// Most launches that this run can send.
    pub launches: usize,
    /// Fingerprint of what a launch of each size would be made from; by [`Size`] in its text form.
    pub definitions: BTreeMap<String, String>,
}

/// A runner to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// How large.
    pub size: Size,
    /// The job it is started for; none for the idle floor.
    pub job: Option<JobId>,
    /// That job's repository.
    pub repository: Option<RepositoryId>,
}

/// A runner that is not needed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which.
    pub runner: RunnerId,
    /// Why, in words for the user.
    pub reason: String,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Runners to start, the most urgent first.
    pub launch: Vec<Start>,
    /// Runners to mark for stopping.
    pub stop: Vec<Stop>,
    /// Jobs that no runner covers and none is started for, with the reason.
    pub held: Vec<(JobId, Held)>,
}

/// Why no runner is started for a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Its own wait is not over, or GitHub must be asked about it first.
    Job,
    /// The pool is at `max`.
    PoolMax,
    /// The repository is at `max_per_repository`.
    RepositoryMax,
    /// GitHub told the installation to wait.
    GithubLimit,
    /// Starts of this size failed; the wait is not over, or a probe is on its way.
    Health,
    /// This run has sent all it can; the next one goes on.
    ThisRun,
}

/// Decides what to do now for one pool. Pure and total; the order of `jobs` and `runners` does not matter.
#[expect(clippy::too_many_arguments, reason = "these are all that the decision may depend on, and each is a thing of its own")]
#[must_use]
pub fn plan(pool: &Pool, health: &Health, jobs: &[WaitingJob], runners: &[Runner], limits: &Limits, now: Timestamp) -> Plan {
    let cover = cover(jobs, runners, now);
    let mut room = Room::new(pool, health, runners, limits, now);
    let mut plan = Plan::default();
    for job in &cover.uncovered {
        match room.admit(job) {
            Ok(()) => {
                room.take(job.size, Some(job.repository));
                plan.launch.push(Start { size: job.size, job: Some(job.id), repository: Some(job.repository) });
            }
            Err(held) => plan.held.push((job.id, held)),
        }
    }
    // The floor is of the pool's own size: a runner of a size that the pool no longer has is surplus once no job needs it.
    let (idle, other): (Vec<&Runner>, Vec<&Runner>) = cover.surplus.iter().partition(|runner| runner.size == pool.size);
    let floor = usize::try_from(pool.min_idle).unwrap_or(usize::MAX);
    for _ in idle.len()..floor {
        if room.admit_size(pool.size).is_err() {
            break;
        }
        room.take(pool.size, None);
        plan.launch.push(Start { size: pool.size, job: None, repository: None });
    }
    let beyond = idle.into_iter().skip(floor).chain(other);
    plan.stop = beyond.map(|runner| Stop { runner: runner.id.clone(), reason: surplus_reason(runner).to_owned() }).collect();
    plan.stop.sort_by(|one, other| other.runner.cmp(&one.runner));
    plan
}

fn surplus_reason(runner: &Runner) -> &'static str {
    if runner.intended.is_some() { "the job it was started for needs it no longer" } else { "beyond the idle floor" }
}

/// Who covers whom.
struct Cover<'a> {
    /// Jobs that no runner covers, oldest first.
    uncovered: Vec<&'a WaitingJob>,
    /// Unregistered runners that cover nothing: those that are kept longest first.
    surplus: Vec<&'a Runner>,
}

/// Gives each waiting job at most one runner and each runner at most one job, the most particular runners first: what is busy
/// with the job's run, what is registered for its target, what has its size. Each kind serves a part of what the next one serves, so nothing is wasted.
fn cover<'a>(jobs: &'a [WaitingJob], runners: &'a [Runner], now: Timestamp) -> Cover<'a> {
    let named: BTreeSet<JobId> = runners.iter().filter_map(|runner| runner.work.as_ref()?.job).collect();
    let mut open: Vec<&WaitingJob> = jobs.iter().filter(|job| !named.contains(&job.id)).collect();
    open.sort_by_key(|job| (!job.eligible(now), job.rank()));
    let mut runners: Vec<&Runner> = runners.iter().filter(|runner| runner.stop.is_none()).collect();
    runners.sort_by_key(|runner| (std::cmp::Reverse(runner.state), &runner.id));

    for runner in runners.iter().filter(|runner| runner.state == RunnerState::Busy && runner.refused.is_none()) {
        let Some(work) = runner.work.as_ref().filter(|work| work.job.is_none() && runner.done_at.is_none()) else { continue };
        // Its own reservation first: that is the job it most likely runs.
        let of_run = |job: &WaitingJob| (job.run, job.attempt) == (work.run, work.attempt);
        let own = open.iter().position(|job| of_run(job) && Some(job.id) == runner.reserved);
        if let Some(at) = own.or_else(|| open.iter().position(|job| of_run(job))) {
            open.remove(at);
        }
    }
    for runner in runners.iter().filter(|runner| matches!(runner.state, RunnerState::Registered | RunnerState::Registering)) {
        let silent = runner.state == RunnerState::Registering && !heard_lately(runner, now);
        let Some(key) = runner.target.as_ref().map(crate::target::Target::key).filter(|_| !silent) else { continue };
        if let Some(at) = open.iter().position(|job| job.target == key) {
            open.remove(at);
        }
    }
    let mut surplus = Vec::new();
    for runner in runners.into_iter().filter(|runner| runner.state.unregistered()) {
        if runner.state == RunnerState::Parked && !heard_lately(runner, now) {
            surplus.push(runner);
            continue;
        }
        // A job that must wait anyway keeps no runner alive that nobody pays for otherwise.
        match open.iter().position(|job| job.size == runner.size && job.eligible(now)) {
            Some(at) => drop(open.remove(at)),
            None => surplus.push(runner),
        }
    }
    // Those heard of lately first, then the oldest: the newest are stopped first.
    surplus.sort_by_key(|runner| {
        (runner.state == RunnerState::Parked && !heard_lately(runner, now), std::cmp::Reverse(runner.state), &runner.id)
    });
    Cover { uncovered: open, surplus }
}

fn heard_lately(runner: &Runner, now: Timestamp) -> bool {
    runner.heard_at.is_some_and(|heard| now.since(heard) <= times::HEARD_WITHIN)
}

/// What is left of every limit while launches are decided one by one.
struct Room<'a> {
    health: &'a Health,
    limits: &'a Limits,
    now: Timestamp,
    pool: u32,
    run: usize,
    per_repository: Option<u32>,
    repositories: BTreeMap<RepositoryId, u32>,
    unasked: BTreeMap<Size, u32>,
}

impl<'a> Room<'a> {
    fn new(pool: &Pool, health: &'a Health, runners: &[Runner], limits: &'a Limits, now: Timestamp) -> Self {
        let rows = u32::try_from(runners.len()).unwrap_or(u32::MAX);
        let mut repositories = BTreeMap::new();
        let mut unasked = BTreeMap::new();
        for runner in runners {
            if let Some(repository) = runner.repository {
                *repositories.entry(repository).or_default() += 1;
            }
            if runner.asked_at.is_none() {
                *unasked.entry(runner.size).or_default() += 1;
            }
        }
        Self {
            health,
            limits,
            now,
            pool: pool.max.saturating_sub(rows),
            run: limits.launches,
            per_repository: pool.max_per_repository,
            repositories,
            unasked,
        }
    }

    fn admit(&self, job: &WaitingJob) -> Result<(), Held> {
        if !job.eligible(self.now) {
            return Err(Held::Job);
        }
        let of_repository = self.repositories.get(&job.repository).copied().unwrap_or_default();
        if self.per_repository.is_some_and(|max| of_repository >= max) {
            return Err(Held::RepositoryMax);
        }
        if self.limits.github.get(&job.installation).is_some_and(|reset| *reset > self.now) {
            return Err(Held::GithubLimit);
        }
        self.admit_size(job.size)
    }

    fn admit_size(&self, size: Size) -> Result<(), Held> {
        if self.pool == 0 {
            return Err(Held::PoolMax);
        }
        let health = self.health.of(&size);
        let definition = self.limits.definitions.get(&size.to_string()).map(String::as_str).unwrap_or_default();
        let unasked = self.unasked.get(&size).copied().unwrap_or_default();
        if health.not_before.is_some_and(|at| at > self.now) || unasked >= health.unasked_max(definition) {
            return Err(Held::Health);
        }
        if self.run == 0 { Err(Held::ThisRun) } else { Ok(()) }
    }

    fn take(&mut self, size: Size, repository: Option<RepositoryId>) {
        self.pool -= 1;
        self.run -= 1;
        *self.unasked.entry(size).or_default() += 1;
        if let Some(repository) = repository {
            *self.repositories.entry(repository).or_default() += 1;
        }
    }
}
