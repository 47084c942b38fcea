//! Why a job waits or does not run, and why a runner ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::id::PoolName;
use crate::model::interruption::Interruption;

/// Why a job waits or does not run, or why a runner ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// No pool takes the job: one of its labels is surely meant to be another one.
    LabelMiswritten {
        /// The labels that it asks for, as a sentence shows them.
        asked: String,
        /// The label, shown so, too.
        label: String,
        /// What it is meant to be.
        meant: String,
    },
    /// No pool takes the job: one of its labels is surely meant to be several.
    LabelsInOne {
        /// The labels that it asks for, as a sentence shows them.
        asked: String,
        /// The label, shown so, too.
        label: String,
        /// What they are meant to be.
        meant: String,
    },
    /// No pool takes the job: its labels fit a pool, but say nothing about it.
    NoLabelOfItsOwn {
        /// The labels that it asks for, as a sentence shows them.
        asked: String,
        /// The pool.
        pool: PoolName,
    },
    /// No pool takes the job: the nearest one lacks some of its labels.
    LabelsNotOffered {
        /// The labels that it asks for, as a sentence shows them.
        asked: String,
        /// The nearest pool.
        pool: PoolName,
        /// What it lacks, shown so, too.
        missing: String,
    },
    /// No pool takes the job: there is none.
    NoPools {
        /// The labels that it asks for, as a sentence shows them.
        asked: String,
    },
    /// No pool takes the job: none offers any of its labels.
    NoLabelOffered,
    /// A pool's labels fit the job, but it is not served.
    NotServed {
        /// Why.
        refusal: Refusal,
    },
    /// The job names no label.
    NoLabels,
    /// No pool is meant by the job.
    NotOurs,
    /// The job has lost its pool, and no other one takes it.
    LeftPool {
        /// The pool.
        left: LeftPool,
        /// Why no other one takes it.
        then: Box<Reason>,
    },
    /// No pools file took the job for a day, so it is no longer matched.
    MatchingGivenUp {
        /// Why the last one did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Box<Reason>>,
    },

    /// GitHub holds the job back: an environment's protection rule or a concurrency group.
    Gated,
    /// GitHub shows the job, which was given up.
    Reopened,
    /// GitHub has the job wait again, and no pool takes it.
    QueuedAgainUnplaced,
    /// GitHub shows the job as queued, although a runner had begun it.
    QueuedAgainUnconfirmed,
    /// GitHub shows the repository, but not the job.
    JobNotFound,
    /// The App may not see the job's repository.
    RepositoryNotVisible {
        /// The repository, `owner/name`.
        repository: String,
        /// GitHub's words.
        message: String,
    },
    /// One answer of GitHub's does not prove this, and it is asked again.
    AskedAgain {
        /// What it said.
        why: Box<Reason>,
    },
    /// GitHub said this for so long that the job is taken for over.
    GivenUp {
        /// What it said.
        why: Box<Reason>,
        /// For how long.
        #[serde(with = "seconds")]
        after: Duration,
    },
    /// GitHub refuses a runner for the job for good.
    RunnerRefused {
        /// GitHub's words.
        message: String,
        /// How long until the next try.
        #[serde(with = "seconds")]
        wait: Duration,
    },
    /// GitHub gave the runner that registered for the job nothing.
    NotAssigned {
        /// Why that runner ended.
        why: Box<Reason>,
    },
    /// GitHub gave no job to any runner that registered for this one, so it is tried from time to
    /// time.
    NeverAssigned {
        /// How many there were.
        runners: u32,
        /// Why the last one ended.
        why: Box<Reason>,
    },
    /// The job's runner failed as soon as it was registered.
    RunnerFailed {
        /// Why.
        why: Box<Reason>,
    },
    /// The job is over, and never ran: what it waited for.
    WhileItWaited {
        /// What.
        why: Box<Reason>,
    },
    /// A runner that held the job in reserve ran a job, and GitHub has not said which.
    MayHaveRun,
    /// GitHub is asked whether the job still waits.
    AskedFirst,

    /// The runner's job was refused.
    JobRefused {
        /// Why.
        why: Box<Reason>,
    },
    /// The job began without being admitted.
    Unadmitted,
    /// The runner has had its one job.
    HadItsJob,
    /// The runner was never registered.
    NeverRegistered,
    /// The job's repository is not the one that the runner is registered for.
    RegisteredElsewhere {
        /// The repository, `owner/name`.
        repository: String,
    },
    /// The pool was removed from the pools file, and had taken no job of the repository.
    PoolRemoved {
        /// The pool.
        pool: PoolName,
        /// The repository, `owner/name`.
        repository: String,
    },
    /// The pool does not list the repository.
    RepositoryNotListed {
        /// The pool.
        pool: PoolName,
        /// The repository, `owner/name`.
        repository: String,
    },
    /// The repository is public, and the pool takes none that is.
    RepositoryPublic {
        /// The pool.
        pool: PoolName,
        /// The repository, `owner/name`.
        repository: String,
    },

    /// A user stopped the runner.
    StoppedBy {
        /// Who.
        by: String,
    },
    /// The runner stopped asking for a registration.
    Unresponsive,
    /// The job that the runner was started for needs it no longer.
    NotNeeded,
    /// The runner is beyond the idle floor.
    BeyondIdleFloor,
    /// The runner makes room for jobs that wait for others.
    MakesRoom,
    /// The runner did not ask for its registration in time.
    StartTimeout {
        /// How long it had.
        #[serde(with = "seconds")]
        within: Duration,
    },
    /// The runner had nothing to do until the park limit.
    ParkLimit,
    /// The runner asked for a registration and never completed it.
    RegistrationTimeout {
        /// How long ago.
        #[serde(with = "seconds")]
        within: Duration,
    },
    /// GitHub gave the registered runner no job in time.
    IdleTimeout {
        /// How long it waited.
        #[serde(with = "seconds")]
        within: Duration,
    },
    /// The runner is as old as a runner may be.
    MaxLifetime {
        /// How old.
        #[serde(with = "seconds")]
        within: Duration,
    },
    /// The runner was removed at GitHub, and its task is still there.
    OutlivedRegistration,
    /// The runner's job is over, and its task is still there.
    OutlivedJob,
    /// The runner's job was refused, and its task is still there.
    OutlivedRefusal,
    /// The runner has another task.
    OtherTask,
    /// The runner is closed.
    RunnerClosed,
    /// The ledger does not know the runner.
    RunnerUnknown,
    /// ECS does not know the runner's task.
    TaskUnknown,
    /// The runner's task has stopped.
    TaskStopped(TaskEnd),
    /// The runner's container was killed for want of memory.
    OutOfMemory {
        /// How that is known.
        told: MemoryKill,
        /// The memory of its task.
        memory_mib: u32,
        /// How its task ended.
        end: TaskEnd,
    },
    /// The runner was removed at GitHub, and its container ended by a failure of its own.
    DeregisteredThenEnded {
        /// Why it was removed.
        why: Box<Reason>,
        /// How its task ended.
        end: TaskEnd,
    },
    /// ECS takes no task definition to start the runner's task from.
    NoTaskDefinition {
        /// ECS's words.
        message: String,
    },
    /// ECS did not take a launch.
    Ecs {
        /// Its words.
        message: String,
    },

    /// What a newer version wrote and this one does not know.
    #[serde(untagged)]
    Other {
        /// The kind that it wrote.
        kind: String,
    },
}

