//! Builders of what the tests speak of: a small world in which names, sizes and targets collide often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::health::{Health, SizeHealth};
use mayfly_domain::model::id::{GithubRunnerId, InstallationId, JobId, OwnerId, PoolName, RepositoryId, RunId, RunnerId, TaskArn};
use mayfly_domain::model::job::{JobRecord, JobState, WaitingJob};
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::{Launch, Runner, RunnerState, StopKind, StopMark, Work};
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::target::{Repository, Target, TargetScope};
use mayfly_domain::model::time::Timestamp;

/// The time at which everything is decided.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The size of the pool's own runners.
pub(crate) const OWN: Size =
    Size { cpu: 2048, memory_mib: 8192, disk_gib: 30, architecture: Architecture::X64, capacity: Capacity::OnDemand };

/// A size that the pool had before its pools file changed.
pub(crate) const OLD: Size = Size { cpu: 4096, ..OWN };

/// The fingerprint of what a launch of the size is made from.
pub(crate) const DEFINITION: &str = "definition";

pub(crate) fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() - i64::try_from(seconds * 1000).unwrap())
}

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) fn pool_name(name: &str) -> PoolName {
    name.parse().unwrap()
}

/// A pool with room for ten.
pub(crate) fn pool() -> Pool {
    Pool {
        labels: ["self-hosted", "linux", "x64", "mayfly", "gpu"].into_iter().collect(),
        max: 10,
        ..Pool::removed(pool_name("linux"), OWN)
    }
}

pub(crate) fn repository(id: i64) -> Repository {
    Repository { id: RepositoryId(id), name: format!("acme/app-{id}"), owner: OwnerId(9), private: true }
}

/// The target of a job of this repository with this one label besides `self-hosted`; repositories 3 and up are of another installation.
pub(crate) fn target(repository: i64, label: &str) -> Target {
    Target {
        installation: installation(repository),
        scope: TargetScope::Repository { id: RepositoryId(repository), name: format!("acme/app-{repository}") },
        labels: ["self-hosted", label].into_iter().collect(),
    }
}

pub(crate) fn installation(repository: i64) -> InstallationId {
    InstallationId(if repository < 3 { 1 } else { 2 })
}

/// A job of repository 1 that has been waiting for a minute less its number in seconds: lower numbers are older.
pub(crate) fn job(id: i64) -> WaitingJob {
    WaitingJob {
        rev: 1 << 20,
        id: JobId(id),
        size: OWN,
        target: target(1, "mayfly").key(),
        matched: None,
        installation: installation(1),
        repository: RepositoryId(1),
        run: RunId(1000 + id),
        attempt: 1,
        queued_at: Timestamp::from_millis(ago(60).millis() + id * 1000),
        not_before: None,
        runner: None,
        ask: false,
        asked_at: None,
        attempts: 0,
        refused: false,
        held: None,
    }
}

/// A job of this repository that asks for this label.
pub(crate) fn job_of(id: i64, repository: i64, label: &str) -> WaitingJob {
    let target = target(repository, label);
    WaitingJob { target: target.key(), installation: target.installation, repository: RepositoryId(repository), ..job(id) }
}

/// The record of a job that waits.
pub(crate) fn record_of(job: &WaitingJob) -> JobRecord {
    let label = if target(job.repository.0, "gpu").key() == job.target { "gpu" } else { "mayfly" };
    let target = target(job.repository.0, label);
    JobRecord {
        rev: 1,
        id: job.id,
        run: job.run,
        attempt: job.attempt,
        name: "build".into(),
        labels: target.labels.clone(),
        repository: repository(job.repository.0),
        installation: job.installation,
        state: JobState::Queued,
        pool: Some(pool_name("linux")),
        size: Some(job.size),
        target: Some(target),
        matched: None,
        generation: 1,
        queued: BTreeSet::from(["first".to_owned()]),
        blocking: BTreeSet::new(),
        epoch: 0,
        received_at: job.queued_at,
        queued_at: job.queued_at,
        running_at: None,
        closed_at: None,
        conclusion: None,
        runner_name: None,
        runner: None,
        reason: None,
        heard_at: None,
        doubt: None,
        given_up: false,
        story: Vec::new(),
        expires_at: None,
    }
}

