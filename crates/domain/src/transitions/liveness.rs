//! Questions about runners at work: what GitHub must be asked when deliveries said too little for
//! too long.

use crate::model::id::{GithubRunnerId, JobId, RunnerName};
use crate::model::runner::{Runner, RunnerState};
use crate::model::story::{StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// What to ask about a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivenessCheck {
    /// The job that it works on: is it over?
    Job(JobId),
    /// The job that it has reserved: GitHub says that the runner is busy, but not with which job.
    Reserved(JobId),
    /// Whether GitHub still has the runner, whose job is unknown.
    Itself,
}

/// What is to be asked about a runner now. No answer stops a runner but those that say that its job
/// is over.
#[must_use]
pub fn liveness_check(runner: &Runner, now: Timestamp) -> Option<LivenessCheck> {
    let at_work =
        runner.state == RunnerState::Busy && runner.done_at.is_none() && runner.refused.is_none();
    if !at_work || runner.stop.is_some() || runner.retired_at.is_some() || runner.target.is_none() {
        return None;
    }
    let job = runner.work.as_ref().and_then(|work| work.job);
    let reserved = runner
        .reserved
        .filter(|_| runner.work.is_none() && runner.liveness_checks == 0);
    (due_at(runner, reserved.is_some()) <= now).then_some(match (job, reserved) {
        (Some(job), _) => LivenessCheck::Job(job),
        (None, Some(reserved)) => LivenessCheck::Reserved(reserved),
        (None, None) => LivenessCheck::Itself,
    })
}

/// A job in reserve is asked about at once: until then it has no runner but one that may work on
/// another job.
fn due_at(runner: &Runner, reserved: bool) -> Timestamp {
    let Some(checked) = runner.liveness_checked_at else {
        let busy = runner
            .work
            .as_ref()
            .map(|work| work.since)
            .or(runner.registered_at)
            .unwrap_or(runner.requested_at);
        return if reserved {
            busy
        } else {
            busy.plus(timeouts::CHECK_AFTER)
        };
    };
    if runner.unconfirmed_since.is_some() {
        return checked.plus(timeouts::REREAD_AFTER);
    }
    checked.plus(timeouts::exponential_backoff(
        timeouts::CHECK_AFTER,
        runner.liveness_checks.saturating_sub(1),
        timeouts::LONGEST_WAIT,
    ))
}

/// What GitHub said of a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivenessResult {
    /// It may well be at work.
    AtWork,
    /// The job in reserve for it has not begun: it works on another one.
    NotOnReserved,
    /// GitHub knows it no longer, and shows its place to the App: a runner leaves when its one job
    /// is over.
    Gone,
    /// Its job is over; since when, if GitHub says so.
    Over(Option<Timestamp>),
}

impl Runner {
    /// The runner after an answer about it; `None` if it is not at work any more. What one answer
    /// does not prove waits for a second one.
    #[must_use]
    pub fn record_liveness(&self, answer: LivenessResult, now: Timestamp) -> Option<Self> {
        if self.state != RunnerState::Busy || self.done_at.is_some() {
            return None;
        }
        let twice = self
            .unconfirmed_since
            .is_some_and(|since| now.since(since) >= timeouts::REREAD_AFTER);
        let mut after = Self {
            liveness_checked_at: Some(now),
            ..self.clone()
        };
        let certain = Self {
            unconfirmed_since: None,
            liveness_checks: self.liveness_checks.saturating_add(1),
            ..after.clone()
        };
        match answer {
            LivenessResult::AtWork => after = certain,
            // Someone said meanwhile what it works on.
            LivenessResult::NotOnReserved if self.work.is_some() => after = certain,
            LivenessResult::NotOnReserved if twice => {
                after = Self {
                    reserved: None,
                    ..certain
                };
                note(&mut after.story, now, StoryEvent::FoundOnOtherJob);
            }
            LivenessResult::Gone if twice => {
                after = Self {
                    done_at: Some(now),
                    ..certain
                };
                note(&mut after.story, now, StoryEvent::GoneAtGithub);
            }
            LivenessResult::NotOnReserved | LivenessResult::Gone => {
                after.unconfirmed_since = self.unconfirmed_since.or(Some(now))
            }
            LivenessResult::Over(at) => {
                after = Self {
                    done_at: at.or(Some(now)),
                    ..certain
                };
                note(&mut after.story, now, StoryEvent::FoundDone);
            }
        }
        Some(after)
    }

    /// True if a registration at GitHub is this runner's: by its id where that is known, else by
    /// its name.
    #[must_use]
    pub fn is_registered_as(&self, id: GithubRunnerId, name: &str) -> bool {
        match self.github {
            Some(own) => own == id,
            None => name
                .parse::<RunnerName>()
                .is_ok_and(|name| name.address == self.address()),
        }
    }
}
