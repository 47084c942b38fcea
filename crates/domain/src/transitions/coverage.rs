//! Coverage: which waiting jobs can count on a runner, and which runners have no job to wait for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::{JobId, RepositoryId};
use crate::model::job::WaitingJob;
use crate::model::limits::Limits;
use crate::model::pool::Pool;
use crate::model::runner::{Runner, RunnerState};
use crate::model::target::Target;
use crate::model::time::Timestamp;
use crate::transitions::probes::{PoolState, Probes};
use crate::transitions::refusal::Refusals;

/// Who covers whom.
pub(crate) struct Coverage<'a> {
    /// Jobs that no runner covers, oldest first.
    pub(crate) uncovered: Vec<&'a WaitingJob>,
    /// Unregistered runners that cover nothing: those that are kept longest first.
    pub(crate) surplus: Vec<&'a Runner>,
    /// Registered runners that GitHub knows, and that no waiting job is for.
    pub(crate) idle: Vec<&'a Runner>,
    /// How many runners each repository has, those counted that will be its own when they register
    /// for the job they cover.
    pub(crate) repositories: BTreeMap<RepositoryId, u32>,
    /// Which runners may still be tried where GitHub gives them nothing.
    pub(crate) probes: Probes<'a>,
    /// Where GitHub refuses every runner.
    pub(crate) refusals: Refusals,
}

/// Gives each waiting job at most one runner and each runner at most one job, the most specific
/// runners first: those busy with the job's run, then those registered for its target, then those
/// of its size. Each kind serves a part of what the next one serves, so nothing is wasted.
pub(crate) fn coverage<'a>(
    pool: &Pool,
    limits: &Limits,
    known: PoolState<'a>,
    now: Timestamp,
) -> Coverage<'a> {
    let PoolState { jobs, runners, .. } = known;
    let mut probes = Probes::new(known);
    let named: BTreeSet<JobId> = runners
        .iter()
        .filter_map(|runner| runner.work.as_ref()?.job)
        .collect();
    let refusals = Refusals::of(jobs);
    let its_turn = |job: &WaitingJob| job.eligible(now) && refusals.hold(job).is_none();
    let mut open: Vec<&WaitingJob> = jobs.iter().filter(|job| !named.contains(&job.id)).collect();
    open.sort_by_key(|job| (!its_turn(job), job.rank()));
    let mut repositories = BTreeMap::new();
    for repository in runners.iter().filter_map(|runner| runner.repository) {
        *repositories.entry(repository).or_default() += 1;
    }
    let mut runners: Vec<&Runner> = runners
        .iter()
        .filter(|runner| runner.stop.is_none())
        .collect();
    // A busy runner whose run is unknown covers one job at most, so it comes before those that may
    // cover several.
    runners.sort_by_key(|runner| (Reverse(runner.state), runner.work.is_some(), &runner.id));

    let (mut surplus, mut idle) = (Vec::new(), Vec::new());
    for runner in runners {
        let open_to_all = |job: &WaitingJob| {
            let of_repository = repositories
                .get(&job.repository)
                .copied()
                .unwrap_or_default();
            pool.max_per_repository
                .is_none_or(|max| of_repository < max)
                && limits.told_to_wait(job.installation, now).is_none()
                && probes.hold(job, &runner.launch.definition, now).is_none()
        };
        let covered = match runner.state {
            RunnerState::Busy => at_work_on(runner, &open),
            RunnerState::Registered | RunnerState::Registering => {
                registered_for(runner, &open, now)
            }
            RunnerState::Parked | RunnerState::Requested if runner.is_unresponsive(now) => None,
            RunnerState::Parked | RunnerState::Requested => {
                free_for(runner, &open, its_turn, open_to_all)
            }
        };
        let covered = covered.map(|at| open.remove(at));
        match covered {
            Some(job)
                if runner.state.unregistered() && runner.repository != Some(job.repository) =>
            {
                *repositories.entry(job.repository).or_default() += 1;
                probes.take(job.repository);
            }
            None if runner.state.unregistered() => surplus.push(runner),
            None if runner.state == RunnerState::Registered && runner.retired_at.is_none() => {
                idle.push(runner)
            }
            Some(_) | None => {}
        }
    }
    // Those heard of lately first, then the oldest: the newest are stopped first.
    surplus.sort_by_key(|runner| {
        (
            runner.is_unresponsive(now),
            Reverse(runner.state),
            &runner.id,
        )
    });
    Coverage {
        uncovered: open,
        surplus,
        idle,
        repositories,
        probes,
        refusals,
    }
}

/// The job that a busy runner most likely runs, until a delivery names it: one of its run or, if
/// the run is unknown, too (GitHub refused to delete the runner), the job that it has reserved.
fn at_work_on(runner: &Runner, open: &[&WaitingJob]) -> Option<usize> {
    if runner.refused.is_some() || runner.done_at.is_some() {
        return None;
    }
    let own = |job: &&WaitingJob| Some(job.id) == runner.reserved;
    let Some(work) = &runner.work else {
        return position(open, own);
    };
    if work.job.is_some() {
        return None;
    }
    let of_run = |job: &&WaitingJob| (job.run, job.attempt) == (work.run, work.attempt);
    let key = runner.target.as_ref().map(Target::key);
    position(open, |job| of_run(job) && own(job))
        .or_else(|| position(open, |job| of_run(job) && Some(&job.target) == key.as_ref()))
        .or_else(|| position(open, of_run))
}

/// A job of the target that the runner is, or is being, registered for. Of its own size if there is
/// one: after a change of the pools file one target has jobs of two sizes, and the unregistered
/// runners can serve only their own.
fn registered_for(runner: &Runner, open: &[&WaitingJob], now: Timestamp) -> Option<usize> {
    if runner.retired_at.is_some() {
        return position(open, |job| is_reserved_by(job, runner));
    }
    if runner.is_unresponsive(now) {
        return None;
    }
    let key = runner.target.as_ref()?.key();
    position(open, |job| {
        job.target == key && job.size == runner.size && job.eligible(now)
    })
    .or_else(|| position(open, |job| job.target == key))
}

/// True if the job is in reserve for the runner, and both say so. GitHub gives no job to a
/// deregistered runner. Why it got none is unknown, so at its end GitHub is asked about the job
/// first; a runner started before that would most often be for a job that is over.
fn is_reserved_by(job: &WaitingJob, runner: &Runner) -> bool {
    runner.reserved == Some(job.id) && job.runner.as_ref() == Some(&runner.id)
}

/// A job that a runner without a registration can be given: of its size, and either of the
/// repository it was started for or of one that can have it now (`open_to_all`). A job that cannot
/// start yet (its own backoff, `its_turn`; its repository's or installation's limit) holds no
/// runner: it would keep a surplus one alive, or, if it took one of the idle floor, make the floor
/// refill forever.
fn free_for(
    runner: &Runner,
    open: &[&WaitingJob],
    its_turn: impl Fn(&WaitingJob) -> bool,
    open_to_all: impl Fn(&WaitingJob) -> bool,
) -> Option<usize> {
    let fits = |job: &&WaitingJob| job.size == runner.size && its_turn(job);
    let first = position(open, fits)?;
    if open_to_all(open[first]) {
        return Some(first);
    }
    position(open, |job| {
        fits(job) && runner.repository == Some(job.repository)
    })
    .or_else(|| position(open, |job| fits(job) && open_to_all(job)))
}

fn position(open: &[&WaitingJob], wanted: impl Fn(&&WaitingJob) -> bool) -> Option<usize> {
    open.iter().position(wanted)
}
