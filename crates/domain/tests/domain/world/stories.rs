//! Every event of a story and every reason, one at least of each kind.

use std::time::Duration;

use mayfly_domain::model::id::{GithubRunnerId, JobId, PoolName, RunId, RunnerId};
use mayfly_domain::model::interruption::Interruption;
use mayfly_domain::model::pool::{Refusal, Scope};
use mayfly_domain::model::story::{LeftPool, PoolChange, Reason, StoryEvent, TaskEnd};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn linux() -> PoolName {
    "linux".parse().unwrap()
}

fn text(of: &str) -> String {
    of.to_owned()
}

fn left(change: PoolChange) -> LeftPool {
    LeftPool { pool: "old".parse().unwrap(), change }
}

fn refused() -> Box<Reason> {
    Box::new(Reason::Ecs { message: text("Capacity is unavailable at this time.") })
}

/// Every event.
pub(crate) fn events() -> Vec<StoryEvent> {
    of_a_job().into_iter().chain(of_a_runner()).collect()
}

fn of_a_job() -> Vec<StoryEvent> {
    use StoryEvent as E;
    vec![
        E::Placed { pool: linux(), pools_version: 7, left: None },
        E::Placed { pool: linux(), pools_version: 7, left: Some(left(PoolChange::Removed)) },
        E::Placed { pool: linux(), pools_version: 7, left: Some(left(PoolChange::Relabelled)) },
        E::RegistersElsewhere { scope: Scope::Repository, pools_version: 8 },
        E::RegistersElsewhere { scope: Scope::Organization { group: text("builders") }, pools_version: 8 },
        E::Unplaced { reason: Reason::NoLabelOffered },
        E::MatchingGivenUp,
        E::Queued,
        E::Gated,
        E::QueuedLongAgo,
        E::FoundQueued,
        E::FoundGated,
        E::StillQueued,
        E::RunOver,
        E::Unconfirmed { reason: Reason::QueuedAgainUnconfirmed },
        E::QueuedAgain { runner: Some(text("buildbox")) },
        E::QueuedAgain { runner: None },
        E::GivenUp { reason: Reason::GivenUp { why: Box::new(Reason::JobNotFound), after: DAY } },
        E::Reopened,
        E::AwaitsRetry { reason: Reason::MayHaveRun },
        E::Retried { by: text("user/alice"), asks_github: false },
        E::Retried { by: text("user/alice"), asks_github: true },
        E::Started { runner: Some(text("buildbox")) },
        E::Started { runner: None },
        E::Completed { conclusion: Some(text("success")) },
        E::Completed { conclusion: None },
        E::Interrupted { runner: RunnerId::from_ulid(1), by: Some(Interruption::Spot), job_open: true },
        E::Interrupted { runner: RunnerId::from_ulid(1), by: Some(Interruption::HostRetired), job_open: false },
        E::Interrupted { runner: RunnerId::from_ulid(1), by: Some(Interruption::HostUnhealthy), job_open: false },
        E::Interrupted { runner: RunnerId::from_ulid(1), by: None, job_open: false },
        E::MovedOnDemand,
        E::RerunRequested,
        E::RerunRefused { message: text("This workflow is already running") },
        E::RerunUnanswered,
    ]
}

fn of_a_runner() -> Vec<StoryEvent> {
    use StoryEvent as E;
    let repository = || text("acme/app");
    vec![
        E::Requested { job: Some(JobId(14_541_957_942)) },
        E::Requested { job: None },
        E::LaunchRepeated,
        E::LaunchMoved { message: text("Capacity is unavailable at this time.") },
        E::TaskStarted { task: text("0123456789abcdef0123456789abcdef") },
        E::TaskNotFound,
        E::AskedForRegistration,
        E::Registering { name: text("mayfly-linux-1-1"), job: JobId(7), repository: repository() },
        E::Registered { github: GithubRunnerId(9001) },
        E::RegistrationRefused { message: text("archived") },
        E::Admitted { run: RunId(71), repository: repository() },
        E::JobRefused { reason: Reason::Unadmitted },
        E::WorksOn { job: JobId(7), repository: repository() },
        E::FoundBusy,
        E::FoundOnOtherJob,
        E::GoneAtGithub,
        E::FoundDone,
        E::StopRequested { by: text("user/alice"), at_work: false },
        E::StopRequested { by: text("user/alice"), at_work: true },
        E::MarkedForStop { reason: Reason::NotNeeded },
        E::Deregistered,
        E::NotDeregistered,
        E::Ended { reason: Reason::TaskStopped(TaskEnd { exit_code: Some(0), ..TaskEnd::default() }) },
        E::TaskLeftRunning { busy: true },
        E::TaskLeftRunning { busy: false },
        E::RegistrationsRemoved,
        E::Other { kind: text("defrosted") },
    ]
}

/// Every reason.
pub(crate) fn reasons() -> Vec<Reason> {
    of_jobs().into_iter().chain(of_admission()).chain(of_runners()).collect()
}

