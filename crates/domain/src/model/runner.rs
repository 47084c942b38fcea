//! Runners: one Fargate task each, at most one job each.

use serde::{Deserialize, Serialize};

use crate::model::id::{
    GithubRunnerId, JobId, PoolName, RepositoryId, RunId, RunnerAddress, RunnerId, RunnerName,
    TaskArn,
};
use crate::model::job::{AssignedRunner, JobEvent};
use crate::model::metric::MetricsLevel;
use crate::model::price::{NanoDollars, NoPrice, Price};
use crate::model::retention::Retention;
use crate::model::size::Size;
use crate::model::stop_request::StopRequest;
use crate::model::stored::{first, is_default, is_first};
use crate::model::story::{Note, Reason, StoryEvent};
use crate::model::target::{Target, TargetScope};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::model::usage::Usage;

/// The only container of a task, and the prefix of its log stream.
pub const CONTAINER: &str = "runner";

/// How far a runner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerState {
    /// Its task was asked for; it has not been heard of.
    Requested,
    /// It is alive and has nothing to do.
    Parked,
    /// A registration is being made for it. May have reached GitHub.
    Registering,
    /// It has its registration and waits for GitHub to give it a job.
    Registered,
    /// It has a job.
    Busy,
}

impl RunnerState {
    /// True if no call for a registration was ever made for it: GitHub cannot know it, so its task
    /// may be stopped.
    #[must_use]
    pub fn unregistered(self) -> bool {
        matches!(self, Self::Requested | Self::Parked)
    }
}

/// How a runner ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It had a job.
    Ran,
    /// There was nothing for it to do any more.
    Surplus,
    /// It ended before it asked for its registration, or right after it had it, by a failure of its
    /// own.
    FailedStart,
    /// GitHub gave it a job that is not allowed in its pool.
    Refused,
    /// It was registered and was given nothing, though its job still waited.
    NeverAssigned,
    /// It ended for an unknown reason.
    Unknown,
}

impl Outcome {
    /// The word that the record has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Surplus => "surplus",
            Self::FailedStart => "failed_start",
            Self::Refused => "refused",
            Self::NeverAssigned => "never_assigned",
            Self::Unknown => "unknown",
        }
    }
}

/// What kind of decision a stop mark is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// The plan has nothing for it to do.
    #[default]
    Surplus,
    /// It was not heard of within the start timeout: a failed start.
    StartTimeout,
    /// It was parked for as long as a runner may be.
    ParkLimit,
    /// A person requested it (`mayfly stop`).
    UserRequest,
}

/// A decision that a runner must end; made only for runners that never registered, and never taken
/// back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopMark {
    /// When it was made.
    pub at: Timestamp,
    /// What kind of decision.
    #[serde(default)]
    pub kind: StopKind,
    /// Why.
    pub reason: Reason,
}

/// What a busy runner works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The run.
    pub run: RunId,
    /// The run's attempt.
    pub attempt: u32,
    /// The job; the job-started hook does not know it, a delivery does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Since when.
    pub since: Timestamp,
}

/// When ECS says that things happened to the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    /// The task came to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The image pull began: from here on it is paid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_started: Option<Timestamp>,
    /// The image pull ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_stopped: Option<Timestamp>,
    /// The container ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The task began to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Timestamp>,
    /// The task ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
}

/// How a launch was, or is to be, made: enough to repeat it exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The request to ECS, as JSON of the fleet's own form: repeated to the letter under the same
    /// token. Empty once its task is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// The role that the task runs as: a request for registration must come from it.
    pub role: String,
    /// Fingerprint of image, size and role: a failed start counts against it.
    pub definition: String,
    /// Which try this is, from 1; a definite failure makes the next one.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub attempt: u32,
    /// When this try was sent first.
    pub first_sent_at: Timestamp,
    /// When it was sent last.
    pub sent_at: Timestamp,
    /// How often ECS answered that no task of this runner exists, once such an answer counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing: u32,
    /// When it answered so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_at: Option<Timestamp>,
    /// True once a send of this try got no definite answer: a task may exist that is unknown to us.
    /// No next try is made while it is true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outcome_unknown: bool,
    /// The newest send surely did nothing: the time was up before it, or ECS throttled it. The next
    /// one is as good as the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsent: bool,
    /// A later send was refused, and the result of an earlier one is unknown: the launch is not
    /// sent again, and ECS is asked once its reads have caught up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

