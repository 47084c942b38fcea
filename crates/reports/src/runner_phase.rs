//! How far a runner is, in words.

use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;

use crate::time_format::age;

/// How far an open runner is: finer than its state, as ECS tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerPhase {
    /// ECS is asked for its task.
    Requested,
    /// Its task is there, its image not yet.
    Launched,
    /// It pulls its image.
    Pulling,
    /// Its image is there, it has not been heard of.
    Starting,
    /// It is alive and has nothing to do.
    Idle,
    /// It gets its registration.
    Registering,
    /// GitHub is to give it a job.
    Registered,
    /// It works.
    Busy,
    /// It is to end, or about to.
    Ending,
}

impl RunnerPhase {
    /// Where a runner is, and since when.
    #[must_use]
    pub fn of(runner: &Runner) -> (Self, Timestamp) {
        let timeline = &runner.timeline;
        let ending = runner
            .stop
            .as_ref()
            .map(|stop| stop.at)
            .or(runner.retired_at)
            .or(runner.done_at)
            .or(timeline.stopping);
        if let Some(since) = ending {
            return (Self::Ending, since);
        }
        let asked = runner.first_polled_at.unwrap_or(runner.requested_at);
        match runner.state {
            RunnerState::Requested => match (
                runner.arn.is_some(),
                timeline.pull_started,
                timeline.pull_stopped.or(timeline.started),
            ) {
                (_, _, Some(there)) => (Self::Starting, there),
                (_, Some(pulling), None) => (Self::Pulling, pulling),
                (true, None, None) => (
                    Self::Launched,
                    timeline.created.unwrap_or(runner.requested_at),
                ),
                (false, None, None) => (Self::Requested, runner.requested_at),
            },
            RunnerState::Parked => (Self::Idle, asked),
            RunnerState::Registering => {
                (Self::Registering, runner.last_attempt_at.unwrap_or(asked))
            }
            RunnerState::Registered => (Self::Registered, runner.registered_at.unwrap_or(asked)),
            RunnerState::Busy => (
                Self::Busy,
                runner
                    .work
                    .as_ref()
                    .map(|work| work.since)
                    .or(runner.registered_at)
                    .unwrap_or(asked),
            ),
        }
    }

    /// One word for a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Launched => "launched",
            Self::Pulling => "pulling",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Busy => "busy",
            Self::Ending => "ending",
        }
    }

    /// What it does, and for how long already.
    #[must_use]
    pub fn in_words(self, since: Timestamp, now: Timestamp) -> String {
        let age = age(now, since);
        match self {
            Self::Requested => format!("has been waiting for its ECS task for {age}"),
            Self::Launched => {
                format!("got its task {age} ago and has not started to pull its image")
            }
            Self::Pulling => format!("has been pulling its image for {age}"),
            Self::Starting => format!("pulled its image {age} ago and is starting"),
            Self::Idle => format!("has been idle for {age}"),
            Self::Registering => format!("has been registering at GitHub for {age}"),
            Self::Registered => {
                format!("registered {age} ago and waits for GitHub to assign the job")
            }
            Self::Busy => format!("has been running a job for {age}"),
            Self::Ending => format!("has been stopping for {age}"),
        }
    }
}
