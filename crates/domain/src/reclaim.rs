//! Spot capacity that AWS takes back: what is written down of it, and the job that GitHub may be asked to run again.

use std::time::Duration;

use crate::errand::{Errand, Open};
use crate::job::{JobRecord, JobState, note};
use crate::runner::{Runner, RunnerState};
use crate::task::{End, Task};
use crate::time::Timestamp;

/// ECS's code for a task whose Spot capacity was taken back. Source: ECS API reference, `Task`, `stopCode`.
const SPOT_INTERRUPTION: &str = "SpotInterruption";

/// GitHub is asked about an interrupted job after this time: it takes a few minutes until it fails a job whose runner is gone.
const ASK_AFTER: Duration = Duration::from_secs(60);

/// Only a job of a run's first attempt is run again without anybody asking: what was interrupted twice is somebody's decision.
const FIRST_ATTEMPT: u32 = 1;

impl Task {
    /// True if AWS took back its capacity.
    #[must_use]
    pub fn is_reclaimed(&self) -> bool {
        self.stop_code.as_deref() == Some(SPOT_INTERRUPTION)
    }
}

/// True if AWS took the runner back while it had a job. It ends as `ran`, since it had one and is paid for it; this and its reason tell the rest.
#[must_use]
pub fn at_work(runner: &Runner, end: End<'_>) -> bool {
    let reclaimed = matches!(end, End::Stopped(task) if task.is_reclaimed());
    let working = runner.work.is_some() || runner.state == RunnerState::Busy;
    reclaimed && working && runner.done_at.is_none() && runner.refused.is_none()
}

/// The job's record, with what became of its runner. Its state is GitHub's to say.
#[must_use]
pub fn noted(job: &JobRecord, runner: &Runner, now: Timestamp) -> JobRecord {
    let mut after = JobRecord { rev: job.rev + 1, ..job.clone() };
    note(&mut after.story, now, format!("AWS took back the Spot capacity of runner {} while it had the job: GitHub will fail it", runner.id));
    after
}

/// The errand to have an interrupted job run again, if it ever may be; whether its pool wants that is looked up when the errand is run.
#[must_use]
pub fn rerun(job: &JobRecord, now: Timestamp) -> Option<Open> {
    let lost = job.attempt == FIRST_ATTEMPT && job.conclusion.as_deref() != Some("success");
    let open = job.state != JobState::Unplaced && job.pool.is_some();
    (lost && open).then(|| Open::new(Errand::Rerun(job.id), job.installation, now, ASK_AFTER))
}
