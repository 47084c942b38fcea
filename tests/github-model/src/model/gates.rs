//! What keeps a job from its runner: environments, concurrency groups.

use super::Model;
use crate::id::JobId;
use crate::jobs::{Action, Conclusion, Gate, Status};
use jiff::Timestamp;

impl Model {
    /// A new job meets its gate, or the queue.
    pub(super) fn enter(&mut self, id: JobId, gate: Option<Gate>, now: Timestamp) {
        match gate {
            None => self.emit(id, Action::Queued, now),
            // The first `queued` cannot be told from a real one.
            Some(Gate::Environment) => {
                self.emit(id, Action::Queued, now);
                self.set(id, Status::Waiting);
                self.emit(id, Action::Waiting, now);
            }
            Some(Gate::Deployment) => {
                self.set(id, Status::Waiting);
                self.emit(id, Action::Queued, now);
            }
            Some(Gate::Concurrency) => {
                self.set(id, Status::Pending);
                self.emit(id, Action::Queued, now);
            }
        }
    }

    /// The gate opens: the job is queued, maybe again. False if it does not stand at one.
    pub fn approve(&mut self, id: JobId, now: Timestamp) -> bool {
        if !self.is_gated(id) {
            return false;
        }
        self.set(id, Status::Queued);
        if let Some(job) = self.jobs.get_mut(id) {
            job.queued_at = now;
        }
        self.emit(id, Action::Queued, now);
        self.assign(now);
        true
    }

    /// The reviewers say no. False if the job does not stand at a gate.
    pub fn reject(&mut self, id: JobId, now: Timestamp) -> bool {
        let gated = self.is_gated(id);
        if gated {
            self.finish(id, Conclusion::Failure, now);
        }
        gated
    }

    fn is_gated(&self, id: JobId) -> bool {
        self.jobs
            .get(id)
            .is_some_and(|job| matches!(job.status, Status::Waiting | Status::Pending))
    }

    fn set(&mut self, id: JobId, status: Status) {
        if let Some(job) = self.jobs.get_mut(id) {
            let from = std::mem::replace(&mut job.status, status);
            self.note_job(id, Some(from));
        }
    }
}
