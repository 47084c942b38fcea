//! The result of a launch: ECS's answer, or none, and what ECS reports of the task later. Each
//! transition is of the row as it is, and none where the row is not the one any more that was sent
//! for or asked about.

use crate::model::id::TaskArn;
use crate::model::runner::{Launch, Runner};
use crate::model::start_failure::FailureKind;
use crate::model::story::{StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// Most tries of one launch at different places (zones, then the other capacity) before it counts
/// as a failed start.
const MOST_ATTEMPTS: u32 = 5;

/// So many answers of ECS that it knows no task make it true, each a while after the one before:
/// its reads lag.
const MISSING_TWICE: u32 = 2;

/// What is known of the newest send, where ECS did not take the launch for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchResult {
    /// It surely did nothing: the time was up before it, or ECS throttled it.
    NotSent,
    /// It got no definite answer: a task may have come of it.
    Unknown,
    /// It was refused, and the result of an earlier one is unknown: ECS would replay its no, so it
    /// is not sent again.
    RefusedAfterUnknown,
}

/// What follows from a definite refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefusal {
    /// ECS found no capacity under this token, so no send under it has made a task, this one or an
    /// earlier one. The doubt is cleared first ([`Runner::without_doubt`]), then this is decided
    /// again.
    Settle,
    /// A task may have come of an earlier send: [`LaunchResult::RefusedAfterUnknown`] is written
    /// down. Sweeper asks ECS, twice, once its reads have caught up.
    Record,
    /// The next zone, or the other capacity, is tried ([`Runner::moved`]); if the row is another
    /// one by now, as for [`AfterRefusal::Close`].
    TryElsewhere,
    /// No task can exist: the runner is closed, if it is still as [`Runner::never_started`] says.
    Close,
}

/// Decides what follows from a definite refusal of the launch that was sent for this row.
/// `no_place`: ECS found no place for the task.
#[must_use]
pub fn after_refusal(sent: &Runner, kind: FailureKind, no_place: bool) -> AfterRefusal {
    match (sent.launch.outcome_unknown, no_place) {
        (true, true) => AfterRefusal::Settle,
        (true, false) => AfterRefusal::Record,
        (false, _) if kind == FailureKind::Transient && sent.launch.attempt < MOST_ATTEMPTS => {
            AfterRefusal::TryElsewhere
        }
        (false, _) => AfterRefusal::Close,
    }
}

/// What follows when ECS knows no task of a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTask {
    /// Nothing: its reads may lag behind the send, or it has answered so a moment ago.
    Early,
    /// It is written down, and ECS is asked once more ([`Runner::missing_once`]).
    Count,
    /// There is none: the runner is closed, if [`Runner::was_asked_about`] still holds.
    Close,
}

/// Decides what follows when ECS knows no task of this runner.
#[must_use]
pub fn task_missing(asked: &Runner, now: Timestamp) -> MissingTask {
    let launch = &asked.launch;
    // Two answers at one moment are one: the server that gave the first may still be behind, and
    // one sweep may follow another at once.
    let just_told = launch
        .missing_at
        .is_some_and(|at| now.since(at) < timeouts::REREAD_AFTER);
    if now.since(launch.sent_at) <= timeouts::MISSING_COUNTS_AFTER || just_told {
        MissingTask::Early
    } else if launch.missing + 1 >= MISSING_TWICE {
        MissingTask::Close
    } else {
        MissingTask::Count
    }
}

impl Runner {
    /// The runner, its launch about to be sent again under the same token, because the run that
    /// sent it first left no answer. Only one run can make this change: the row must be the one
    /// that was looked at.
    #[must_use]
    pub fn sent_again(&self, looked_at: &Self, now: Timestamp) -> Option<Self> {
        let same = self == looked_at && self.arn.is_none() && self.stop.is_none();
        same.then(|| {
            let mut after = self.clone();
            // A missing answer does not prove that no task was made, unless nothing was sent.
            after.launch.outcome_unknown |= !self.launch.unsent;
            (after.launch.sent_at, after.launch.unsent) = (now, false);
            after.launch.forget_missing();
            note(&mut after.story, now, StoryEvent::LaunchRepeated);
            after
        })
    }