fn of_jobs() -> Vec<Reason> {
    use Reason as R;
    let asked = || text("self-hosted, gpu");
    vec![
        R::LabelMiswritten { asked: asked(), label: text("\"gpu\\n\""), meant: text("gpu") },
        R::LabelsInOne { asked: asked(), label: text("\"self-hosted, gpu\""), meant: text("self-hosted, gpu") },
        R::NoLabelOfItsOwn { asked: asked(), pool: linux() },
        R::LabelsNotOffered { asked: asked(), pool: linux(), missing: text("gpu") },
        R::NoPools { asked: asked() },
        R::NoLabelOffered,
        R::NotServed { refusal: Refusal::Public },
        R::NotServed { refusal: Refusal::Repository },
        R::NotServed { refusal: Refusal::Account },
        R::NotServed { refusal: Refusal::Labels },
        R::NoLabels,
        R::NotOurs,
        R::LeftPool { left: left(PoolChange::Removed), then: Box::new(R::NoLabelOffered) },
        R::LeftPool { left: left(PoolChange::Relabelled), then: Box::new(R::NotServed { refusal: Refusal::Public }) },
        R::MatchingGivenUp { last: None },
        R::MatchingGivenUp { last: Some(Box::new(R::NoLabelOffered)) },
        R::Gated,
        R::Reopened,
        R::QueuedAgainUnplaced,
        R::QueuedAgainUnconfirmed,
        R::JobNotFound,
        R::RepositoryNotVisible { repository: text("acme/app"), message: text("Not Found") },
        R::AskedAgain { why: Box::new(R::JobNotFound) },
        R::GivenUp { why: Box::new(R::JobNotFound), after: DAY },
        R::GivenUp { why: Box::new(R::JobNotFound), after: DAY * 35 },
        R::RunnerRefused { message: text("archived"), wait: MINUTE },
        R::NotAssigned { why: refused() },
        R::NeverAssigned { runners: 3, why: refused() },
        R::RunnerFailed { why: refused() },
        R::WhileItWaited { why: refused() },
        R::MayHaveRun,
        R::AskedFirst,
    ]
}

fn of_admission() -> Vec<Reason> {
    use Reason as R;
    let repository = || text("acme/other");
    vec![
        R::JobRefused { why: Box::new(R::HadItsJob) },
        R::Unadmitted,
        R::HadItsJob,
        R::NeverRegistered,
        R::RegisteredElsewhere { repository: repository() },
        R::PoolRemoved { pool: linux(), repository: repository() },
        R::RepositoryNotListed { pool: linux(), repository: repository() },
        R::RepositoryPublic { pool: linux(), repository: repository() },
    ]
}

fn of_runners() -> Vec<Reason> {
    use Reason as R;
    let end = |code: &str, stopped: &str, exit_code| TaskEnd {
        stop_code: Some(text(code)),
        stopped_reason: Some(text(stopped)),
        container_reason: None,
        exit_code,
    };
    let exited = |code| R::TaskStopped(end("EssentialContainerExited", "Essential container in task exited", Some(code)));
    let memory = Some(text("OutOfMemoryError: Container killed due to memory usage"));
    let mut reasons = vec![
        R::StoppedBy { by: text("user/alice") },
        R::Unresponsive,
        R::NotNeeded,
        R::BeyondIdleFloor,
        R::MakesRoom,
        R::StartTimeout { within: MINUTE * 15 },
        R::ParkLimit,
        R::RegistrationTimeout { within: MINUTE * 5 },
        R::IdleTimeout { within: MINUTE * 5 },
        R::MaxLifetime { within: DAY },
        R::OutlivedRegistration,
        R::OutlivedJob,
        R::OutlivedRefusal,
        R::OtherTask,
        R::RunnerClosed,
        R::RunnerUnknown,
        R::TaskUnknown,
        R::TaskStopped(TaskEnd::default()),
        R::TaskStopped(TaskEnd { stop_code: Some(text("TaskFailedToStart")), ..TaskEnd::default() }),
        R::TaskStopped(end("SpotInterruption", "Your Spot Task was interrupted.", Some(143))),
        R::TaskStopped(TaskEnd {
            container_reason: memory,
            ..end("EssentialContainerExited", "Essential container in task exited", Some(137))
        }),
        R::TaskStopped(TaskEnd {
            container_reason: Some(text("CannotPullContainerError: x")),
            ..end("TaskFailedToStart", "CannotPullContainerError: x", None)
        }),
        R::DeregisteredThenEnded { why: Box::new(R::MakesRoom), end: TaskEnd { exit_code: Some(1), ..TaskEnd::default() } },
        R::NoTaskDefinition { message: text("ClientException: Role is not valid") },
        R::Ecs { message: text("AccessDeniedException: no iam:PassRole") },
        R::Other { kind: text("thawed") },
    ];
    reasons.extend([0, 1, 7, 20, 21, 22, 23, 24, 25, 26, 126].map(exited));
    reasons
}
