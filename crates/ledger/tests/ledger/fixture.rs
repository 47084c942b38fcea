//! Jobs, runners and tasks for tests, and the ways to get a ledger into a state.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_domain::model::id::{
    GithubRunnerId, InstallationId, JobId, OwnerId, PoolName, RepositoryId, RunId, RunnerId,
    TaskArn,
};
use mayfly_domain::model::job::{AssignedRunner, JobAction, JobEvent, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::{Launch, Runner, StopKind, StopMark, Timeline};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::story::TaskEnd;
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::{Changes, Verdict};
use mayfly_ledger::key::{self, Key};
use mayfly_ledger::pool_snapshot::{PoolEntry, PoolSnapshot};
use mayfly_ledger::registrations::{Candidates, Reservation, ReservationWrites};
use mayfly_ledger::store::{Expect, Item, REV, Write};
use mayfly_ledger::{Ledger, Store, Versioned};

pub(crate) const LABELS: [&str; 3] = ["self-hosted", "linux", "mayfly"];

pub(crate) fn pools() -> Pools {
    let text = r#"
        [github]
        accounts = ["acme"]
        [pools.linux]
        labels = ["self-hosted", "linux", "mayfly"]
        cpu = 2
        memory = "8 GiB"
        max = 10
        [pools.other]
        labels = ["self-hosted", "linux", "other"]
        cpu = 1
        memory = "2 GiB"
        max = 10
    "#;
    mayfly_config::pools_file::parse(text, 7).unwrap()
}

pub(crate) fn linux() -> PoolName {
    "linux".parse().unwrap()
}

pub(crate) fn size() -> Size {
    pools().get(&linux()).unwrap().size
}

pub(crate) fn entry() -> PoolEntry {
    PoolEntry {
        name: linux(),
        size: size(),
        gone_at: None,
    }
}

/// Seconds after the story begins.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
}

/// A delivery about a job of `acme/app`; its GUID is made of what it says.
pub(crate) fn event(action: JobAction, job: i64, seconds: u64) -> JobEvent {
    JobEvent {
        action,
        delivery: format!("{action:?}-{job}-{seconds}"),
        gated: false,
        job: JobId(job),
        run: RunId(1000 + job),
        attempt: 1,
        name: "build".to_owned(),
        workflow: Some("CI".to_owned()),
        labels: LABELS.into_iter().collect(),
        repository: Repository {
            id: RepositoryId(710_000_001),
            name: "acme/app".to_owned(),
            owner: OwnerId(5_500_001),
            private: true,
        },
        installation: InstallationId(61_000_001),
        runner: None,
        conclusion: (action == JobAction::Completed).then(|| "success".to_owned()),
        created_at: Some(at(seconds)),
        started_at: Some(at(seconds)),
        completed_at: (action == JobAction::Completed).then(|| at(seconds)),
        received_at: at(seconds),
    }
}

/// The same, on a runner.
pub(crate) fn on(event: JobEvent, runner: &Runner) -> JobEvent {
    let id = runner.github.unwrap_or(GithubRunnerId(0));
    JobEvent {
        runner: Some(AssignedRunner {
            id,
            name: runner.name().to_string(),
        }),
        ..event
    }
}

/// What ECS says of a runner's task.
pub(crate) fn task(runner: &Runner, arn: &str, version: i64, status: TaskStatus) -> Task {
    Task {
        arn: TaskArn(arn.to_owned()),
        address: runner.address(),
        version,
        status,
        timeline: Timeline {
            created: Some(at(1)),
            ..Timeline::default()
        },
        end: TaskEnd {
            stopped_reason: (status == TaskStatus::Stopped)
                .then(|| "Essential container in task exited".to_owned()),
            exit_code: (status == TaskStatus::Stopped).then_some(0),
            ..TaskEnd::default()
        },
    }
}

pub(crate) const ARN: &str =
    "arn:aws:ecs:us-east-1:123456789012:task/mayfly/00000000000000000000000000000001";
pub(crate) const OTHER_ARN: &str =
    "arn:aws:ecs:us-east-1:123456789012:task/mayfly/00000000000000000000000000000002";

/// A row to be committed.
pub(crate) fn row(number: u128) -> Runner {
    let launch = Launch {
        request: "{}".to_owned(),
        role: "arn:aws:iam::123456789012:role/mayfly/runner".to_owned(),
        definition: "d".to_owned(),
        attempt: 1,
        first_sent_at: at(0),
        sent_at: at(0),
        missing: 0,
        missing_at: None,
        outcome_unknown: false,
        unsent: false,
        given_up: false,
    };
    Runner::requested(RunnerId::from_ulid(number), linux(), size(), launch, at(0))
}