    /// The runner with its task, unless it has one.
    #[must_use]
    pub fn launched(&self, arn: &TaskArn, now: Timestamp) -> Option<Self> {
        self.arn.is_none().then(|| {
            let mut after = self.clone();
            after.set_task(arn);
            note(
                &mut after.story,
                now,
                StoryEvent::TaskStarted {
                    task: arn.task_id().to_owned(),
                },
            );
            after
        })
    }

    /// The runner with what is known of the newest send of the try `sent`, if that is still its try
    /// and it is news.
    #[must_use]
    pub fn with_result(&self, sent: &Self, result: LaunchResult) -> Option<Self> {
        let mut after = self.clone();
        match result {
            LaunchResult::NotSent => after.launch.unsent = true,
            LaunchResult::Unknown => after.launch.outcome_unknown = true,
            LaunchResult::RefusedAfterUnknown => after.launch.given_up = true,
        }
        (self.is_try_of(sent) && after.launch != self.launch).then_some(after)
    }

    /// The runner without the doubt that an earlier send made a task, if it is still the same
    /// launch.
    #[must_use]
    pub fn without_doubt(&self, sent: &Self) -> Option<Self> {
        let same = self.is_try_of(sent) && self.launch.sent_at == sent.launch.sent_at;
        same.then(|| Self {
            launch: Launch {
                outcome_unknown: false,
                ..self.launch.clone()
            },
            ..self.clone()
        })
    }

    /// The runner with its next try, in another zone or on the other capacity, under a token of its
    /// own: ECS would replay the failure under the old one. `request` is what is sent, `message`
    /// why.
    #[must_use]
    pub fn moved(&self, sent: &Self, request: &str, message: &str, now: Timestamp) -> Option<Self> {
        (self.is_try_of(sent) && self.stop.is_none()).then(|| {
            let mut after = self.clone();
            let launch = &mut after.launch;
            request.clone_into(&mut launch.request);
            launch.attempt += 1;
            (launch.first_sent_at, launch.sent_at) = (now, now);
            launch.forget_missing();
            note(
                &mut after.story,
                now,
                StoryEvent::LaunchMoved {
                    message: message.to_owned(),
                },
            );
            after
        })
    }

    /// True if the refused try `sent` made no task and cannot make one: the runner may be closed.
    #[must_use]
    pub fn never_started(&self, sent: &Self) -> bool {
        self.is_try_of(sent) && !self.launch.outcome_unknown
    }

    /// The runner after ECS knew no task of it, once, if it was not sent again meanwhile.
    #[must_use]
    pub fn missing_once(&self, asked: &Self, now: Timestamp) -> Option<Self> {
        (self.launch.sent_at == asked.launch.sent_at).then(|| {
            let mut after = self.clone();
            after.launch.missing += 1;
            after.launch.missing_at = Some(now);
            note(&mut after.story, now, StoryEvent::TaskNotFound);
            after
        })
    }

    /// The runner after ECS showed its task: an earlier answer that it knows none was wrong, and
    /// must not be added to a later one.
    #[must_use]
    pub fn shown(&self) -> Option<Self> {
        (self.launch.missing > 0).then(|| {
            let mut after = self.clone();
            after.launch.forget_missing();
            after
        })
    }

    fn is_try_of(&self, sent: &Self) -> bool {
        self.launch.attempt == sent.launch.attempt && self.arn.is_none()
    }
}

impl Launch {
    /// Forgets that ECS knew no such task: those answers are from before.
    fn forget_missing(&mut self) {
        (self.missing, self.missing_at) = (0, None);
    }
}
