//! When each step of a job was reached, from its queue to the end of its runner's task, and how
//! long each phase between two steps took.
//!
//! Three clocks tell it: GitHub's, ECS's and Mayfly's. They differ, by a second or two as a rule, and
//! GitHub tells full seconds only, so a step may seem to come before the one that leads to it. Such a
//! phase took no time, and the next one counts from the later of the two: the phases of a wait are
//! never negative, and their sum is the wait.

use std::time::Duration;

use serde::Serialize;

use crate::model::job::JobRecord;
use crate::model::runner::Runner;
use crate::model::time::Timestamp;

/// Whose clock told a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// GitHub's.
    Github,
    /// ECS's.
    Ecs,
    /// Mayfly's functions'.
    Mayfly,
}

impl Clock {
    /// Its owner's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Ecs => "ECS",
            Self::Mayfly => "Mayfly",
        }
    }
}

/// What a job and its runner go through, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// GitHub queued the job.
    Queued,
    /// The first delivery about it arrived.
    Received,
    /// Scaler decided on the runner, and wrote it down.
    Planned,
    /// ECS made its task.
    TaskCreated,
    /// The image pull began.
    PullStarted,
    /// The image pull ended.
    PullStopped,
    /// The container ran.
    ContainerStarted,
    /// The runner asked for its registration first.
    Polled,
    /// The runner had its registration.
    Registered,
    /// The runner began the job.
    Began,
    /// The job was over.
    Completed,
    /// The task was gone.
    Stopped,
}

impl Step {
    /// Whose clock tells it.
    #[must_use]
    pub const fn clock(self) -> Clock {
        match self {
            Self::Queued | Self::Began | Self::Completed => Clock::Github,
            Self::TaskCreated
            | Self::PullStarted
            | Self::PullStopped
            | Self::ContainerStarted
            | Self::Stopped => Clock::Ecs,
            Self::Received | Self::Planned | Self::Polled | Self::Registered => Clock::Mayfly,
        }
    }

    /// The phase that it ends; none for the first.
    #[must_use]
    pub const fn ends(self) -> Option<Phase> {
        match self {
            Self::Queued => None,
            Self::Received => Some(Phase::Delivery),
            Self::Planned => Some(Phase::Plan),
            Self::TaskCreated => Some(Phase::Launch),
            Self::PullStarted => Some(Phase::Provisioning),
            Self::PullStopped => Some(Phase::ImagePull),
            Self::ContainerStarted => Some(Phase::ContainerStart),
            Self::Polled => Some(Phase::Boot),
            Self::Registered => Some(Phase::Registration),
            Self::Began => Some(Phase::Assignment),
            Self::Completed => Some(Phase::Run),
            Self::Stopped => Some(Phase::Shutdown),
        }
    }
}

/// What takes time between two steps. Where ECS or Mayfly did not tell a step, its phase is missing
/// and its time is in the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// GitHub sends the delivery.
    Delivery,
    /// Scaler decides on a runner: limits, failed starts and GitHub's answers may hold it up.
    Plan,
    /// ECS takes the request.
    Launch,
    /// Fargate finds a machine and connects it to the network.
    Provisioning,
    /// The image is downloaded.
    ImagePull,
    /// The image is unpacked and the container started.
    ContainerStart,
    /// The container asks for its registration.
    Boot,
    /// A job is held in reserve and GitHub registers the runner.
    Registration,
    /// The runner connects to GitHub, which gives it the job.
    Assignment,
    /// The job runs.
    Run,
    /// The runner leaves and its task ends.
    Shutdown,
}

impl Phase {
    /// What happens in it, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Delivery => "the delivery",
            Self::Plan => "a plan",
            Self::Launch => "the launch",
            Self::Provisioning => "a machine",
            Self::ImagePull => "the image pull",
            Self::ContainerStart => "the container",
            Self::Boot => "the first poll",
            Self::Registration => "its registration",
            Self::Assignment => "GitHub's assignment",
            Self::Run => "the job's end",
            Self::Shutdown => "the task's end",
        }
    }

    /// True for a part of what a job waits.
    #[must_use]
    pub fn is_wait(self) -> bool {
        self < Self::Run
    }
}

