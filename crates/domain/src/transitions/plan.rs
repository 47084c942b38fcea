//! The plan: what scaler should do now for one pool. The one place where launches and stops are
//! decided.

use crate::model::limits::Limits;

pub mod confirm;
pub mod to_send;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::hold::HoldReason;
use crate::model::id::{JobId, RepositoryId, RunnerId};
use crate::model::job::WaitingJob;
use crate::model::pool::Pool;
use crate::model::runner::Runner;
use crate::model::size::Size;
use crate::model::start_health::PoolHealth;
use crate::model::story::Reason;
use crate::model::time::Timestamp;
use crate::transitions::coverage::{Coverage, coverage};
use crate::transitions::probes::{PoolState, Probes};
use crate::transitions::refusal::Refusals;

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
    /// Why.
    pub reason: Reason,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Runners to start, the most urgent first.
    pub launch: Vec<Start>,
    /// Runners to mark for stopping.
    pub stop: Vec<Stop>,
    /// Jobs that no runner covers and none is started for, with the reason.
    pub holds: Vec<(JobId, HoldReason)>,
}

/// Decides what to do now for one pool. Pure and total; the order of `jobs` and `runners` does not
/// matter.
#[must_use]
pub fn plan(
    pool: &Pool,
    health: &PoolHealth,
    jobs: &[WaitingJob],
    runners: &[Runner],
    limits: &Limits,
    now: Timestamp,
) -> Plan {
    let known = PoolState {
        health,
        jobs,
        runners,
    };
    let Coverage {
        uncovered,
        surplus,
        idle: _,
        repositories,
        probes,
        refusals,
    } = coverage(pool, limits, known, now);
    let mut room = Room::new(pool, known, limits, repositories, probes, refusals, now);
    let mut plan = Plan::default();
    for job in uncovered {
        match room.admit(job) {
            Ok(()) => {
                room.take(job.size, Some(job.repository));
                plan.launch.push(Start {
                    size: job.size,
                    job: Some(job.id),
                    repository: Some(job.repository),
                });
            }
            Err(hold) => plan.holds.push((job.id, hold)),
        }
    }
    // The floor is of the pool's own size: a runner of a size that the pool no longer has is
    // surplus once no job needs it.
    let (idle, other): (Vec<&Runner>, Vec<&Runner>) = surplus
        .into_iter()
        .partition(|runner| runner.size == pool.size && !runner.is_unresponsive(now));
    let floor = usize::try_from(pool.floor()).unwrap_or(usize::MAX);
    for _ in idle.len()..floor {
        if room.admit_size(pool.size).is_err() {
            break;
        }
        room.take(pool.size, None);
        plan.launch.push(Start {
            size: pool.size,
            job: None,
            repository: None,
        });
    }
    let beyond = idle.into_iter().skip(floor).chain(other);
    plan.stop = beyond
        .map(|runner| Stop {
            runner: runner.id.clone(),
            reason: surplus_reason(runner, now),
        })
        .collect();
    plan.stop
        .sort_by(|one, other| other.runner.cmp(&one.runner));
    plan
}

/// Jobs of a look that must be read again, one by one, before anything is planned: held in reserve
/// by a runner that the look does not show.
///
/// A runner's end and the mark on its job's row (ask GitHub first) are one transaction, but a query
/// may show only the first half of it, and would then cause a needless launch. A read of a single
/// item shows all of what any query has shown a part of.
pub fn jobs_to_reread<'a, J: Borrow<WaitingJob>>(
    jobs: &'a [J],
    runners: &[Runner],
) -> impl Iterator<Item = &'a WaitingJob> {
    let shown: BTreeSet<RunnerId> = runners.iter().map(|runner| runner.id.clone()).collect();
    jobs.iter().map(Borrow::borrow).filter(move |job| {
        job.runner
            .as_ref()
            .is_some_and(|holder| !shown.contains(holder))
    })
}

fn surplus_reason(runner: &Runner, now: Timestamp) -> Reason {
    if runner.is_unresponsive(now) {
        Reason::Unresponsive
    } else if runner.intended.is_some() {
        Reason::NotNeeded
    } else {
        Reason::BeyondIdleFloor
    }
}

/// What is left of every limit while launches are decided one by one.
struct Room<'a> {
    state: PoolState<'a>,
    limits: &'a Limits,
    now: Timestamp,
    pool: u32,
    max: u32,
    run: usize,
    per_repository: Option<u32>,
    repositories: BTreeMap<RepositoryId, u32>,
    unasked: BTreeMap<Size, u32>,
    refusals: Refusals,
    probes: Probes<'a>,
}

impl<'a> Room<'a> {
    /// What the runners that are there leave: how many each repository has by them, and whom they
    /// are tried for.
    fn new(
        pool: &Pool,
        known: PoolState<'a>,
        limits: &'a Limits,
        repositories: BTreeMap<RepositoryId, u32>,
        probes: Probes<'a>,
        refusals: Refusals,
        now: Timestamp,
    ) -> Self {
        let PoolState {
            health, runners, ..
        } = known;
        let rows = u32::try_from(runners.len()).unwrap_or(u32::MAX);
        let mut unasked = BTreeMap::new();
        for runner in runners.iter().filter(|runner| health.on_trial(runner)) {
            *unasked.entry(runner.size).or_default() += 1;
        }
        Self {
            state: known,
            limits,
            now,
            pool: pool.max.saturating_sub(rows),
            max: pool.max,
            run: limits.launches,
            per_repository: pool.max_per_repository,
            repositories,
            unasked,
            refusals,
            probes,
        }
    }

    fn admit(&self, job: &WaitingJob) -> Result<(), HoldReason> {
        if !job.eligible(self.now) {
            return Err(HoldReason::Job);
        }
        let of_repository = self
            .repositories
            .get(&job.repository)
            .copied()
            .unwrap_or_default();
        if let Some(max) = self.per_repository.filter(|max| of_repository >= *max) {
            return Err(HoldReason::RepositoryMax(max));
        }
        if let Some(until) = self.limits.told_to_wait(job.installation, self.now) {
            return Err(HoldReason::GithubLimit(until));
        }
        if let Some(at) = self.refusals.hold(job) {
            return Err(HoldReason::Refused(at));
        }
        if let Some(at) = self.probes.hold(job, self.definition(job.size), self.now) {
            return Err(HoldReason::NotAssigned(at));
        }
        self.admit_size(job.size)
    }

    fn definition(&self, size: Size) -> &str {
        self.limits
            .definitions
            .get(&size.to_string())
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn admit_size(&self, size: Size) -> Result<(), HoldReason> {
        if self.pool == 0 {
            return Err(HoldReason::PoolMax(self.max));
        }
        let definition = self.definition(size);
        let health = self
            .state
            .health
            .of_with(&size, self.state.runners)
            .under(definition);
        let unasked = self.unasked.get(&size).copied().unwrap_or_default();
        if let Some(at) = health.not_before.filter(|at| *at > self.now) {
            return Err(HoldReason::FailedStarts(at));
        }
        if unasked >= health.max_unverified(definition) {
            return Err(HoldReason::Unverified(health.max_unverified(definition)));
        }
        if self.run == 0 {
            Err(HoldReason::ThisRun)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, size: Size, repository: Option<RepositoryId>) {
        self.pool -= 1;
        self.run -= 1;
        *self.unasked.entry(size).or_default() += 1;
        if let Some(repository) = repository {
            *self.repositories.entry(repository).or_default() += 1;
            self.probes.take(repository);
        }
    }
}
