//! Why a job waits is written where it waits.

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_fargate_model::{Fault, FaultKind, Operation};
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{Start, System};

use crate::start::{begin, done, job, jobs, linux, pool_with, queue_one, rest, story, until};

fn reason(system: &System, job: JobId) -> Option<HoldReason> {
    system.waiting().into_iter().find(|row| row.id == job)?.hold
}

/// What a user is told.
fn words(system: &System, job: JobId) -> String {
    let row = system
        .waiting()
        .into_iter()
        .find(|row| row.id == job)
        .unwrap();
    let key = mayfly_ledger::key::health(&linux());
    let health: Option<PoolHealth> = system
        .world
        .table
        .with(|table| serde_dynamo::from_item(table.settled_item(&key)?.clone()).ok());
    let failure = health.and_then(|health| health.of(&row.size).reason);
    row.hold
        .map(|held| held.in_words(&linux(), row.installation, failure.as_ref()))
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_job_beyond_max_says_so_until_its_runner_is_on_its_way() {
    let system = Start::seeded(220)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&NewJob {
        seconds: 400.0,
        ..job()
    })[0];
    let second = queue_one(&system);
    until(&system, 20, "the second one knows why it waits", |system| {
        reason(system, second).is_some()
    })
    .await;
    assert_eq!(words(&system, second), "pool linux is at its max of 1");
    assert_eq!(reason(&system, first), None);
    let (written, batches) = (system.world.calls(), system.world.queue.batches());
    system.pass(240).await;
    let puts = ("scaler".to_owned(), "PutItem".to_owned());
    assert_eq!(
        system.world.calls().get(&puts),
        written.get(&puts),
        "written once, not at every look"
    );
    assert!(
        system.world.queue.batches() - batches <= 5,
        "nobody is woken by it"
    );
    system.world.parameters.put_pools(&pool_with("max = 2"));
    let on_its_way =
        |system: &System| system.runners().len() == 2 && reason(system, second).is_none();
    until(
        &system,
        130,
        "a runner is on its way, and the reason is gone",
        on_its_way,
    )
    .await;
    done(&system, 600, &[first, second]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_at_its_max_says_so() {
    let system = Start::seeded(221)
        .pools(&pool_with("max = 10\nmax_per_repository = 1"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    })[0];
    let second = queue_one(&system);
    until(&system, 20, "the second one knows why it waits", |system| {
        reason(system, second).is_some()
    })
    .await;
    assert_eq!(reason(&system, second), Some(HoldReason::RepositoryMax(1)));
    done(&system, 600, &[first, second]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn no_capacity_is_told_with_the_next_try_and_in_ecs_words() {
    let system = begin(222);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = queue_one(&system);
    until(&system, 90, "it knows why it waits", |system| {
        reason(system, job).is_some()
    })
    .await;
    let told = words(&system, job);
    assert!(
        told.contains("the next one is tried at ") && told.contains("Capacity is unavailable"),
        "{told}"
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 1_200, &[job]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn githubs_limit_is_told_with_its_end() {
    let system = begin(223);
    system.world.with_github(|github, _| {
        github.faults.api.primary_limit = 1.0;
        github.faults.api.primary_reset = 600;
        github.faults.api.budget = Some(1);
        github.faults.api.operations =
            vec!["actions/generate-runner-jitconfig-for-repo".to_owned()];
    });
    let first = queue_one(&system);
    until(&system, 120, "GitHub says so", |system| {
        !system
            .world
            .with_github(|github, _| github.faults.api.budget == Some(1))
    })
    .await;
    // Registrar writes it down.
    system.pass(2).await;
    let second = queue_one(&system);
    until(&system, 20, "the second one knows why it waits", |system| {
        reason(system, second).is_some()
    })
    .await;
    let told = words(&system, second);
    assert!(
        told.starts_with("GitHub told installation ") && told.ends_with(" UTC"),
        "{told}"
    );
    done(&system, 1_800, &[first, second]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_definition_that_ecs_refuses_is_a_failed_start_that_is_tried_now_and_then() {
    let system = begin(224);
    system.fault(Fault {
        operations: vec![Operation::RegisterTaskDefinition],
        code: Some("ClientException".to_owned()),
        reason: Some("Role is not valid".to_owned()),
        ..Fault::of(FaultKind::Refused)
    });
    let all = system.queue_jobs(&jobs(30));
    until(&system, 20, "the oldest knows why it waits", |system| {
        reason(system, all[0]).is_some()
    })
    .await;
    for job in [all[0], all[29]] {
        let told = words(&system, job);
        assert!(
            told.contains("the next one is tried at ") && told.contains("Role is not valid"),
            "{told}"
        );
    }
    system.pass(3_600).await;
    let calls = system.ecs_calls(Operation::RegisterTaskDefinition);
    assert!(
        (3..=8).contains(&calls),
        "{calls} calls in an hour\n{}",
        story(&system)
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &all).await;
    rest(&system, 120).await;
    assert!(system.world.most_rows(&linux()) <= 20);
}

#[tokio::test(start_paused = true)]
async fn ecs_that_does_not_answer_about_definitions_opens_no_breaker() {
    let system = begin(225);
    system.fault(Fault {
        operations: vec![Operation::RegisterTaskDefinition],
        ..Fault::of(FaultKind::ServerErrorBefore)
    });
    let job = queue_one(&system);
    until(&system, 60, "it knows why it waits", |system| {
        reason(system, job).is_some()
    })
    .await;
    assert_eq!(
        reason(&system, job),
        Some(HoldReason::NoAnswer),
        "{}",
        story(&system)
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 150, &[job]).await;
    rest(&system, 120).await;
}

/// Its look is the only one there is: no tick comes, and no other delivery.
#[tokio::test(start_paused = true)]
async fn a_job_knows_after_one_look_that_ecs_refuses_its_task_definition() {
    let system = Start::seeded(226).without_sweeps().begin().unwrap();
    system.fault(Fault {
        operations: vec![Operation::RegisterTaskDefinition],
        code: Some("ClientException".to_owned()),
        reason: Some("Role is not valid".to_owned()),
        ..Fault::of(FaultKind::Refused)
    });
    let job = queue_one(&system);
    system.pass(20).await;
    assert!(
        matches!(reason(&system, job), Some(HoldReason::FailedStarts(_))),
        "{:?}",
        reason(&system, job)
    );
}
