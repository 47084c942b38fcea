//! Stories: what happened to a job or a runner, as typed events. Text is made of them at the edge
//! ([`std::fmt::Display`]), and nothing reads that text back.

mod reason;
mod sentences;

use serde::{Deserialize, Serialize};

use crate::model::id::{GithubRunnerId, JobId, PoolName, RunId, RunnerId};
use crate::model::interruption::Interruption;
use crate::model::target::Scope;
use crate::model::time::Timestamp;

pub use reason::{LeftPool, MemoryKill, PoolChange, Reason, Refusal, TaskEnd};

/// One line of a job's or runner's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What. Beside the time, not within: every look at a pool reads the stories of all of its
    /// runners.
    #[serde(flatten)]
    pub event: StoryEvent,
}

/// What happened to a job or a runner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StoryEvent {
    /// A job goes to a pool.
    Placed {
        /// The pool.
        pool: PoolName,
        /// That version of the pools file.
        pools_version: u64,
        /// The pool that it was in before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<LeftPool>,
    },
    /// A job stays in its pool, whose runners register elsewhere now.
    RegistersElsewhere {
        /// Where.
        scope: Scope,
        /// That version of the pools file.
        pools_version: u64,
    },
    /// No pool takes a job.
    Unplaced {
        /// Why.
        reason: Reason,
    },
    /// A job that no pool took for a day is not matched any more.
    MatchingGivenUp,
    /// A job waits for a runner.
    Queued,
    /// GitHub holds a job back: an environment's protection rule or a concurrency group.
    Gated,
    /// A job was queued for so long when Mayfly heard of it that GitHub is asked before a runner is
    /// started.
    QueuedLongAgo,
    /// GitHub, when asked, says that nothing holds a job back.
    FoundQueued,
    /// GitHub, when asked, says that a job is held back.
    FoundGated,
    /// GitHub, when asked, says that a job still waits.
    StillQueued,
    /// GitHub shows a job as waiting, but its run as over.
    RunOver,
    /// GitHub said something of a job that one answer does not prove.
    Unconfirmed {
        /// What.
        reason: Reason,
    },
    /// GitHub has a job wait again that a runner had begun.
    QueuedAgain {
        /// That runner's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner: Option<String>,
    },
    /// GitHub did not show a job for so long that it is taken for over.
    GivenUp {
        /// What GitHub said.
        reason: Reason,
    },
    /// GitHub shows a job that was given up.
    Reopened,
    /// A job waits for its next try.
    AwaitsRetry {
        /// Why.
        reason: Reason,
    },
    /// A user had a job tried again.
    Retried {
        /// Who.
        by: String,
        /// GitHub is asked about it before a runner is started.
        asks_github: bool,
    },
    /// A runner began a job.
    Started {
        /// The runner's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner: Option<String>,
    },
    /// A job is over.
    Completed {
        /// How it ended, in GitHub's word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conclusion: Option<String>,
    },
    /// AWS reclaimed the runner that had a job.
    Interrupted {
        /// The runner.
        runner: RunnerId,
        /// Why AWS did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Interruption>,
        /// GitHub has not ended the job yet, and will fail it.
        job_open: bool,
    },
    /// The runner that had a job was killed for want of memory.
    OutOfMemory {
        /// The runner.
        runner: RunnerId,
        /// Its pool.
        pool: PoolName,
        /// The memory of its task.
        memory_mib: u32,
        /// How that is known.
        told: MemoryKill,
    },
    /// The kernel killed processes in a runner's container for want of memory.
    ProcessesKilled {
        /// How many.
        count: u32,
        /// The memory of its task.
        memory_mib: u32,
    },
    /// A job goes on demand, since AWS reclaimed the Spot capacity of its run's earlier attempt.
    MovedOnDemand,
    /// GitHub was asked to run an interrupted job again.
    RerunRequested,
    /// GitHub does not run an interrupted job again, for now.
    RerunRefused {
        /// GitHub's words.
        message: String,
    },
    /// GitHub gave no answer to the request to run an interrupted job again.
    RerunUnanswered,

    /// A runner was decided on.
    Requested {
        /// The job that it is started for; none for the idle floor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
    /// ECS did not answer a runner's launch, which was sent again.
    LaunchRepeated,
    /// ECS had no place for a runner's task, and the next zone or capacity is tried.
    LaunchMoved {
        /// ECS's words.
        message: String,
    },
    /// ECS started a runner's task.
    TaskStarted {
        /// The task's id.
        task: String,
    },
    /// ECS does not know a runner's task, and is asked once more.
    TaskNotFound,
    /// A runner asked for its registration.
    AskedForRegistration,
    /// GitHub is asked to register a runner for a job.
    Registering {
        /// The runner's name at GitHub.
        name: String,
        /// The job.
        job: JobId,
        /// The job's repository, `owner/name`.
        repository: String,
    },
    /// GitHub registered a runner.
    Registered {
        /// GitHub's id of it.
        github: GithubRunnerId,
    },
    /// GitHub did not register a runner.
    RegistrationRefused {
        /// GitHub's words.
        message: String,
    },
    /// A runner's job may run.
    Admitted {
        /// The job's run.
        run: RunId,
        /// Its repository, `owner/name`.
        repository: String,
    },
    /// A runner's job is not allowed to run.
    JobRefused {
        /// Why.
        reason: Reason,
    },
    /// A runner works on a job.
    WorksOn {
        /// The job.
        job: JobId,
        /// Its repository, `owner/name`.
        repository: String,
    },
    /// GitHub says that a runner has a job, though nothing else did.
    FoundBusy,
    /// A runner works on another job than the one that it held in reserve, since GitHub says that
    /// one waits.
    FoundOnOtherJob,
    /// GitHub does not know a runner any more, so its job is over.
    GoneAtGithub,
    /// GitHub says that a runner's job is over.
    FoundDone,
    /// A user wants a runner to end.
    StopRequested {
        /// Who.
        by: String,
        /// Although it has a job.
        at_work: bool,
    },
    /// A runner's task must be stopped.
    MarkedForStop {
        /// Why.
        reason: Reason,
    },
    /// A runner without a job was removed at GitHub.
    Deregistered,
    /// Sweeper tried to remove a runner at GitHub, which shows the App neither the runner nor its
    /// repository or organization.
    NotDeregistered,
    /// A runner ended.
    Ended {
        /// Why.
        reason: Reason,
    },
    /// The task of a closed runner still runs, and is left alone.
    TaskLeftRunning {
        /// True: GitHub says that the runner has a job. False: GitHub shows the App neither the
        /// runner nor its repository or organization.
        busy: bool,
    },
    /// What a closed runner left at GitHub was removed.
    RegistrationsRemoved,

    /// What a newer version wrote and this one does not know.
    #[serde(untagged)]
    Other {
        /// The kind that it wrote.
        kind: String,
    },
}

impl StoryEvent {
    /// The job that a line of a runner's story is about.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Requested { job } => *job,
            Self::Registering { job, .. } | Self::WorksOn { job, .. } => Some(*job),
            _ => None,
        }
    }
}

/// Most lines of a story: it must not outgrow DynamoDB's item.
const MOST_NOTES: usize = 40;

/// Adds a line to a story, and drops one when it grows too long. The first lines and the newest are
/// worth most, so one near the middle goes; one that tells which job a runner is about goes last,
/// unless a later one tells the same.
pub fn note(story: &mut Vec<Note>, at: Timestamp, event: StoryEvent) {
    story.push(Note { at, event });
    if story.len() > MOST_NOTES {
        let middle = MOST_NOTES / 2;
        let told_later = |place: usize, job| {
            story[place + 1..]
                .iter()
                .any(|later| later.event.job() == Some(job))
        };
        let droppable = |place: &usize| {
            story[*place]
                .event
                .job()
                .is_none_or(|job| told_later(*place, job))
        };
        let nearest = (1..story.len() - 1)
            .filter(droppable)
            .min_by_key(|place| place.abs_diff(middle));
        story.remove(nearest.unwrap_or(middle));
    }
}
