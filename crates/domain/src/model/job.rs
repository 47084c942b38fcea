//! Jobs: what GitHub says of one, and what the ledger keeps of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::hold::HoldReason;
use crate::model::id::{
    GithubRunnerId, InstallationId, JobId, PoolName, RepositoryId, RunId, RunnerId,
};
use crate::model::label::Labels;
use crate::model::pool::{MatchKey, Pool};
use crate::model::retention::Retention;
use crate::model::size::Size;
use crate::model::story::{Note, Reason, StoryEvent, note};
use crate::model::target::{Repository, Target, TargetKey};
use crate::model::time::Timestamp;
use crate::model::usage::JobUsage;

/// What happened to a job, as a delivery says (`action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobAction {
    /// It waits for a runner, unless its status says that something else holds it back.
    Queued,
    /// An environment's protection rule holds it back.
    Waiting,
    /// A runner began it.
    InProgress,
    /// It is over, run or not.
    Completed,
}

/// The runner that a delivery says works on the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedRunner {
    /// GitHub's id of it: cannot be chosen by anyone who registers a runner.
    pub id: GithubRunnerId,
    /// Its name: can.
    pub name: String,
}

/// One `workflow_job` delivery, reduced to what is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEvent {
    /// What happened.
    pub action: JobAction,
    /// `X-GitHub-Delivery`; a redelivery carries the same.
    pub delivery: String,
    /// The job's status is `waiting` or `pending`: a gate or a concurrency group holds it back,
    /// even if the action says `queued`.
    pub gated: bool,
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: RunId,
    /// The run's attempt, from 1.
    pub attempt: u32,
    /// The job's name in the workflow.
    pub name: String,
    /// The workflow's name, where GitHub tells it.
    pub workflow: Option<String>,
    /// `runs-on`.
    pub labels: Labels,
    /// The repository.
    pub repository: Repository,
    /// The App's installation that the delivery came through.
    pub installation: InstallationId,
    /// The runner, if one is named.
    pub runner: Option<AssignedRunner>,
    /// The conclusion of a completed job.
    pub conclusion: Option<String>,
    /// When the job came to be, by GitHub's clock.
    pub created_at: Option<Timestamp>,
    /// `started_at`: for a queued job when it was queued last, afterwards when it began.
    pub started_at: Option<Timestamp>,
    /// When the job was over, by GitHub's clock.
    pub completed_at: Option<Timestamp>,
    /// When the delivery arrived here.
    pub received_at: Timestamp,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// No pool takes it, though it seems meant for one.
    Unplaced,
    /// A pool takes it, but GitHub holds it back.
    Blocked,
    /// It waits for a runner.
    Queued,
    /// A runner, ours or not, works on it.
    Running,
    /// It is over.
    Closed,
}

/// Most characters that are kept of a name that strangers choose: a job's, a runner's, a
/// conclusion.
pub const MAX_NAME: usize = 255;

/// A name, cut where it is too long to keep.
#[must_use]
pub fn truncated(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let start: String = name.chars().take(MAX_NAME - 1).collect();
    format!("{start}…")
}