/// A step, as its clock told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which.
    pub step: Step,
    /// When.
    pub at: Timestamp,
}

/// A phase, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// How long it took.
    pub took: Duration,
    /// The step that ends it, as its clock told it.
    pub end: Moment,
}

/// The steps that a job has reached, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTimeline(Vec<Moment>);

impl FromIterator<Moment> for JobTimeline {
    fn from_iter<I: IntoIterator<Item = Moment>>(moments: I) -> Self {
        let mut moments: Vec<Moment> = moments.into_iter().collect();
        moments.sort_by_key(|moment| moment.step);
        Self(moments)
    }
}

impl JobTimeline {
    /// Of a job and the runner that ran it. Without a runner, as for a job that another runner
    /// took, the steps of the job alone.
    #[must_use]
    pub fn of(record: &JobRecord, runner: Option<&Runner>) -> Self {
        let job = Self::of_job(record);
        match runner {
            Some(runner) => job.with(&Self::of_runner(runner)),
            None => job,
        }
    }

    /// The steps that belong to a job alone.
    #[must_use]
    pub fn of_job(record: &JobRecord) -> Self {
        let began = record.running_at;
        Self::told([
            (Step::Queued, Some(record.queued_at)),
            (Step::Received, Some(record.received_at)),
            (Step::Began, began),
            // A job that never began had no run.
            (Step::Completed, began.and(record.closed_at)),
        ])
    }

    /// The steps that belong to a runner.
    #[must_use]
    pub fn of_runner(runner: &Runner) -> Self {
        let ecs = runner.timeline;
        Self::told([
            (Step::Planned, Some(runner.requested_at)),
            (Step::TaskCreated, ecs.created),
            (Step::PullStarted, ecs.pull_started),
            (Step::PullStopped, ecs.pull_stopped),
            (Step::ContainerStarted, ecs.started),
            (Step::Polled, runner.first_polled_at),
            (Step::Registered, runner.registered_at),
            (Step::Stopped, ecs.stopped),
        ])
    }

    fn told(steps: impl IntoIterator<Item = (Step, Option<Timestamp>)>) -> Self {
        steps
            .into_iter()
            .filter_map(|(step, at)| Some(Moment { step, at: at? }))
            .collect()
    }

    /// A job's steps and its runner's together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both: Self = self.0.iter().chain(&other.0).copied().collect();
        // The end of a task is the end of a shutdown only if its job ended before.
        if both.at(Step::Completed).is_none() {
            both.0.retain(|moment| moment.step != Step::Stopped);
        }
        both
    }

    /// The steps, each as its clock told it.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.0
    }

    /// When a step was reached, as its clock told it.
    #[must_use]
    pub fn at(&self, step: Step) -> Option<Timestamp> {
        self.0
            .iter()
            .find(|moment| moment.step == step)
            .map(|moment| moment.at)
    }

    /// How long the job waited until it began; none if it has not.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        Some(self.at(Step::Began)?.since(self.at(Step::Queued)?))
    }

    /// The phases, in order. Those of the wait take [`wait`](Self::wait) together, if the job began.
    #[must_use]
    pub fn phases(&self) -> Vec<PhaseTime> {
        let began = self.at(Step::Began);
        let mut reached = None;
        let mut phases = Vec::new();
        for end in &self.0 {
            // What another clock sets after the job's beginning is a part of the wait all the same.
            let at = match (began, end.step < Step::Began) {
                (Some(began), true) => end.at.min(began),
                _ => end.at,
            };
            let at = reached.map_or(at, |before: Timestamp| at.max(before));
            if let (Some(phase), Some(before)) = (end.step.ends(), reached) {
                phases.push(PhaseTime {
                    phase,
                    took: at.since(before),
                    end: *end,
                });
            }
            reached = Some(at);
        }
        phases
    }
}