impl Reason {
    /// How the runner's task ended, if that is why.
    #[must_use]
    pub fn task_end(&self) -> Option<&TaskEnd> {
        match self {
            Self::TaskStopped(end)
            | Self::DeregisteredThenEnded { end, .. }
            | Self::OutOfMemory { end, .. } => Some(end),
            _ => None,
        }
    }
}

/// The pool that a job was in, and why it is there no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftPool {
    /// The pool.
    pub pool: PoolName,
    /// What became of it.
    pub change: PoolChange,
}

/// What became of a pool that has lost its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolChange {
    /// It is not in the pools file any more.
    Removed,
    /// Its labels do not fit the job any more.
    Relabelled,
}

/// Why a job that some pool's labels fit is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The repository is public, and no pool that fits says `public = true`.
    Public,
    /// No pool that fits lists the repository.
    Repository,
    /// The owner is not among the accounts.
    Account,
    /// No runner can have the job's labels. What anyone may write into a workflow must not fill the
    /// table.
    Labels,
}

impl Refusal {
    /// The refusal in words for the user.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Public => "public repository: no matching pool sets public = true",
            Self::Repository => {
                "repository not allowed: no matching pool lists it under repositories"
            }
            Self::Account => "account not allowed: its owner is not among [github] accounts",
            Self::Labels => {
                "no runner can have its labels: there are more than 100, or one has more than 256 characters"
            }
        }
    }
}

/// How it is known that memory was why a container was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKill {
    /// ECS says so.
    Certain,
    /// SIGKILL from within the task is all that is known. The kernel kills so for want of memory, and
    /// ECS does not say it each time; a job may do the same to its own runner.
    Likely,
}

/// SIGKILL: 128 and the signal's number, as shells and container engines report it.
const SIGKILL: i32 = 137;

/// ECS's code and words for a task whose container ended by itself, and its word for the kernel's
/// memory killer, as in "OutOfMemoryError: Container killed due to memory usage". Sources: ECS API
/// reference, `Task`, `stopCode`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>); ECS developer guide,
/// "Stopped tasks error messages"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>).
const EXITED: &str = "EssentialContainerExited";
const EXITED_WORDS: &str = "Essential container in task exited";
const OUT_OF_MEMORY: &str = "OutOfMemory";

/// How a task ended, in ECS's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskEnd {
    /// ECS's code for why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<String>,
    /// ECS's words for why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_reason: Option<String>,
    /// ECS's words about the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_reason: Option<String>,
    /// The container's exit code; none if it never ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl TaskEnd {
    /// Why AWS took the task back, if it did.
    #[must_use]
    pub fn interruption(&self) -> Option<Interruption> {
        Interruption::of_code(self.stop_code.as_deref()?)
    }

    /// True if its container ended by itself: there was no call of `StopTask`, and no interruption
    /// by AWS.
    #[must_use]
    pub fn is_from_within(&self) -> bool {
        self.stop_code.as_deref() == Some(EXITED)
            || (self.stop_code.is_none() && self.says(EXITED_WORDS))
    }

    /// Whether memory was why the container was killed, as far as its end tells.
    #[must_use]
    pub fn memory_kill(&self) -> Option<MemoryKill> {
        if self.says(OUT_OF_MEMORY) {
            return Some(MemoryKill::Certain);
        }
        (self.exit_code == Some(SIGKILL) && self.is_from_within()).then_some(MemoryKill::Likely)
    }

    /// True if ECS's words contain these.
    #[must_use]
    pub fn says(&self, words: &str) -> bool {
        [&self.stopped_reason, &self.container_reason]
            .into_iter()
            .flatten()
            .any(|reason| reason.contains(words))
    }
}

/// Durations in records: whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::Deserialize;

    pub(super) fn serialize<S: serde::Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}
