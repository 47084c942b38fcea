//! Random looks at a pool: what scaler may find when it plans, in every combination that the ledger allows.

use std::fmt;

use mayfly_domain::model::health::{Health, SizeHealth};
use mayfly_domain::model::id::{InstallationId, JobId, RepositoryId, RunId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::{Runner, RunnerState, Work};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::{Plan, plan};
use proptest::prelude::*;

use crate::world::builders::{
    DEFINITION, NOW, OLD, OWN, ago, health, installation, job_of, later, limits, marked, pool, registered, requested, target,
};

/// All that a plan depends on.
#[derive(Clone)]
pub(crate) struct Look {
    pub(crate) pool: Pool,
    pub(crate) health: Health,
    pub(crate) jobs: Vec<WaitingJob>,
    pub(crate) runners: Vec<Runner>,
    pub(crate) limits: Limits,
}

/// Short: a runner has thirty fields, and a counterexample is to be read.
impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, health, jobs, runners, limits } = self;
        writeln!(f, "\nmax {}, per repository {:?}, floor {}", pool.max, pool.max_per_repository, pool.min_idle)?;
        writeln!(f, "launches {}, github {:?}, health {:?}", limits.launches, limits.github, health.sizes)?;
        for job in jobs {
            let WaitingJob { id, size, target, repository, run, attempt, queued_at, .. } = job;
            let age = NOW.since(*queued_at).as_secs();
            writeln!(
                f,
                "job {id}: {} of {repository}, {}, run {run}-{attempt}, {age} s old, eligible {}",
                size.cpu,
                target.0,
                job.eligible(NOW)
            )?;
        }
        for runner in runners {
            let Runner { id, size, state, work, reserved, repository, stop, .. } = runner;
            let target = runner.target.as_ref().map(|target| target.key().0).unwrap_or_default();
            let heard = runner.heard_at.map(|at| NOW.since(at).as_secs());
            write!(f, "runner {}: {state:?}, {}, {target}, of {repository:?}, holds {reserved:?}, heard {heard:?}", id.as_str(), size.cpu)?;
            let work = work.as_ref().map(|work| (work.run.0, work.attempt, work.job));
            writeln!(
                f,
                ", work {work:?}, stop {}, refused {}, done {}",
                stop.is_some(),
                runner.refused.is_some(),
                runner.done_at.is_some()
            )?;
        }
        Ok(())
    }
}

impl Look {
    pub(crate) fn plan(&self) -> Plan {
        plan(&self.pool, &self.health, &self.jobs, &self.runners, &self.limits, NOW)
    }

    /// The look after this one's plan was committed: a row for every launch, a mark on every stop.
    pub(crate) fn with_applied(&self, plan: &Plan) -> Self {
        let mut after = self.clone();
        for runner in &mut after.runners {
            if plan.stop.iter().any(|stop| stop.runner == runner.id) {
                *runner = marked(runner.clone());
            }
        }
        for (number, start) in plan.launch.iter().enumerate() {
            let row = requested(900_000 + u64::try_from(number).unwrap());
            after.runners.push(Runner { size: start.size, intended: start.job, repository: start.repository, arn: None, ..row });
        }
        after
    }

    /// This look without any limit but that of its jobs: room, capacity, and a size that works.
    pub(crate) fn unlimited(mut self) -> Self {
        self.pool.max = 10_000;
        self.pool.max_per_repository = None;
        self.limits = limits();
        self.health = crate::world::builders::proven();
        self
    }
}

/// How free a generator is: in a plain world every target has one size, and a run has jobs of one target only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    Plain,
    Wild,
}

fn size(world: World, repository: i64) -> BoxedStrategy<Size> {
    match world {
        World::Plain => Just(if repository == 2 { OLD } else { OWN }).boxed(),
        World::Wild => prop_oneof![2 => Just(OWN), 1 => Just(OLD)].boxed(),
    }
}

fn label() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("mayfly"), 1 => Just("gpu")]
}

/// The run of a job; in a plain world its number tells repository and label.
fn run(world: World, repository: i64, label: &str) -> BoxedStrategy<RunId> {
    match world {
        World::Plain => {
            let first = repository * 10 + i64::from(label == "gpu") * 5;
            (first..first + 2).prop_map(RunId).boxed()
        }
        World::Wild => (1i64..4).prop_map(RunId).boxed(),
    }
}

fn time_to_wait() -> impl Strategy<Value = Option<Timestamp>> {
    prop_oneof![6 => Just(None), 1 => Just(Some(ago(1))), 1 => Just(Some(NOW)), 1 => Just(Some(later(60)))]
}

pub(crate) fn waiting_job(world: World, id: i64) -> impl Strategy<Value = WaitingJob> {
    (1i64..4, label()).prop_flat_map(move |(repository, label)| {
        let particulars = (size(world, repository), run(world, repository, label), 1u32..3, 0u64..120);
        (particulars, time_to_wait(), prop::bool::weighted(0.1), 0u32..4).prop_map(move |(particulars, not_before, ask, attempts)| {
            let (size, run, attempt, age) = particulars;
            WaitingJob { size, run, attempt, queued_at: ago(age), not_before, ask, attempts, ..job_of(id, repository, label) }
        })
    })
}