/// A job's story and state, from the first delivery on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The job.
    pub id: JobId,
    /// Its run.
    pub run: RunId,
    /// The run's attempt.
    pub attempt: u32,
    /// Its name in the workflow.
    pub name: String,
    /// The workflow's name, if a delivery told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// `runs-on`.
    pub labels: Labels,
    /// Its repository.
    pub repository: Repository,
    /// The App's installation.
    pub installation: InstallationId,
    /// Where it is.
    pub state: JobState,
    /// The pool that takes it; stands from the first time while the pool exists and its labels fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolName>,
    /// What that pool was like then; none in records of versions that did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<MatchKey>,
    /// How large its runner is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Where and as what its runner registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The version of the pools file that placed it.
    pub pools_version: u64,
    /// Deliveries that said queued.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub queued: BTreeSet<String>,
    /// Deliveries that said held back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blocking: BTreeSet<String>,
    /// How often it was found to wait again after it had been running.
    #[serde(default)]
    pub epoch: u32,
    /// When the first delivery arrived.
    pub received_at: Timestamp,
    /// When it was queued last, by GitHub's clock where that was said.
    pub queued_at: Timestamp,
    /// When a runner began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How it ended, in GitHub's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<String>,
    /// The name of the runner that worked on it, as GitHub says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_name: Option<String>,
    /// That runner, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
    /// Why it waits, is unplaced, was given up, or never ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When something was last learned of it: what GitHub's API shows may be older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_at: Option<Timestamp>,
    /// What GitHub said, when asked, that one answer does not prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// It was closed because GitHub did not show it for so long, not because GitHub said that it is
    /// over: it opens again if GitHub shows it after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
    /// What that runner used, by its container's own report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<JobUsage>,
    /// Its story.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<Note>,
    /// How long it is kept once it closed, as the pools file said when it was made or matched.
    #[serde(default, skip_serializing_if = "crate::model::stored::is_default")]
    pub keep: Retention,
    /// When DynamoDB may delete it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// What GitHub said of a job, when asked, that one answer does not prove: its reads lag behind its
/// deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// What.
    pub reason: UnconfirmedReason,
    /// Since when it says so.
    pub since: Timestamp,
}

/// What one answer of GitHub's does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnconfirmedReason {
    /// A job that was running waits for a runner again.
    QueuedAgain,
    /// It does not show the job, but its repository.
    NotFound,
    /// It shows the App neither the job nor its repository.
    RepositoryNotVisible,
}

/// Begins the id of what stands in a record for a delivery that GitHub was asked instead of: the
/// time of the question in milliseconds follows.
const SYNTHETIC_DELIVERY: &str = "synthetic-";

/// The id of a synthetic delivery: it replaces one that had not arrived when GitHub was asked.
/// `which` tells several of one answer apart.
#[must_use]
pub fn synthetic_delivery(asked: Timestamp, which: usize) -> String {
    format!("{SYNTHETIC_DELIVERY}{}-{which}", asked.millis())
}

/// When GitHub was asked, if this is the id of a synthetic delivery.
pub(crate) fn synthetic_delivery_time(id: &str) -> Option<Timestamp> {
    id.strip_prefix(SYNTHETIC_DELIVERY)?
        .split('-')
        .next()?
        .parse()
        .ok()
        .map(Timestamp::from_millis)
}

impl JobRecord {
    /// The row that planning reads while the job waits. `None` for a job without a place.
    #[must_use]
    pub fn waiting(&self) -> Option<WaitingJob> {
        Some(WaitingJob {
            id: self.id,
            size: self.size?,
            target: self.target.as_ref()?.key(),
            matched: self.matched.clone(),
            installation: self.installation,
            repository: self.repository.id,
            run: self.run,
            attempt: self.attempt,
            queued_at: self.queued_at,
            not_before: None,
            runner: None,
            needs_check: false,
            checked_at_github: None,
            attempts: 0,
            refused: None,
            hold: None,
        })
    }

    /// The job goes to this pool, and so has a size and a target.
    pub(crate) fn assign_to_pool(&mut self, pool: &Pool) {
        self.pool = Some(pool.name.clone());
        self.size = Some(pool.size);
        self.register_by(pool);
    }

    /// Its runner is to register where the pool says now.
    pub(crate) fn register_by(&mut self, pool: &Pool) {
        self.matched = Some(pool.match_key());
        self.target = Some(pool.target(self.installation, &self.repository, &self.labels));
    }

