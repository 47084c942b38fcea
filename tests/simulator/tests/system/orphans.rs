//! Tasks that no open row names.

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::runner::{Outcome, Runner, RunnerState};
use mayfly_dynamodb_model::{self as dynamodb, What, When};
use mayfly_fargate_model::{Fault, FaultKind, Operation, TaskId};
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::System;
use serde_json::json;

use crate::start::{begin, done, job, outcomes, queue_one, rest, story, until};

/// A system whose task definition exists: one job has run.
async fn warm(seed: u64) -> System {
    let system = begin(seed);
    let first = queue_one(&system);
    done(&system, 120, &[first]).await;
    rest(&system, 60).await;
    system
}

/// Someone runs a task by hand, or a scaler of whom no one knows; it takes an hour to start.
fn run_task(system: &System, started_by: &str) -> TaskId {
    system.fault(Fault {
        started_by: Some(started_by.to_owned()),
        milliseconds: Some(3_600_000),
        ..Fault::of(FaultKind::SlowStart).times(1)
    });
    let output = system.world.with_ecs(|ecs, at| {
        let known = ecs.call(Operation::ListTaskDefinitions, &json!({}), at).result.unwrap();
        let request = json!({
            "cluster": "mayfly",
            "taskDefinition": known["taskDefinitionArns"][0],
            "launchType": "FARGATE",
            "startedBy": started_by,
            "clientToken": format!("by-hand-{started_by}"),
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-a"], "assignPublicIp": "ENABLED" } },
        });
        ecs.call(Operation::RunTask, &request, at).result.unwrap()
    });
    TaskId::of(output["tasks"][0]["taskArn"].as_str().unwrap())
}

fn lives(system: &System, task: &TaskId) -> bool {
    system.live_tasks().iter().any(|live| {
        live["taskArn"]
            .as_str()
            .is_some_and(|arn| arn.ends_with(task.as_str()))
    })
}

fn only_runner(system: &System) -> Runner {
    system.runners().into_iter().next().unwrap()
}

/// Closes a runner although its task lives: what no transition does, and a restored backup or a bug
/// may.
async fn close_by_force(system: &System, runner: &Runner) {
    let ledger = system.world.table.ledger("test");
    let closed = ledger
        .close_runner(
            &runner.address(),
            End::Missing,
            |_| true,
            system.world.clock.now(),
        )
        .await
        .unwrap();
    assert!(closed.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_knows_is_stopped_after_ten_minutes_and_someone_elses_never() {
    let system = warm(200).await;
    let orphan = run_task(&system, &format!("linux/{}", RunnerId::from_ulid(7)));
    let foreign =
        ["somebody", "ecs-svc/1234", "linux/not-a-ulid"].map(|name| run_task(&system, name));
    system.pass(595).await;
    assert!(lives(&system, &orphan), "{}", story(&system));
    until(&system, 90, "the orphan is stopped", |system| {
        !lives(system, &orphan)
    })
    .await;
    system.pass(1_200).await;
    assert!(foreign.iter().all(|task| lives(&system, task)));
    assert_eq!(system.ecs_calls(Operation::StopTask), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_task_of_a_runner_is_stopped_and_the_first_works_on() {
    let system = warm(201).await;
    let job = system.queue_jobs(&NewJob {
        seconds: 1_500.0,
        ..job()
    })[0];
    until(&system, 120, "it works", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    let second = run_task(&system, &only_runner(&system).address().to_string());
    system.pass(595).await;
    assert!(lives(&system, &second));
    until(&system, 90, "the second one is stopped", |system| {
        !lives(system, &second)
    })
    .await;
    done(&system, 1_500, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(
        (system.ecs_calls(Operation::StopTask), outcomes(&system)),
        (1, vec![Outcome::Ran; 2]),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_arn_was_never_written_is_adopted_by_the_next_sweep() {
    let system = warm(202).await;
    system.fault(Fault::of(FaultKind::EventLost));
    system.fault(Fault {
        milliseconds: Some(400_000),
        ..Fault::of(FaultKind::SlowStart).times(1)
    });
    let lost = dynamodb::Fault::once(When::Before, What::Fails)
        .of("scaler")
        .on(dynamodb::Operation::PutItem)
        .times(1_000);
    system.world.table.add_fault(lost);
    let job = queue_one(&system);
    let adopted = |system: &System| system.runners().iter().any(|runner| runner.arn.is_some());
    until(&system, 90, "its task is known", adopted).await;
    system.world.table.clear_faults();
    done(&system, 600, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(outcomes(&system), [Outcome::Ran; 2], "{}", story(&system));
}

/// I3: whatever the ledger says.
#[tokio::test(start_paused = true)]
async fn a_closed_runner_that_works_is_left_alone_until_its_job_is_over() {
    let system = warm(203).await;
    let job = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 120, "it works", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    let runner = only_runner(&system);
    close_by_force(&system, &runner).await;
    done(&system, 1_000, &[job]).await;
    rest(&system, 200).await;
    assert_eq!(
        system.ecs_calls(Operation::StopTask),
        0,
        "{}",
        story(&system)
    );
    let record = system
        .closed_runners()
        .into_iter()
        .find(|record| record.id == runner.id)
        .unwrap();
    let told = record
        .story
        .iter()
        .filter(|note| {
            note.event
                .to_string()
                .contains("left alone until that job is over")
        })
        .count();
    assert_eq!(
        told, 1,
        "said once, however often it was looked at: {:?}",
        record.story
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_runner_that_waits_for_a_job_is_taken_away_at_github_and_stopped() {
    let system = warm(204).await;
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 10_000.0);
    let job = queue_one(&system);
    until(&system, 120, "it is registered", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Registered)
    })
    .await;
    system.cancel(job);
    let runner = only_runner(&system);
    close_by_force(&system, &runner).await;
    rest(&system, 100).await;
    assert_eq!(
        system.ecs_calls(Operation::StopTask),
        1,
        "{}",
        story(&system)
    );
    let deleted = system
        .world
        .calls()
        .get(&("sweeper".into(), "GitHub delete-runner".into()))
        .copied();
    assert_eq!(deleted, Some(1));
}

/// Its rows would be read by no one, whatever becomes of them.
#[tokio::test(start_paused = true)]
async fn a_pool_that_has_a_runner_and_is_in_no_list_is_entered_in_the_list_again() {
    let system = begin(650);
    let job = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system.runner_at_github(job).is_some()
    })
    .await;
    let other = crate::start::pool_with("max = 10")
        .replace("linux]", "other]")
        .replace("\"mayfly\"", "\"other\"");
    system.put_pools(&other);
    system.pass(130).await;
    let ledger = system.world.table.ledger("test");
    let entry = mayfly_ledger::key::pool_entry(&crate::start::linux());
    let gone = mayfly_ledger::store::Write::Delete(entry, mayfly_ledger::store::Expect::Any);
    mayfly_ledger::Store::commit(ledger.store(), vec![gone])
        .await
        .unwrap();
    system.pass(130).await;
    let entries = ledger.pool_entries().await.unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry.name == crate::start::linux()),
        "{entries:?}"
    );
    done(&system, 1_000, &[job]).await;
    rest(&system, 200).await;
}
