//! Who can cover whom, told a second time and independently of `plan`, and the most jobs that can be covered at once.

use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::runner::{Runner, RunnerState};

use crate::world::builders::NOW;

fn heard(runner: &Runner) -> bool {
    // Two polls of 5 s and a whole request of 35 s.
    runner.heard_at.is_some_and(|at| NOW.millis() - at.millis() <= 45_000)
}

/// True if the runner may count as the one that is on its way for the job.
pub(crate) fn covers(runner: &Runner, job: &WaitingJob) -> bool {
    if runner.stop.is_some() || runner.refused.is_some() {
        return false;
    }
    let target = runner.target.as_ref().is_some_and(|target| target.key() == job.target);
    match runner.state {
        RunnerState::Requested => runner.size == job.size && job.eligible(NOW),
        RunnerState::Parked => heard(runner) && runner.size == job.size && job.eligible(NOW),
        RunnerState::Registering => heard(runner) && target,
        RunnerState::Registered => target,
        RunnerState::Busy if runner.done_at.is_some() => false,
        RunnerState::Busy => match &runner.work {
            Some(work) => work.job.is_none() && (work.run, work.attempt) == (job.run, job.attempt),
            None => runner.reserved == Some(job.id),
        },
    }
}

/// Jobs that wait: those that no runner names.
pub(crate) fn open<'a>(jobs: &'a [WaitingJob], runners: &[Runner]) -> Vec<&'a WaitingJob> {
    let named = |job: &WaitingJob| runners.iter().any(|runner| runner.work.as_ref().is_some_and(|work| work.job == Some(job.id)));
    jobs.iter().filter(|job| !named(job)).collect()
}

/// The most of these jobs that these runners can cover at once, each runner at most one job: a maximum matching, by augmenting paths.
pub(crate) fn most_covered(jobs: &[&WaitingJob], runners: &[Runner]) -> usize {
    fn augment(job: usize, jobs: &[&WaitingJob], runners: &[Runner], seen: &mut [bool], of: &mut [Option<usize>]) -> bool {
        for (at, runner) in runners.iter().enumerate() {
            if seen[at] || !covers(runner, jobs[job]) {
                continue;
            }
            seen[at] = true;
            if of[at].is_none_or(|other| augment(other, jobs, runners, seen, of)) {
                of[at] = Some(job);
                return true;
            }
        }
        false
    }
    let mut of = vec![None; runners.len()];
    (0..jobs.len()).filter(|&job| augment(job, jobs, runners, &mut vec![false; runners.len()], &mut of)).count()
}