    /// True if a pool takes it, or a runner of ours has it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.pool.is_some() || self.runner.is_some()
    }

    /// True if it is over for good: GitHub said so, or the job no longer exists there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == JobState::Closed && !self.given_up
    }

    /// GitHub shows a job that was given up: it is as open as it was, in no state yet but that
    /// nothing is known to start it.
    pub(crate) fn reopen(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.given_up) {
            return;
        }
        (self.closed_at, self.conclusion, self.expires_at) = (None, None, None);
        note(&mut self.story, now, StoryEvent::Reopened);
        self.state = if self.pool.is_some() {
            JobState::Blocked
        } else {
            JobState::Unplaced
        };
        self.reason = Some(Reason::Reopened);
        if self.pool.is_none() {
            self.expire(now);
        }
    }

    /// Marks the end of the record's keeping.
    pub fn expire(&mut self, closed: Timestamp) {
        self.expires_at = Some(closed.plus(self.keep.duration()).seconds());
    }
}

/// What a registration that GitHub refuses for good means for other jobs. A registration request
/// names a target and no job, so a refusal always concerns more than one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalScope {
    /// GitHub refuses every runner of the repository: it does not show the repository to the App, or
    /// lets nothing register there.
    #[serde(rename = "r")]
    Repository,
    /// GitHub refuses this request, so every runner of the same target: the labels, or a group that
    /// is full (422).
    #[serde(rename = "t")]
    Target,
}

/// A job that waits: only what planning needs. Field names are short because all waiting rows of a
/// pool are read at every look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingJob {
    /// The job.
    #[serde(rename = "j")]
    pub id: JobId,
    /// How large its runner is to be.
    #[serde(rename = "s")]
    pub size: Size,
    /// Where and as what its runner registers; the record has the whole.
    #[serde(rename = "t")]
    pub target: TargetKey,
    /// What its pool was like when it was matched; as in the record.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<MatchKey>,
    /// The App's installation.
    #[serde(rename = "i")]
    pub installation: InstallationId,
    /// The repository.
    #[serde(rename = "r")]
    pub repository: RepositoryId,
    /// The run.
    #[serde(rename = "n")]
    pub run: RunId,
    /// The run's attempt.
    #[serde(
        rename = "a",
        default = "crate::model::stored::first",
        skip_serializing_if = "crate::model::stored::is_first"
    )]
    pub attempt: u32,
    /// Since when it waits.
    #[serde(rename = "q")]
    pub queued_at: Timestamp,
    /// Not to be served before.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The runner that holds it in reserve. Never cleared; void when that runner turns out to do
    /// something else.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
    /// Sweeper must ask GitHub about this job before another runner is started for it.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_check: bool,
    /// When GitHub was asked about it last.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub checked_at_github: Option<Timestamp>,
    /// How many runners registered for it and were given nothing.
    #[serde(
        rename = "f",
        default,
        skip_serializing_if = "crate::model::stored::is_default"
    )]
    pub attempts: u32,
    /// GitHub refused its last registration for good, and what else it refuses with that.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusalScope>,
    /// Why scaler started no runner for it in its last run, for `mayfly explain` and `status`.
    /// Cleared by the look that covers the job, and by the reservation; until then it may be a look
    /// old, so it says nothing of a job that a runner holds or was started for. Nothing is decided
    /// by it.
    #[serde(
        rename = "w",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::model::hold::lenient"
    )]
    pub hold: Option<HoldReason>,
}

impl WaitingJob {
    /// Its place in the line: the oldest first, the id decides among equals. A job that failed its
    /// turn goes to the end of the queue as it will be when the job may be tried again. Otherwise
    /// many jobs that GitHub gives to no runner (their runner group does not admit them) would
    /// block the others forever.
    #[must_use]
    pub fn rank(&self) -> (Timestamp, JobId) {
        (
            self.not_before
                .map_or(self.queued_at, |at| at.max(self.queued_at)),
            self.id,
        )
    }

    /// True if a runner may be started or registered for it now.
    #[must_use]
    pub fn eligible(&self, now: Timestamp) -> bool {
        !self.needs_check && self.not_before.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_up_to_255_characters() {
        for (length, kept_length) in [(0, 0), (255, 255), (256, 255), (900_000, 255)] {
            let name = "ä".repeat(length);
            let kept = truncated(&name);
            assert_eq!(
                (kept.chars().count(), kept == name),
                (kept_length, length <= 255)
            );
        }
    }
}
