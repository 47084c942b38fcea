//! A job's life: queued, given to a runner, cancelled, over, run again.

use super::Model;
use super::journal::Change;
use crate::id::{GroupId, JobId, RepositoryId, RunId, RunnerId};
use crate::jobs::{Action, Conclusion, Executor, Job, NewJob, Run, Status};
use crate::runners::{Presence, Removal, Runner, Scope};
use crate::settings::after;
use jiff::Timestamp;

/// How long a job waits for one of GitHub's own machines here.
const HOSTED_START_SECONDS: f64 = 0.5;

impl Model {
    /// Someone pushes: jobs come to be.
    pub fn queue(&mut self, wish: &NewJob, now: Timestamp) -> Vec<JobId> {
        let ids = (0..wish.count).map(|_| self.queue_one(wish, now)).collect();
        self.assign(now);
        ids
    }

    fn queue_one(&mut self, wish: &NewJob, now: Timestamp) -> JobId {
        let repository = self.accounts.mention(&wish.repository, now);
        if let (Some(private), Some(found)) =
            (wish.private, self.accounts.repository_mut(repository))
        {
            found.private = private;
        }
        let run = wish.run_id.unwrap_or_else(|| self.jobs.next_run_id());
        if self.jobs.run(run).is_none() {
            let number = self.jobs.next_run_number(repository);
            self.jobs.insert_run(Run {
                id: run,
                repository,
                number,
                attempt: 1,
                event: wish.event.clone(),
                branch: wish.branch.clone(),
                sha: self.chance.hex(20),
                fork: wish.fork,
                created_at: now,
                ended: None,
            });
        }
        let mut wish = wish.clone();
        for label in &mut wish.labels {
            *label = label.replace("{run_id}", &run.to_string());
        }
        self.add_job(run, wish, now)
    }

    /// The job's run is over, and GitHub forgets what of it still waits (tuist/tuist#12673).
    pub fn end_run_of(&mut self, job: JobId, conclusion: Conclusion) {
        let run = self.jobs.get(job).map(|job| job.run);
        if let Some(run) = run.and_then(|run| self.jobs.run_mut(run)) {
            run.ended = Some(conclusion);
        }
    }

    /// A job of a run's latest attempt.
    fn add_job(&mut self, run: RunId, wish: NewJob, now: Timestamp) -> JobId {
        let id = self.jobs.next_id();
        let (attempt, repository) = self
            .jobs
            .run(run)
            .map_or((1, self.accounts.mention(&wish.repository, now)), |run| {
                (run.attempt, run.repository)
            });
        let gate = wish.gate;
        self.jobs.insert(Job {
            id,
            run,
            attempt,
            repository,
            cancel_at: wish.cancel_after.map(|seconds| after(now, seconds)),
            wish,
            status: Status::Queued,
            conclusion: None,
            executor: None,
            assigned_at: None,
            created_at: now,
            queued_at: now,
            started_at: None,
            completed_at: None,
            cancel_requested: None,
            steps: Vec::new(),
            annotation: None,
        });
        self.note_job(id, None);
        self.enter(id, gate, now);
        id
    }

    /// Someone cancels a job. One that runs is told; one that waits is over. False if it is over
    /// already.
    pub fn cancel(&mut self, id: JobId, now: Timestamp) -> bool {
        let Some(job) = self.jobs.get_mut(id) else {
            return false;
        };
        job.cancel_at = None;
        match job.status {
            Status::Completed => return false,
            Status::InProgress if !job.is_hosted() => {
                job.cancel_requested = job.cancel_requested.or(Some(now));
            }
            _ => {
                self.finish(id, Conclusion::Cancelled, now);
                self.assign(now);
            }
        }
        true
    }

    /// Runs a finished job again: a new id, the next attempt of the same run. None if it is unknown
    /// or not over.
    pub fn rerun(&mut self, id: JobId, now: Timestamp) -> Option<JobId> {
        let job = self
            .jobs
            .get(id)
            .filter(|job| job.status == Status::Completed)?;
        let (run, mut wish) = (job.run, job.wish.clone());
        // Cancelled once is no reason to be cancelled again.
        wish.cancel_after = None;
        self.jobs.run_mut(run)?.attempt += 1;
        let again = self.add_job(run, wish, now);
        self.assign(now);
        Some(again)
    }

    /// Someone deletes a repository. Nothing is delivered about its jobs any more, and nothing of
    /// it is shown; its runners are gone with it.
    pub fn delete_repository(&mut self, id: RepositoryId, now: Timestamp) {
        self.accounts.delete(id);
        let open = |job: &&Job| job.repository == id && job.status != Status::Completed;
        let open: Vec<JobId> = self.jobs.all().filter(open).map(|job| job.id).collect();
        for job in open {
            self.finish(job, Conclusion::Cancelled, now);
        }
        let there =
            |runner: &&Runner| runner.scope == Scope::Repository(id) && runner.removed.is_none();
        let left: Vec<RunnerId> = self
            .runners
            .all()
            .filter(there)
            .map(|runner| runner.id)
            .collect();
        for runner in left {
            self.remove_runner(runner, Removal::Deleted, now);
        }
        self.assign(now);
    }