pub(crate) fn jobs(world: World, most: usize) -> impl Strategy<Value = Vec<WaitingJob>> {
    (0..=most).prop_flat_map(move |count| (1..=i64::try_from(count).unwrap()).map(|id| waiting_job(world, id)).collect::<Vec<_>>())
}

/// A runner in any state that the ledger allows. Jobs that it names have the numbers of waiting ones, or others.
pub(crate) fn runner(world: World, number: u64) -> impl Strategy<Value = Runner> {
    let silence = prop_oneof![4 => Just(3u64), 1 => Just(45), 1 => Just(46), 1 => Just(3600)];
    let flags = (prop::bool::weighted(0.25), prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::option::of(1i64..9));
    (1i64..4, label(), 0usize..5, silence, flags).prop_flat_map(move |(repository, label, state, silence, flags)| {
        let drawn = (size(world, repository), run(world, repository, label), 1u32..3, prop::option::of(1i64..9));
        drawn.prop_map(move |(size, run, attempt, named)| {
            let (first, second, third, intended) = flags;
            let target = target(repository, label);
            let base = Runner { size, intended: intended.map(JobId), ..requested(number) };
            let heard = Runner { asked_at: Some(ago(50)), heard_at: Some(ago(silence)), ..base.clone() };
            let for_repository = (intended.is_some()).then_some(RepositoryId(repository));
            let full = Runner { size, intended: base.intended, ..registered(number, intended.unwrap_or(50), target) };
            match state {
                0 if first => marked(Runner { repository: for_repository, ..base }),
                0 => Runner { repository: for_repository, ..base },
                1 if first => marked(Runner { state: RunnerState::Parked, repository: for_repository, ..heard }),
                1 => Runner { state: RunnerState::Parked, repository: for_repository, ..heard },
                2 => Runner {
                    state: RunnerState::Registering,
                    github: None,
                    registered_at: None,
                    heard_at: heard.heard_at,
                    reserved: full.reserved.filter(|_| !first),
                    ..full
                },
                3 => full,
                _ => Runner {
                    state: RunnerState::Busy,
                    // GitHub may have told sweeper that the runner is busy, and nothing more.
                    work: (!second).then_some(Work { run, attempt, job: named.map(JobId), since: ago(4) }),
                    refused: first.then_some(Reason::NeverRegistered),
                    done_at: third.then_some(ago(1)),
                    ..full
                },
            }
        })
    })
}

pub(crate) fn runners(world: World, most: usize) -> impl Strategy<Value = Vec<Runner>> {
    // Numbers out of order: the order of ids is not the order of rows.
    (0..=most)
        .prop_flat_map(move |count| (1..=u64::try_from(count).unwrap()).map(|number| runner(world, number * 7 % 31)).collect::<Vec<_>>())
}

fn size_health() -> impl Strategy<Value = SizeHealth> {
    let kind = prop_oneof![Just(FailureKind::Passing), Just(FailureKind::Quota), Just(FailureKind::Configuration)];
    let proven = prop_oneof![2 => Just(Some(DEFINITION.to_owned())), 1 => Just(None), 1 => Just(Some("older".to_owned()))];
    let failed = prop::option::of(Just(DEFINITION.to_owned()));
    let story = (0u32..7, prop::option::of(kind), time_to_wait(), proven, failed, any::<bool>());
    story.prop_map(|(failures, kind, not_before, proven, failed, after_registration)| SizeHealth {
        failures: if kind.is_some() { failures } else { 0 },
        raised_at: not_before.map(|_| ago(120)),
        not_before,
        kind,
        proven,
        failed,
        after_registration: after_registration && kind.is_some(),
        ..SizeHealth::default()
    })
}

pub(crate) fn look(world: World) -> impl Strategy<Value = Look> {
    let pools = (0u32..14, prop::option::of(0u32..4), 0u32..4).prop_map(|(max, max_per_repository, min_idle)| Pool {
        max,
        max_per_repository,
        // A pool that is paused may say how many it keeps otherwise.
        min_idle: if max == 0 { min_idle } else { min_idle.min(max) },
        ..pool()
    });
    let healths = (size_health(), size_health(), any::<bool>());
    let healths = healths.prop_map(|(own, old, known)| if known { health([(OWN, own), (OLD, old)]) } else { Health::default() });
    let limited = (prop::option::of(0u64..120), prop_oneof![1 => 0usize..6, 3 => Just(1000)]).prop_map(|(wait, launches)| {
        let github =
            wait.map(|seconds| (installation(3), Timestamp::from_millis(ago(60).millis() + 1000 * i64::try_from(seconds).unwrap())));
        Limits { github: github.into_iter().collect::<std::collections::BTreeMap<InstallationId, Timestamp>>(), launches, ..limits() }
    });
    (pools, healths, jobs(world, 8), runners(world, 8), limited).prop_map(|(pool, health, jobs, runners, limits)| Look {
        pool,
        health,
        jobs,
        runners,
        limits,
    })
}
