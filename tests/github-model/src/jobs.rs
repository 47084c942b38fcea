//! Workflow runs and their jobs.

mod wish;
mod words;

pub use wish::{JobDeliveries, NewJob};
pub use words::{Action, Conclusion, Gate, Status};

use super::id::{GroupId, JobId, RepositoryId, RunId, RunnerId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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
    /// GitHub ended it so, and left its jobs as they were: those that wait are given to no runner,
    /// and end never.
    pub ended: Option<Conclusion>,
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
    /// When someone will cancel it.
    pub cancel_at: Option<Timestamp>,
    /// When someone cancelled it while it ran.
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
        let hosted = |label: &String| {
            ["ubuntu-", "windows-", "macos-"]
                .iter()
                .any(|kind| label.starts_with(kind))
        };
        self.wish.labels.len() == 1 && self.wish.labels.iter().all(hosted)
    }
}

/// All runs and jobs.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    all: BTreeMap<JobId, Job>,
    open: BTreeSet<JobId>,
    /// Those whose deadlines may be others than they were.
    pub(super) touched: BTreeSet<JobId>,
    /// Those that wait for a runner, but for what has changed since they were sorted out last.
    waiting: BTreeSet<JobId>,
    changed: BTreeSet<JobId>,
    runs: BTreeMap<RunId, Run>,
    /// Jobs by run and attempt, oldest first.
    of_runs: BTreeMap<(RunId, u32), Vec<JobId>>,
    /// The last run number of each repository.
    numbers: BTreeMap<RepositoryId, i64>,
    last: i64,
}

impl Jobs {
    /// None of them, but the ids go on.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self {
            last: self.last,
            ..Self::default()
        }
    }

    /// An id no one had before: beyond 2^31, like GitHub's.
    pub fn next_id(&mut self) -> JobId {
        self.last += 1;
        JobId(54_000_000_000 + self.last)
    }

    /// A run's id no one had before.
    pub fn next_run_id(&mut self) -> RunId {
        self.last += 1;
        RunId(19_000_000_000 + self.last)
    }

    /// The next run number of a repository.
    #[must_use]
    pub fn next_run_number(&self, repository: RepositoryId) -> i64 {
        self.numbers.get(&repository).copied().unwrap_or_default() + 1
    }

    /// Adds a run.
    pub fn insert_run(&mut self, run: Run) {
        let last = self.numbers.entry(run.repository).or_default();
        *last = run.number.max(*last);
        self.runs.insert(run.id, run);
    }

    /// A run.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// True if GitHub ended the job's run and forgot the job.
    #[must_use]
    pub fn is_forgotten(&self, job: &Job) -> bool {
        self.runs
            .get(&job.run)
            .is_some_and(|run| run.ended.is_some() && run.attempt == job.attempt)
    }

    /// A run, to change.
    pub fn run_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.touched.extend(
            self.of_runs
                .range((id, 0)..=(id, u32::MAX))
                .flat_map(|(_, jobs)| jobs),
        );
        self.runs.get_mut(&id)
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values()
    }

    /// Adds a job.
    pub fn insert(&mut self, job: Job) {
        self.touch(job.id);
        self.open.insert(job.id);
        self.of_runs
            .entry((job.run, job.attempt))
            .or_default()
            .push(job.id);
        self.all.insert(job.id, job);
    }

    /// A job.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id)
    }

    /// A job, to change.
    pub fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.touch(id);
        self.all.get_mut(&id)
    }

    /// A job is over.
    pub fn close(&mut self, id: JobId) {
        self.touch(id);
        self.open.remove(&id);
    }

    fn touch(&mut self, id: JobId) {
        self.touched.insert(id);
        self.changed.insert(id);
    }

    /// One of those that are not over.
    #[must_use]
    pub fn get_open(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id).filter(|_| self.open.contains(&id))
    }

    /// Sorts out which jobs wait for a runner now.
    pub fn sort_out_waiting(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if self.get_open(id).is_some_and(Job::is_waiting) {
                self.waiting.insert(id);
            } else {
                self.waiting.remove(&id);
            }
        }
    }

    /// Those that wait for a runner, oldest first, as they were sorted out last.
    pub fn waiting(&self) -> impl Iterator<Item = &Job> {
        self.waiting.iter().filter_map(|id| self.all.get(id))
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
        self.of_runs
            .get(&(run, attempt))
            .into_iter()
            .flatten()
            .filter_map(|id| self.all.get(id))
    }
}
