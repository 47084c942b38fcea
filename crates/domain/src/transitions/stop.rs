//! Dismissal: someone wants a runner gone (`mayfly stop`).
//!
//! The request itself stops nothing. A runner that GitHub cannot know is marked, and scaler stops
//! its task; sweeper deregisters one that GitHub may know before its task is stopped. A runner at
//! work is touched only if that was said in so many words.

use crate::model::runner::{Runner, RunnerState, StopKind, StopMark};
use crate::model::stop_request::StopRequest;
use crate::model::story::{StoryEvent, note};
use crate::transitions::changes::Changes;

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// GitHub cannot know it: it is marked. Scaler, when it is woken, stops the task.
    Marked,
    /// GitHub may know it: the request is written down. Sweeper takes it away there, within a
    /// minute, and then stops the task.
    Requested,
    /// It has a job, and it was not said that it must end all the same. Nothing changes.
    Busy,
    /// It is on its way to its end already. Nothing changes.
    Ending,
}

/// Decides the result of a request to stop a runner, and what changes.
#[must_use]
pub fn request_stop(runner: &Runner, request: StopRequest) -> (StopOutcome, Changes) {
    let known = runner
        .stop_request
        .as_ref()
        .is_some_and(|known| known.force || !request.force);
    if runner.stop.is_some() || runner.retired_at.is_some() || known {
        return (StopOutcome::Ending, Changes::default());
    }
    let mut after = runner.clone();
    if runner.state.unregistered() {
        note(
            &mut after.story,
            request.at,
            StoryEvent::StopRequested {
                by: request.by.clone(),
                at_work: false,
            },
        );
        after.stop = Some(StopMark {
            at: request.at,
            kind: StopKind::UserRequest,
            reason: request.reason(),
        });
        return (StopOutcome::Marked, Changes::of_runner(after));
    }
    if runner.at_work() && !request.force {
        return (StopOutcome::Busy, Changes::default());
    }
    note(
        &mut after.story,
        request.at,
        StoryEvent::StopRequested {
            by: request.by.clone(),
            at_work: runner.at_work(),
        },
    );
    after.stop_request = Some(request);
    (StopOutcome::Requested, Changes::of_runner(after))
}

impl Runner {
    /// True if it has a job, for all that is known, that is not over and may run.
    #[must_use]
    pub fn at_work(&self) -> bool {
        self.state == RunnerState::Busy && self.done_at.is_none() && self.refused.is_none()
    }

    /// True if it ends on request and certainly never had a job: it was deregistered while it had
    /// none, or its registration in progress was not handed out.
    #[must_use]
    pub(crate) fn stopped_before_a_job(&self) -> bool {
        self.stop_request.is_some()
            && self.work.is_none()
            && (self.retired_at.is_some() || self.state == RunnerState::Registering)
    }
}
