//! A runner's connection: one per registration, one job, and silence that GitHub notices.

use super::Model;
use crate::id::{JobId, RunnerId, SessionId};
use crate::jit;
use crate::jobs::{Action, Conclusion, Job, Status, Step};
use crate::runners::{Presence, Removal, Runner};
use crate::settings::after;
use jiff::Timestamp;

/// Why a runner cannot connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// What it shows is no registration of ours.
    NotARegistration,
    /// The registration was used: a second connection is a conflict.
    Conflict,
    /// The runner was removed.
    Deleted,
}

/// Why a runner cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// No one knows the session.
    Unknown,
    /// The runner was removed.
    Removed,
    /// It has no job, or no longer this one.
    NoJob,
    /// The job was cancelled.
    Cancelled,
}

impl Model {
    /// Connects a runner.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_session(
        &mut self,
        registration: &str,
        now: Timestamp,
    ) -> Result<(SessionId, RunnerId), OpenError> {
        let registration = registration.trim();
        let id = jit::runner_of(registration).ok_or(OpenError::NotARegistration)?;
        let runner = self
            .runners
            .get(id)
            .filter(|runner| runner.registration == registration);
        let runner = runner.ok_or(OpenError::NotARegistration)?;
        if runner.removed.is_some() {
            return Err(OpenError::Deleted);
        }
        if runner.session.is_some() {
            return Err(OpenError::Conflict);
        }
        let session = SessionId(self.chance.hex(16));
        self.runners.connect(id, session.clone(), now);
        let too_old = self.chance.hits(self.faults.too_old);
        if let Some(runner) = self.runners.get_mut(id) {
            runner.too_old = too_old;
        }
        self.assign(now);
        Ok((session, id))
    }

    /// What a runner's long poll shows: the job it was given, if any.
    ///
    /// # Errors
    /// When the runner was removed.
    pub fn poll(
        &mut self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Option<JobId>, Interrupted> {
        let id = self.touch(session, now)?;
        self.assign(now);
        let given = self.runners.get(id).and_then(|runner| runner.job);
        Ok(given.filter(|job| {
            self.jobs
                .get(*job)
                .is_some_and(|job| job.status == Status::Queued)
        }))
    }

    /// The runner begins its job.
    ///
    /// # Errors
    /// When the job was queued again or cancelled meanwhile.
    pub fn start(&mut self, session: &SessionId, now: Timestamp) -> Result<(), Interrupted> {
        let runner = self.touch(session, now)?;
        let id = self.job_of(runner, Status::Queued)?;
        if let Some(job) = self.jobs.get_mut(id) {
            job.status = Status::InProgress;
            job.started_at = Some(now);
        }
        self.note_job(id, Some(Status::Queued));
        self.emit(id, Action::InProgress, now);
        Ok(())
    }

    /// One step of the job really ran.
    ///
    /// # Errors
    /// When there is no such job, or it was cancelled.
    pub fn step(
        &mut self,
        session: &SessionId,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Interrupted> {
        let id = self.running(session, now)?;
        if let Some(job) = self.jobs.get_mut(id) {
            job.steps.push(Step {
                name: name.to_owned(),
                at: now,
            });
        }
        Ok(())
    }

    /// A sign of life.
    ///
    /// # Errors
    /// When the job was cancelled.
    pub fn heartbeat(&mut self, session: &SessionId, now: Timestamp) -> Result<(), Interrupted> {
        self.running(session, now).map(|_| ())
    }

    /// The job is over; with it the registration.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn complete(
        &mut self,
        session: &SessionId,
        conclusion: Option<Conclusion>,
        now: Timestamp,
    ) -> Result<(), Interrupted> {
        let runner = self.touch(session, now)?;
        let id = self.job_of(runner, Status::InProgress)?;
        let job = self.jobs.get(id).ok_or(Interrupted::NoJob)?;
        let conclusion = match job.cancel_requested {
            Some(_) => Conclusion::Cancelled,
            None => conclusion.unwrap_or(job.wish.conclusion),
        };
        self.finish(id, conclusion, now);
        Ok(())
    }

    /// The runner's program says goodbye. Its registration stays, its job has failed.
    ///
    /// # Errors
    /// When the runner was removed.
    pub fn close_session(
        &mut self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<(), Interrupted> {
        let id = self.touch(session, now)?;
        match self.runners.get(id).and_then(|runner| runner.job) {
            Some(job)
                if self
                    .jobs
                    .get(job)
                    .is_some_and(|job| job.status == Status::InProgress) =>
            {
                self.annotate(job, "The runner has received a shutdown signal.");
                self.finish(job, Conclusion::Failure, now);
            }
            Some(job) => self.requeue(job, now),
            None => {}
        }
        if let Some(runner) = self
            .runners
            .get_mut(id)
            .filter(|runner| runner.removed.is_none())
        {
            runner.presence = Presence::Offline { since: now };
        }
        self.assign(now);
        Ok(())
    }

    /// A running, uncancelled job of this session.
    fn running(&mut self, session: &SessionId, now: Timestamp) -> Result<JobId, Interrupted> {
        let runner = self.touch(session, now)?;
        let id = self.job_of(runner, Status::InProgress)?;
        match self.jobs.get(id) {
            Some(Job {
                cancel_requested: None,
                ..
            }) => Ok(id),
            Some(_) => Err(Interrupted::Cancelled),
            None => Err(Interrupted::NoJob),
        }
    }

    fn job_of(&self, runner: RunnerId, status: Status) -> Result<JobId, Interrupted> {
        let given = self.runners.get(runner).and_then(|runner| runner.job);
        given
            .filter(|job| self.jobs.get(*job).is_some_and(|job| job.status == status))
            .ok_or(Interrupted::NoJob)
    }

    /// Notes a sign of life.
    fn touch(&mut self, session: &SessionId, now: Timestamp) -> Result<RunnerId, Interrupted> {
        let id = self
            .runners
            .of_session(session)
            .ok_or(Interrupted::Unknown)?;
        let runner = self.runners.get_mut(id).ok_or(Interrupted::Unknown)?;
        if runner.removed.is_some() {
            return Err(Interrupted::Removed);
        }
        match &mut runner.presence {
            Presence::Online { seen, .. } => *seen = now,
            other => {
                *other = Presence::Online {
                    seen: now,
                    idle_since: now,
                }
            }
        }
        Ok(id)
    }

    /// What silence and waiting bring about.
    pub(super) fn advance_sessions(&mut self, now: Timestamp) {
        for id in self.due_runners(now) {
            let Some(runner) = self.runners.get(id) else {
                continue;
            };
            match (&runner.presence, runner.job) {
                (Presence::Online { seen, .. }, Some(job))
                    if now >= after(*seen, self.settings.lost_after) =>
                {
                    self.lose(id, job, now);
                }
                (Presence::Online { .. }, Some(job)) => self.requeue(job, now),
                (Presence::Online { seen, .. }, None)
                    if now >= after(*seen, self.settings.lost_after) =>
                {
                    let since = *seen;
                    if let Some(runner) = self.runners.get_mut(id) {
                        runner.presence = Presence::Offline { since };
                    }
                }
                (Presence::Online { .. }, None) => self.remove_runner(id, Removal::Forgotten, now),
                (Presence::Never | Presence::Offline { .. }, _) => {
                    self.remove_runner(id, Removal::Expired, now)
                }
            }
        }
    }

    /// A runner fell silent: a job that it runs has failed, one that it never began waits again.
    fn lose(&mut self, id: RunnerId, job: JobId, now: Timestamp) {
        if self
            .jobs
            .get(job)
            .is_some_and(|job| job.status == Status::InProgress)
        {
            self.annotate(
                job,
                "The self-hosted runner lost communication with the server.",
            );
            self.remove_runner(id, Removal::Lost, now);
            self.finish(job, Conclusion::Failure, now);
        } else {
            self.requeue(job, now);
            if let Some(runner) = self.runners.get_mut(id) {
                runner.presence = Presence::Offline { since: now };
            }
        }
    }

    /// When something happens to a runner by itself.
    pub(super) fn runner_deadline(&self, runner: &Runner) -> Option<Timestamp> {
        match (&runner.presence, runner.job) {
            (Presence::Online { seen, .. }, Some(job)) => {
                let silent = after(*seen, self.settings.lost_after);
                let picked_up = self
                    .jobs
                    .get(job)
                    .filter(|job| job.status == Status::Queued);
                let given = picked_up.and_then(|job| job.assigned_at);
                Some(given.map_or(silent, |at| silent.min(after(at, self.settings.pickup))))
            }
            (Presence::Online { seen, idle_since }, None) => {
                let silent = after(*seen, self.settings.lost_after);
                let patience = self.faults.forgets_idle_after;
                Some(if patience > 0.0 {
                    silent.min(after(*idle_since, patience))
                } else {
                    silent
                })
            }
            (Presence::Offline { since }, _) => Some(after(*since, self.settings.offline_limit)),
            (Presence::Never, _) => Some(after(runner.created_at, self.settings.offline_limit)),
        }
    }
}