    /// A job is over, and with it the registration of the runner that ran it. A runner that had not
    /// begun is free.
    pub(super) fn finish(&mut self, id: JobId, conclusion: Conclusion, now: Timestamp) {
        let Some(job) = self
            .jobs
            .get_mut(id)
            .filter(|job| job.status != Status::Completed)
        else {
            return;
        };
        let from = job.status;
        let ran = from == Status::InProgress;
        job.status = Status::Completed;
        job.conclusion = Some(conclusion);
        job.completed_at = Some(now);
        let runner = job.executor.as_ref().map(|executor| executor.id);
        if !ran {
            job.executor = None;
        }
        self.jobs.close(id);
        self.note_job(id, Some(from));
        if let Some(runner) = runner {
            if ran {
                self.remove_runner(runner, Removal::JobDone, now);
            } else {
                self.free(runner, now);
            }
        }
        self.emit(id, Action::Completed, now);
    }

    /// A job that its runner did not begin waits again, as if nothing had been. No delivery says
    /// so.
    pub(super) fn requeue(&mut self, id: JobId, now: Timestamp) {
        let Some(job) = self
            .jobs
            .get_mut(id)
            .filter(|job| job.status == Status::Queued)
        else {
            return;
        };
        job.assigned_at = None;
        if let Some(executor) = job.executor.take() {
            self.journal.note(|| Change::Given { id, runner: None });
            self.free(executor.id, now);
        }
    }

    /// A job that runs waits again, for another runner, and the one that it had is gone. No
    /// delivery says so. False if it does not run.
    pub fn queue_again(&mut self, id: JobId, now: Timestamp) -> bool {
        let Some(job) = self
            .jobs
            .get_mut(id)
            .filter(|job| job.status == Status::InProgress && !job.is_hosted())
        else {
            return false;
        };
        (job.status, job.queued_at, job.started_at, job.assigned_at) =
            (Status::Queued, now, None, None);
        let executor = job.executor.take();
        self.note_job(id, Some(Status::InProgress));
        if let Some(executor) = executor {
            self.remove_runner(executor.id, Removal::Lost, now);
        }
        self.assign(now);
        true
    }

    fn free(&mut self, id: RunnerId, now: Timestamp) {
        if let Some(runner) = self.runners.get_mut(id) {
            runner.job = None;
            if let Presence::Online { idle_since, .. } = &mut runner.presence {
                *idle_since = now;
            }
        }
    }

    /// Why GitHub itself ended a job.
    pub(super) fn annotate(&mut self, id: JobId, words: &'static str) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.annotation = Some(words);
        }
    }

    /// Cancellations whose time has come.
    pub(super) fn cancel_in_time(&mut self, now: Timestamp) {
        for id in self.due_jobs(now) {
            let Some(job) = self.jobs.get(id).filter(|job| !job.is_hosted()) else {
                continue;
            };
            if job.cancel_requested.is_some() {
                self.finish(id, Conclusion::Cancelled, now);
            } else if job.cancel_at.is_some_and(|at| at <= now) {
                self.cancel(id, now);
            } else if job.is_waiting() && after(job.queued_at, self.settings.queue_limit) <= now {
                self.annotate(
                    id,
                    "The job was not acquired by a runner within the maximum time.",
                );
                self.finish(id, Conclusion::Cancelled, now);
            }
        }
    }

    /// Jobs on GitHub's own machines: they begin and end by themselves.
    pub(super) fn advance_hosted(&mut self, now: Timestamp) {
        for id in self.due_jobs(now) {
            let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_hosted()) else {
                continue;
            };
            match job.status {
                Status::InProgress => {
                    let conclusion = job.wish.conclusion;
                    self.finish(id, conclusion, now);
                }
                _ if job.cancel_at.is_some_and(|at| at <= now) => {
                    self.cancel(id, now);
                }
                _ => {
                    job.status = Status::InProgress;
                    job.started_at = Some(now);
                    // A stranger's runner: its id may be anyone's, its group is no group of ours.
                    job.executor = Some(Executor {
                        id: RunnerId(5),
                        name: "GitHub Actions 5".to_owned(),
                        group: GroupId(2),
                        group_name: "GitHub Actions".to_owned(),
                    });
                    self.note_job(id, Some(Status::Queued));
                    self.emit(id, Action::InProgress, now);
                }
            }
        }
    }

    /// When something happens to a job by itself.
    pub(super) fn job_deadline(&self, job: &Job) -> Option<Timestamp> {
        let ended = job
            .cancel_requested
            .map(|at| after(at, self.settings.cancel_grace));
        let own = match (job.status, job.is_hosted()) {
            (Status::Queued, true) => Some(after(job.queued_at, HOSTED_START_SECONDS)),
            (Status::InProgress, true) => job.started_at.map(|at| after(at, job.wish.seconds)),
            (Status::Queued, false) if job.is_waiting() && !self.jobs.is_forgotten(job) => {
                Some(after(job.queued_at, self.settings.queue_limit))
            }
            _ => None,
        };
        [ended, own, job.cancel_at].into_iter().flatten().min()
    }
}
