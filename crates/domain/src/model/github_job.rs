//! What GitHub answers when it is asked about a job, and when it is.

use crate::model::id::GithubRunnerId;
use crate::model::job::{AssignedRunner, JobRecord, JobState, WaitingJob};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// Where a job is, by GitHub's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GithubJobStatus {
    /// It waits for a runner.
    Queued,
    /// A gate or a concurrency group holds it back (`waiting`, `pending`).
    Gated,
    /// A runner works on it.
    Running,
    /// It is over.
    Completed,
    /// Something that says nothing here (`requested`, or what GitHub has added since).
    Unknown,
}

/// A job as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubJobDetails {
    /// Where it is.
    pub status: GithubJobStatus,
    /// The runner that it was given to.
    pub runner: Option<AssignedRunner>,
    /// How it ended.
    pub conclusion: Option<String>,
    /// When it came to be.
    pub created_at: Option<Timestamp>,
    /// When it began; of one that has not, when it was queued last.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub completed_at: Option<Timestamp>,
}

impl GithubJobDetails {
    /// True if GitHub is to be asked whether the job's run is over: it shows the job as waiting
    /// after the time in which it ends such jobs itself. A run that ended as `startup_failure` can
    /// leave a job in this state forever (tuist/tuist#12673).
    #[must_use]
    pub fn run_may_be_over(&self, record: &JobRecord, now: Timestamp) -> bool {
        let waits = matches!(
            self.status,
            GithubJobStatus::Queued | GithubJobStatus::Gated
        );
        let waited = matches!(record.state, JobState::Queued | JobState::Blocked);
        waits && waited && now.since(record.queued_at) >= timeouts::QUEUED_AT_MOST
    }
}

/// How a run's attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// In GitHub's word.
    pub conclusion: Option<String>,
    /// When, by GitHub's clock.
    pub at: Option<Timestamp>,
}

/// What GitHub answers to the question about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GithubJob {
    /// This.
    Found(GithubJobDetails),
    /// It shows the job as waiting, but the run's attempt that it belongs to as over: no runner
    /// will ever get it.
    RunCompleted(RunEnd),
    /// It shows the App the repository, but no such job.
    NotFound,
    /// It shows the App neither; its words.
    RepositoryNotVisible(String),
}

impl GithubJob {
    /// True if it says that this runner works on the job, or did.
    #[must_use]
    pub fn names(&self, runner: Option<GithubRunnerId>) -> bool {
        match self {
            Self::Found(seen) => {
                runner.is_some() && seen.runner.as_ref().map(|named| named.id) == runner
            }
            Self::RunCompleted(_) | Self::NotFound | Self::RepositoryNotVisible(_) => false,
        }
    }

    /// Where the job is, if it is shown.
    #[must_use]
    pub fn status(&self) -> Option<GithubJobStatus> {
        match self {
            Self::Found(seen) => Some(seen.status),
            Self::RunCompleted(_) | Self::NotFound | Self::RepositoryNotVisible(_) => None,
        }
    }
}

impl WaitingJob {
    /// True if GitHub is to be asked about it: someone has to know before a runner is started for
    /// it, or it waits for so long that a delivery may be missing.
    #[must_use]
    pub fn needs_check(&self, now: Timestamp) -> bool {
        match (self.needs_check, self.checked_at_github) {
            (true, None) => true,
            (true, Some(asked)) => now.since(asked) >= timeouts::READS_LAG,
            (false, asked) => {
                now.since(asked.unwrap_or(self.queued_at).max(self.queued_at))
                    >= timeouts::CHECK_WAITING
            }
        }
    }
}