pub(crate) fn runner_id(number: u64) -> RunnerId {
    format!("{number:026}").parse().unwrap()
}

pub(crate) fn arn(number: u64) -> TaskArn {
    TaskArn(format!("arn:aws:ecs:eu-west-1:123456789012:task/mayfly/{number:032x}"))
}

pub(crate) fn launch() -> Launch {
    Launch {
        request: "{}".into(),
        role: "arn:aws:iam::123456789012:role/mayfly/tasks/mayfly-runner".into(),
        definition: DEFINITION.into(),
        attempt: 1,
        first_sent_at: ago(60),
        sent_at: ago(60),
        missing: 0,
        missing_at: None,
        unsure: false,
        unsent: false,
        given_up: false,
    }
}

/// A runner whose task was asked for a minute ago.
pub(crate) fn requested(number: u64) -> Runner {
    Runner {
        rev: 1,
        arn: Some(arn(number)),
        task_version: 1,
        ..Runner::requested(runner_id(number), pool_name("linux"), OWN, launch(), ago(60))
    }
}

/// A runner that asked a moment ago and was told to wait.
pub(crate) fn parked(number: u64) -> Runner {
    Runner { state: RunnerState::Parked, asked_at: Some(ago(30)), heard_at: Some(ago(3)), ..requested(number) }
}

/// A parked runner that has not been heard of for an hour.
pub(crate) fn silent(number: u64) -> Runner {
    Runner { asked_at: Some(ago(7200)), heard_at: Some(ago(3600)), ..parked(number) }
}

/// A runner that is about to be registered for this job.
pub(crate) fn registering(number: u64, job: i64, target: Target) -> Runner {
    let repository = match target.scope {
        TargetScope::Repository { id, .. } => Some(id),
        TargetScope::Organization { .. } => None,
    };
    Runner { state: RunnerState::Registering, mint: 1, reserved: Some(JobId(job)), repository, target: Some(target), ..parked(number) }
}

/// A runner that has its registration, made for this job.
pub(crate) fn registered(number: u64, job: i64, target: Target) -> Runner {
    Runner {
        state: RunnerState::Registered,
        github: Some(GithubRunnerId(i64::try_from(number).unwrap() + 5000)),
        registered_at: Some(ago(10)),
        heard_at: Some(ago(10)),
        ..registering(number, job, target)
    }
}

/// A runner that was registered for this job and works on another one, or the same, of this run; which job it is may be unknown.
pub(crate) fn busy(number: u64, reserved: i64, run: i64, job: Option<i64>) -> Runner {
    Runner {
        state: RunnerState::Busy,
        work: Some(Work { run: RunId(run), attempt: 1, job: job.map(JobId), since: ago(5) }),
        ..registered(number, reserved, target(1, "mayfly"))
    }
}

pub(crate) fn marked(runner: Runner) -> Runner {
    Runner { stop: Some(StopMark { at: ago(5), kind: StopKind::Surplus, reason: Reason::NotNeeded }), ..runner }
}

/// Room to launch a thousand, no limit from GitHub.
pub(crate) fn limits() -> Limits {
    let definitions = [OWN, OLD].into_iter().map(|size| (size.to_string(), DEFINITION.to_owned())).collect();
    Limits { github: BTreeMap::new(), launches: 1000, definitions }
}

/// Health in which a runner of every size has asked for its registration.
pub(crate) fn proven() -> Health {
    health([
        (OWN, SizeHealth { proven: Some(DEFINITION.into()), ..SizeHealth::default() }),
        (OLD, SizeHealth { proven: Some(DEFINITION.into()), ..SizeHealth::default() }),
    ])
}

pub(crate) fn health(sizes: impl IntoIterator<Item = (Size, SizeHealth)>) -> Health {
    Health { rev: 1, sizes: sizes.into_iter().map(|(size, health)| (size.to_string(), health)).collect(), ..Health::default() }
}

/// Health of a size that failed so often in a row, the last time ten minutes ago, with the wait over.
pub(crate) fn broken(failures: u32, kind: FailureKind) -> SizeHealth {
    SizeHealth {
        failures,
        raised_at: Some(ago(600)),
        not_before: Some(ago(1)),
        kind: Some(kind),
        reason: Some(Reason::Ecs { message: "no capacity".into() }),
        ..SizeHealth::default()
    }
}
