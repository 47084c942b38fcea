//! Workflow runs and their jobs.

use super::id::{GroupId, JobId, RepositoryId, RunId, RunnerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A job's state, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a runner.
    Queued,
    /// Waits for an environment's approval.
    Waiting,
    /// Waits for its concurrency group.
    Pending,
    /// Runs.
    InProgress,
    /// Is over.
    Completed,
}

/// How a job ended, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// By somebody's wish, or after 24 h in the queue.
    Cancelled,
    /// It was never to run.
    Skipped,
    /// After its time limit.
    TimedOut,
}

macro_rules! words {
    ($kind:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $kind {
            /// GitHub's word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(Status {
    Queued => "queued", Waiting => "waiting", Pending => "pending", InProgress => "in_progress", Completed => "completed",
});
words!(Conclusion {
    Success => "success", Failure => "failure", Cancelled => "cancelled", Skipped => "skipped", TimedOut => "timed_out",
});

/// What a delivery of `workflow_job` says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It waits for a runner, or so it seems.
    Queued,
    /// It waits for an approval.
    Waiting,
    /// It runs.
    InProgress,
    /// It is over.
    Completed,
}

words!(Action { Queued => "queued", Waiting => "waiting", InProgress => "in_progress", Completed => "completed" });

/// What keeps a job from being queued at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// An environment with reviewers: `queued`, `waiting`, and after the approval `queued` again, all for one id
    /// (cdk-github-runners#382).
    Environment,
    /// The same as one `queued` whose status is `waiting`, with a `deployment`: one of GitHub's own examples.
    Deployment,
    /// A concurrency group: `queued` with status `pending`, later `queued` again.
    Concurrency,
}

/// Faults of one job's deliveries, besides those that are switched on for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobDeliveries {
    /// Each arrives this often (0 and 1 are once).
    pub repeat: u32,
    /// These do not arrive and are shown as failures.
    pub lost: Vec<Action>,
    /// These are never made.
    pub never_made: Vec<Action>,
    /// All are this late.
    pub late_seconds: f64,
}

/// A job to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewJob {
    /// `owner/name`; made if new.
    pub repository: String,
    /// Exactly what `runs-on` says. `{run_id}` becomes the run's id.
    pub labels: Vec<String>,
    /// How many like it.
    pub count: u32,
    /// How long it runs.
    pub seconds: f64,
    /// Makes the repository private, or public.
    pub private: Option<bool>,
    /// The name of the runner group that `runs-on` asks for: in no payload.
    pub runner_group: Option<String>,
    /// Part of this run; else each job has a run of its own.
    pub run_id: Option<RunId>,
    /// What it waits for first; `true` is an environment.
    #[serde(deserialize_with = "gate")]
    pub gate: Option<Gate>,
    /// Somebody cancels it after these seconds.
    pub cancel_after: Option<f64>,
    /// How it ends if nothing happens.
    pub conclusion: Conclusion,
    /// How many steps it has.
    pub steps: u32,
    /// How many of the last ones are `if: always()`.
    pub always_steps: u32,
    /// Is preferred to older jobs when GitHub chooses: it takes their runners.
    pub thief: bool,
    /// Its name in the workflow.
    pub name: String,
    /// What started the run.
    pub event: String,
    /// The branch.
    pub branch: String,
    /// The run comes from a fork.
    pub fork: bool,
    /// Faults of its deliveries.
    pub deliveries: JobDeliveries,
}

/// A gate by its name, or `true` for the usual one.
fn gate<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Gate>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Whether(bool),
        Which(Gate),
    }
    Ok(match Option::<Said>::deserialize(from)? {
        Some(Said::Which(gate)) => Some(gate),
        Some(Said::Whether(true)) => Some(Gate::Environment),
        Some(Said::Whether(false)) | None => None,
    })
}

