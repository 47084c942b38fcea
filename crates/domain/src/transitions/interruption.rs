//! Runners that AWS takes back (Spot capacity, and hosts that fail or are retired): what is written
//! down of it, and the job that GitHub may be asked to run again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::end::End;
use crate::model::id::JobId;
use crate::model::interruption::Interruption;
use crate::model::job::{JobRecord, JobState};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::{Runner, RunnerState};
use crate::model::size::{Capacity, Size};
use crate::model::story::{StoryEvent, note};
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::transitions::changes::{Changes, WaitingChange};

/// GitHub is asked about an interrupted job after this time: it takes a few minutes until it fails
/// a job whose runner is gone.
const RERUN_AFTER: Duration = Duration::from_secs(60);

/// Only a job of a run's first attempt is run again without anyone asking: what was interrupted
/// twice is someone's decision.
const FIRST_ATTEMPT: u32 = 1;

/// How long it is kept what GitHub was asked for: it runs nothing again that is older than 30 days.
/// Source: docs.github.com, "Re-running workflows and jobs".
const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The jobs of a run that GitHub was asked to run again: its later attempts go on demand, and none
/// of the jobs is asked for again while GitHub may have granted it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// The jobs. One is written here before GitHub is asked, and taken out only if GitHub said in so
    /// many words that it does nothing.
    pub jobs: BTreeSet<JobId>,
    /// When DynamoDB may delete it, in seconds since 1970.
    pub expires_at: i64,
}

impl Rerun {
    /// When one of the jobs was written here last.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at.saturating_mul(1000)).minus(KEPT)
    }

    /// With this job; none if it was asked for before.
    #[must_use]
    pub fn with(&self, job: JobId, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        after.expires_at = now.plus(KEPT).seconds();
        after.jobs.insert(job).then_some(after)
    }

    /// Without this job: GitHub said in so many words that it did nothing.
    #[must_use]
    pub fn without(&self, job: JobId) -> Self {
        let mut after = self.clone();
        after.jobs.remove(&job);
        after
    }
}

impl Changes {
    /// The same, on demand: the first word of a job in an attempt that GitHub was asked for because
    /// AWS reclaimed what an earlier one ran on.
    #[must_use]
    pub fn on_demand(mut self, now: Timestamp) -> Self {
        let on_demand = |size: Size| Size {
            capacity: Capacity::OnDemand,
            ..size
        };
        if let Some(record) = &mut self.record
            && record
                .size
                .is_some_and(|size| size.capacity != Capacity::OnDemand)
        {
            record.size = record.size.map(on_demand);
            note(&mut record.story, now, StoryEvent::MovedOnDemand);
            for change in &mut self.waiting {
                if let WaitingChange::Put(_, row) = change {
                    row.size = on_demand(row.size);
                }
            }
        }
        self
    }
}

impl Task {
    /// True if AWS interrupted it: neither the job nor the image is at fault.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interruption().is_some()
    }

    /// Why AWS took it back; none if AWS did not.
    #[must_use]
    pub fn interruption(&self) -> Option<Interruption> {
        self.end.interruption()
    }
}

/// True if AWS took the runner back while it had a job. It ends as `ran`, since it had one and is
/// paid for it; this and its reason tell the rest.
#[must_use]
pub fn at_work(runner: &Runner, end: End<'_>) -> bool {
    let End::Stopped(task) = end else {
        return false;
    };
    let working = runner.work.is_some() || runner.state == RunnerState::Busy;
    // The runner gets two minutes' notice, cancels its job and reports that: the job ends before
    // the task. GitHub's times are whole seconds.
    let notice = task.timeline.stopping.or(runner.timeline.stopping);
    let over_before =
        |done: Timestamp| notice.is_none_or(|notice| done.plus(Duration::from_secs(1)) <= notice);
    task.is_interrupted()
        && working
        && runner.refused.is_none()
        && !runner.done_at.is_some_and(over_before)
}

/// The job's record, with what became of its runner. Its state is GitHub's to say.
#[must_use]
pub fn with_interruption(
    job: &JobRecord,
    runner: &Runner,
    end: End<'_>,
    now: Timestamp,
) -> JobRecord {
    let mut after = job.clone();
    let by = match end {
        End::Stopped(task) => task.interruption(),
        End::NeverStarted(..) | End::Missing => None,
    };
    note(
        &mut after.story,
        now,
        StoryEvent::Interrupted {
            runner: runner.id.clone(),
            by,
            job_open: job.state != JobState::Closed,
        },
    );
    after
}

/// The follow-up to have an interrupted job run again, if it ever may be; whether its pool wants
/// that is looked up when the follow-up is run.
#[must_use]
pub fn rerun(job: &JobRecord, now: Timestamp) -> Option<OutboxEntry> {
    let lost = job.attempt == FIRST_ATTEMPT && job.conclusion.as_deref() != Some("success");
    let open = job.state != JobState::Unplaced && job.pool.is_some();
    (lost && open).then(|| {
        OutboxEntry::new(
            FollowUp::RerunJob(job.id),
            job.installation,
            now,
            RERUN_AFTER,
        )
    })
}