/// A runner whose task exists or may exist; closed, its record. Its whole story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runner {
    /// The runner.
    pub id: RunnerId,
    /// The pool it was started for.
    pub pool: PoolName,
    /// How large it is.
    pub size: Size,
    /// How far it has come.
    pub state: RunnerState,
    /// The job it was started for; none for the idle floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<JobId>,
    /// The repository that it counts for under `max_per_repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryId>,
    /// How its task was asked for.
    pub launch: Launch,
    /// Its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<TaskArn>,
    /// When it was decided on.
    pub requested_at: Timestamp,
    /// When it asked for its registration first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_polled_at: Option<Timestamp>,
    /// When it was heard of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// How many registrations were asked of GitHub for it; the number ends its name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub registration_attempt: u32,
    /// When a registration was asked of GitHub last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
    /// GitHub did not answer a registration request: a registration may exist that is unknown to
    /// us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attempt_outcome_unknown: bool,
    /// The job in reserve for it while it registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<JobId>,
    /// Where and as what it registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Where else a registration was asked of GitHub whose fate is unknown: a later call was for a
    /// job of another place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_targets: Vec<Target>,
    /// GitHub's id of it, once registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubRunnerId>,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// When it was taken away at GitHub: it will be given nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// Why it was: its container may end by itself before it is stopped, and ECS knows nothing of
    /// it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_reason: Option<Reason>,
    /// What it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// When it was first known to have a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_at: Option<Timestamp>,
    /// Its hook ends the container of a job that could not be asked about (`MAYFLY_FAIL_CLOSED`):
    /// no job may run on it that was not admitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fails_closed: bool,
    /// When its job was admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<Timestamp>,
    /// Why its job was refused at admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Reason>,
    /// When its job was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// When GitHub was asked last what it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_checked_at: Option<Timestamp>,
    /// How often GitHub was asked that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub liveness_checks: u32,
    /// Since when GitHub says what one answer does not prove: that the job it holds in reserve
    /// waits although it works, or that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed_since: Option<Timestamp>,
    /// It must end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopMark>,
    /// Someone wants it gone, and GitHub may know it: sweeper takes it away there first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_request: Option<StopRequest>,
    /// ECS's version of the task's state that was seen last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub task_version: i64,
    /// When ECS says that things happened.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeline: Timeline,
    /// Exit code of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What its container used, by its own report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// AWS took it back while it had a job; only a record has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// How it ended; only a record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What an hour of its task costs, as it was when the task was asked for; none in rows of
    /// versions that wrote down no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How much of its end is sent to CloudWatch, as the pools file said when the task was asked for:
    /// who closes it need not read that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: MetricsLevel,
    /// What it cost; only a record has it, and only if its price is known.
    #[serde(
        rename = "cost_nanodollars",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub cost: Option<NanoDollars>,
    /// When it closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Its story.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<Note>,
    /// How long it is kept once it closed, as the pools file said when it was made.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: Retention,
    /// When DynamoDB may delete the record, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl Runner {
    /// A runner that was decided on at `now` and whose task will be asked for with `launch`.
    #[must_use]
    pub fn requested(
        id: RunnerId,
        pool: PoolName,
        size: Size,
        launch: Launch,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            pool,
            size,
            state: RunnerState::Requested,
            intended: None,
            repository: None,
            launch,
            arn: None,
            requested_at: now,
            first_polled_at: None,
            last_seen_at: None,
            registration_attempt: 0,
            last_attempt_at: None,
            attempt_outcome_unknown: false,
            reserved: None,
            target: None,
            previous_targets: Vec::new(),
            github: None,
            registered_at: None,
            retired_at: None,
            retired_reason: None,
            work: None,
            busy_at: None,
            fails_closed: false,
            admitted_at: None,
            refused: None,
            done_at: None,
            liveness_checked_at: None,
            liveness_checks: 0,
            unconfirmed_since: None,
            stop: None,
            stop_request: None,
            task_version: 0,
            timeline: Timeline::default(),
            exit_code: None,
            usage: None,
            interrupted: false,
            outcome: None,
            reason: None,
            price: None,
            metrics: MetricsLevel::default(),
            cost: None,
            closed_at: None,
            story: Vec::new(),
            keep: Retention::default(),
            expires_at: None,
        }
    }

    /// Why it is not known what it cost, if it is over and that is not known.
    #[must_use]
    pub fn no_cost(&self) -> Option<NoPrice> {
        let unknown = self.closed_at.is_some() && self.cost.is_none();
        unknown.then(|| match &self.price {
            Some(Price::Unknown(why)) => why.clone(),
            Some(Price::Hour(_)) | None => NoPrice::NotRecorded,
        })
    }

    /// True for a runner that should poll (parked or registering) and has not done so for too long.
    /// It covers no job, and loses the job that it has reserved.
    #[must_use]
    pub fn is_unresponsive(&self, now: Timestamp) -> bool {
        let asks = matches!(self.state, RunnerState::Parked | RunnerState::Registering);
        asks && self
            .last_seen_at
            .is_none_or(|heard| now.since(heard) > timeouts::SEEN_WITHIN)
    }

    /// Pool and id: `startedBy` of its task.
    #[must_use]
    pub fn address(&self) -> RunnerAddress {
        RunnerAddress {
            pool: self.pool.clone(),
            runner: self.id.clone(),
        }
    }

    /// The repository of its job, `owner/name`; before it has one, where it registers.
    #[must_use]
    pub fn worked_for(&self) -> Option<&str> {
        let registers = || match &self.target.as_ref()?.scope {
            TargetScope::Repository { name, .. } => Some(name.as_str()),
            TargetScope::Organization { login, .. } => Some(login.as_str()),
        };
        self.story
            .iter()
            .rev()
            .find_map(|note| match &note.event {
                StoryEvent::WorksOn { repository, .. } => Some(repository.as_str()),
                _ => None,
            })
            .or_else(registers)
    }

    /// Where its container's log is in the runners' log group, once it has a task.
    #[must_use]
    pub fn log_stream(&self) -> Option<String> {
        // ECS's awslogs driver: <prefix>/<container>/<task id>.
        self.arn
            .as_ref()
            .map(|arn| format!("{CONTAINER}/{CONTAINER}/{}", arn.task_id()))
    }

    /// This is its task. The request for it, half of the row, is needed no more: a launch is
    /// repeated only while no task is known, and every look at the pool reads every row.
    pub fn set_task(&mut self, arn: &TaskArn) {
        self.arn = Some(arn.clone());
        self.launch.request.clear();
    }

    /// The name of its newest registration.
    #[must_use]
    pub fn name(&self) -> RunnerName {
        RunnerName {
            address: self.address(),
            registration_attempt: self.registration_attempt,
        }
    }

    /// ECS's `clientToken` for the current try.
    #[must_use]
    pub fn client_token(&self) -> String {
        format!("{}-{}", self.id, self.launch.attempt)
    }

    /// True if a delivery that names this runner means this one: name **and** GitHub's id **and** a
    /// target that reaches the repository. Anyone who may register a runner can give it our name.
    #[must_use]
    pub fn is_meant_by(&self, named: &AssignedRunner, event: &JobEvent) -> bool {
        self.registration_attempt > 0
            && self.github == Some(named.id)
            && self.name().to_string() == named.name
            && self
                .target
                .as_ref()
                .is_some_and(|target| target.reaches(&event.repository))
    }
}