impl Default for NewJob {
    fn default() -> Self {
        Self {
            repository: "acme/app".to_owned(),
            labels: Vec::new(),
            count: 1,
            seconds: 1.0,
            private: None,
            runner_group: None,
            run_id: None,
            gate: None,
            cancel_after: None,
            conclusion: Conclusion::Success,
            steps: 3,
            always_steps: 0,
            thief: false,
            name: "build".to_owned(),
            event: "push".to_owned(),
            branch: "main".to_owned(),
            fork: false,
            deliveries: JobDeliveries::default(),
        }
    }
}

/// A workflow run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id: the same for every attempt.
    pub id: RunId,
    /// Where.
    pub repository: RepositoryId,
    /// Counted per repository.
    pub number: i64,
    /// The latest attempt.
    pub attempt: u32,
    /// What started it.
    pub event: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// It comes from a fork.
    pub fork: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A step that ran.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// When it was reported.
    pub at: Timestamp,
}

/// Who runs a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executor {
    /// The runner's id.
    pub id: RunnerId,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: GroupId,
    /// The group's name.
    pub group_name: String,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// New for every attempt.
    pub id: JobId,
    /// Its run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// Where.
    pub repository: RepositoryId,
    /// What was asked for, labels filled in.
    pub wish: NewJob,
    /// Its state.
    pub status: Status,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Who runs it, or was given it.
    pub executor: Option<Executor>,
    /// When a runner was given it.
    pub assigned_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last began to wait for a runner.
    pub queued_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub completed_at: Option<Timestamp>,
    /// When somebody will cancel it.
    pub cancel_at: Option<Timestamp>,
    /// When somebody cancelled it while it ran.
    pub cancel_requested: Option<Timestamp>,
    /// The steps that really ran.
    pub steps: Vec<Step>,
    /// Why GitHub itself ended it.
    pub annotation: Option<&'static str>,
}

impl Job {
    /// Waits for a runner, and no runner was given it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.status == Status::Queued && self.executor.is_none()
    }

    /// Runs on GitHub's own machines: their labels say so.
    #[must_use]
    pub fn is_hosted(&self) -> bool {
        let hosted = |label: &String| ["ubuntu-", "windows-", "macos-"].iter().any(|kind| label.starts_with(kind));
        self.wish.labels.len() == 1 && self.wish.labels.iter().all(hosted)
    }
}

/// All runs and jobs.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    all: BTreeMap<JobId, Job>,
    open: BTreeSet<JobId>,
    runs: BTreeMap<RunId, Run>,
    last: i64,
}

impl Jobs {
    /// None of them, but the ids go on.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self { last: self.last, ..Self::default() }
    }

    /// An id nobody had before: beyond 2^31, like GitHub's.
    pub fn next_id(&mut self) -> JobId {
        self.last += 1;
        JobId(54_000_000_000 + self.last)
    }

    /// A run's id nobody had before.
    pub fn next_run_id(&mut self) -> RunId {
        self.last += 1;
        RunId(19_000_000_000 + self.last)
    }

    /// The next run number of a repository.
    #[must_use]
    pub fn next_run_number(&self, repository: RepositoryId) -> i64 {
        self.runs.values().filter(|run| run.repository == repository).map(|run| run.number).max().unwrap_or(0) + 1
    }

    /// Adds a run.
    pub fn insert_run(&mut self, run: Run) {
        self.runs.insert(run.id, run);
    }

    /// A run.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// A run, to change.
    pub fn run_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.runs.get_mut(&id)
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values()
    }

    /// Adds a job.
    pub fn insert(&mut self, job: Job) {
        self.open.insert(job.id);
        self.all.insert(job.id, job);
    }

    /// A job.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id)
    }

    /// A job, to change.
    pub fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.all.get_mut(&id)
    }

    /// A job is over.
    pub fn close(&mut self, id: JobId) {
        self.open.remove(&id);
    }

    /// Those that are not over, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Job> {
        self.open.iter().filter_map(|id| self.all.get(id))
    }

    /// All, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Job> {
        self.all.values()
    }

    /// A run's jobs of one attempt.
    pub fn of_run(&self, run: RunId, attempt: u32) -> impl Iterator<Item = &Job> {
        self.all.values().filter(move |job| job.run == run && job.attempt == attempt)
    }
}
