//! What GitHub answers when it is asked about a job, and when it is.

use crate::model::id::GithubRunnerId;
use crate::model::job::{AssignedRunner, JobRecord, JobState, WaitingJob};
use crate::model::time::Timestamp;
use crate::model::times;

/// Where a job is, by GitHub's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a runner.
    Queued,
    /// A gate or a concurrency group holds it back (`waiting`, `pending`).
    Held,
    /// A runner works on it.
    Running,
    /// It is over.
    Over,
    /// Something that says nothing here (`requested`, or what GitHub has added since).
    Unclear,
}

/// A job as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it is.
    pub standing: Standing,
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

impl Seen {
    /// True if GitHub is to be asked whether the job's run is over: it shows the job as waiting after the time in which it ends such jobs itself.
    /// A run that ended as `startup_failure` can leave one so for ever (tuist/tuist#12673).
    #[must_use]
    pub fn run_in_question(&self, record: &JobRecord, now: Timestamp) -> bool {
        let waits = matches!(self.standing, Standing::Queued | Standing::Held);
        let waited = matches!(record.state, JobState::Queued | JobState::Blocked);
        waits && waited && now.since(record.queued_at) >= times::QUEUED_AT_MOST
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
pub enum Said {
    /// This.
    Shown(Seen),
    /// It shows the job as waiting, but the run's attempt that it belongs to as over: no runner will ever get it.
    RunOver(RunEnd),
    /// It shows the App the repository, but no such job.
    NotShown,
    /// It shows the App neither; its words.
    NotSeen(String),
}

impl Said {
    /// True if it says that this runner works on the job, or did.
    #[must_use]
    pub fn names(&self, runner: Option<GithubRunnerId>) -> bool {
        match self {
            Self::Shown(seen) => runner.is_some() && seen.runner.as_ref().map(|named| named.id) == runner,
            Self::RunOver(_) | Self::NotShown | Self::NotSeen(_) => false,
        }
    }

    /// Where the job is, if it is shown.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::Shown(seen) => Some(seen.standing),
            Self::RunOver(_) | Self::NotShown | Self::NotSeen(_) => None,
        }
    }
}

impl WaitingJob {
    /// True if GitHub is to be asked about it: somebody has to know before a runner is started for it, or it waits for so long that a
    /// delivery may be missing.
    #[must_use]
    pub fn to_be_asked_about(&self, now: Timestamp) -> bool {
        match (self.ask, self.asked_at) {
            (true, None) => true,
            (true, Some(asked)) => now.since(asked) >= times::READS_LAG,
            (false, asked) => now.since(asked.unwrap_or(self.queued_at).max(self.queued_at)) >= times::ASK_WAITING,
        }
    }
}
