//! Jobs whose runner AWS reclaimed, where their pool says `rerun_interrupted`: GitHub is asked to
//! run them again, once (I1).

use std::collections::BTreeSet;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;

use super::final_checks::{FinalState, JobAtGithub};
use super::recorder::Recorder;
use super::shadow_model::pool_of;
use super::violation::Invariant;
use mayfly_github_model::jobs::Conclusion;

/// What became of a job whose runner was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interrupted {
    job: JobId,
    runner: String,
    at: Timestamp,
    /// How often GitHub granted us that.
    granted: usize,
    /// Its run has a later attempt.
    again: bool,
}

impl Interrupted {
    /// What is wrong with it.
    fn wrong(&self) -> Option<String> {
        let Self {
            job,
            runner,
            granted,
            again,
            ..
        } = self;
        if !again {
            return Some(format!(
                "AWS took {runner} back from job {job}, and it was not run again"
            ));
        }
        (*granted > 1).then(|| {
            format!(
                "AWS took {runner} back from job {job}, and GitHub was made to run it again {granted} times"
            )
        })
    }
}

/// Jobs that must be run again: of a run's first attempt, failed by GitHub on a runner that AWS
/// took back after it was admitted, of a pool that every file says to have `rerun_interrupted`
/// since it was launched, and nowhere that the App may not look. Not those that no pool takes and
/// GitHub gave to a runner of ours all the same: they have no pool that says so.
fn of<'a>(
    final_state: &'a FinalState<'_>,
    recorder: &'a Recorder,
) -> impl Iterator<Item = Interrupted> {
    let attempts: BTreeSet<(i64, u32)> = final_state
        .jobs
        .iter()
        .map(|job| (job.run, job.attempt))
        .collect();
    let failed = |job: &&JobAtGithub| {
        job.attempt == 1 && job.conclusion == Some(Conclusion::Failure) && job.app && !job.refused
    };
    final_state
        .jobs
        .iter()
        .filter(failed)
        .filter_map(move |job| {
            let address = final_state.ours(job)?;
            final_state.system.job(job.id)?.pool?;
            let runner = recorder.shadow.runners.get(&address)?;
            let at = runner
                .interrupted
                .filter(|at| runner.admitted.is_some_and(|admitted| admitted < *at))?;
            let launched = super::shadow_model::decided(&address)?;
            if !recorder
                .files
                .versions(pool_of(&address), launched, final_state.now)
                .all(|pool| pool.is_some_and(|pool| pool.rerun_interrupted))
            {
                return None;
            }
            let again = attempts
                .range((job.run, 2)..)
                .next()
                .is_some_and(|(run, _)| *run == job.run);
            let granted = recorder
                .shadow
                .reruns
                .get(&job.id)
                .copied()
                .unwrap_or_default();
            Some(Interrupted {
                job: job.id,
                runner: address,
                at,
                granted,
                again,
            })
        })
}

/// Whether some job is still to be run again.
pub(super) fn are_due(final_state: &FinalState<'_>, recorder: &Recorder) -> bool {
    of(final_state, recorder).any(|job| !job.again)
}

/// **I1** A job whose runner AWS reclaimed is run again where its pool says so, and GitHub is asked for it once.
pub(super) fn i1_reclaimed_jobs_run_again_once(
    final_state: &FinalState<'_>,
    recorder: &mut Recorder,
) {
    let found: Vec<Interrupted> = of(final_state, recorder).collect();
    for interrupted in found {
        if let Some(words) = interrupted.wrong() {
            recorder.broken(
                Invariant::I1,
                interrupted.at,
                &[&interrupted.job.to_string(), &interrupted.runner],
                words,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_was_taken_from_its_runner_is_run_again_once_by_us_or_by_someone_else() {
        let at = Timestamp::from_millis(0);
        let wrong = |granted, again| {
            Interrupted {
                job: JobId(7),
                runner: "linux/1".to_owned(),
                at,
                granted,
                again,
            }
            .wrong()
            .is_some()
        };
        assert_eq!(
            [
                wrong(0, false),
                wrong(0, true),
                wrong(1, true),
                wrong(1, false),
                wrong(2, true)
            ],
            [true, false, false, true, true]
        );
    }
}