/// Says that a job is queued.
pub(crate) async fn queue<S: Store>(
    ledger: &Ledger<S>,
    job: i64,
    seconds: u64,
) -> (Verdict, Changes) {
    ledger
        .apply_delivery(&event(JobAction::Queued, job, seconds), &pools())
        .await
        .unwrap()
}

/// Commits a row, as a planner does.
pub(crate) async fn requested<S: Store>(
    ledger: &Ledger<S>,
    number: u128,
    job: Option<i64>,
) -> Runner {
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    let runner = Runner {
        intended: job.map(JobId),
        ..row(number)
    };
    assert!(
        ledger
            .commit_plan(
                &entry(),
                &snapshot,
                (std::slice::from_ref(&runner), &[]),
                at(u64::try_from(number).unwrap())
            )
            .await
            .unwrap()
    );
    runner
}

/// The same with a task.
pub(crate) async fn started<S: Store>(
    ledger: &Ledger<S>,
    number: u128,
    job: Option<i64>,
) -> Versioned<Runner> {
    let runner = requested(ledger, number, job).await;
    assert_eq!(
        ledger
            .launched(&runner.address(), &TaskArn(ARN.to_owned()), at(2))
            .await
            .unwrap(),
        None
    );
    ledger.runner(&runner.address()).await.unwrap().unwrap()
}

/// The same, with a queued job in reserve.
pub(crate) async fn registering<S: Store>(
    ledger: &Ledger<S>,
    number: u128,
    job: i64,
) -> Reservation {
    queue(ledger, job, 0).await;
    let runner = started(ledger, number, Some(job)).await;
    let waiting = ledger
        .waiting_job(&linux(), JobId(job))
        .await
        .unwrap()
        .unwrap();
    ledger
        .reserve(&runner, &waiting, ReservationWrites::default(), at(3))
        .await
        .unwrap()
        .unwrap()
}

/// The same, registered.
pub(crate) async fn registered<S: Store>(
    ledger: &Ledger<S>,
    number: u128,
    job: i64,
) -> Versioned<Runner> {
    let reservation = registering(ledger, number, job).await;
    assert!(
        ledger
            .registered(&reservation.runner, GithubRunnerId(9000 + job), at(4))
            .await
            .unwrap()
    );
    ledger
        .runner(&reservation.runner.address())
        .await
        .unwrap()
        .unwrap()
}

/// Marks a runner, as a planner does.
pub(crate) async fn marked<S: Store>(ledger: &Ledger<S>, runner: &Runner) -> bool {
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    commit_mark(ledger, &snapshot, runner).await
}

pub(crate) async fn commit_mark<S: Store>(
    ledger: &Ledger<S>,
    snapshot: &PoolSnapshot,
    runner: &Runner,
) -> bool {
    let stop = StopMark {
        at: at(5),
        kind: StopKind::Surplus,
        reason: Reason::NotNeeded,
    };
    let marked = Runner {
        stop: Some(stop),
        ..runner.clone()
    };
    ledger
        .commit_plan(&entry(), snapshot, (&[], &[marked]), at(5))
        .await
        .unwrap()
}

/// Jobs that a runner may be given.
pub(crate) async fn offered<S: Store>(
    ledger: &Ledger<S>,
    runner: &Runner,
    seconds: u64,
) -> Vec<JobId> {
    let mut choice = Candidates::default();
    let jobs = match ledger
        .own_job(runner, &mut choice, at(seconds))
        .await
        .unwrap()
    {
        Some(own) => vec![own],
        None => ledger
            .jobs_for(runner, &mut choice, at(seconds))
            .await
            .unwrap(),
    };
    jobs.into_iter().map(|job| job.id).collect()
}

pub(crate) async fn waiting<S: Store>(
    ledger: &Ledger<S>,
    job: i64,
) -> Option<Versioned<WaitingJob>> {
    ledger.waiting_job(&linux(), JobId(job)).await.unwrap()
}

pub(crate) async fn item<S: Store>(ledger: &Ledger<S>, key: &Key) -> Option<Item> {
    ledger.store().get(key).await.unwrap()
}

/// An attribute as text: of a string or a number.
pub(crate) async fn attribute<S: Store>(
    ledger: &Ledger<S>,
    key: &Key,
    name: &str,
) -> Option<String> {
    let value = item(ledger, key).await?.remove(name)?;
    value.as_s().or(value.as_n()).ok().cloned()
}

pub(crate) fn record(job: i64) -> Key {
    key::job_record(JobId(job))
}

/// Writes a value where there is none, as the version of this number.
pub(crate) fn put(key: Key, value: &impl serde::Serialize, version: u64) -> Write {
    let mut item: Item = serde_dynamo::to_item(value).unwrap();
    item.insert(REV.to_owned(), AttributeValue::N(version.to_string()));
    Write::Put(key, item, Expect::Absent)
}
