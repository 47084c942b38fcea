//! Faults strike whom they should, as often as they should.

use crate::world::{World, received, request, request_with};
use mayfly_fargate_model::{Delivery, Effect, Fault, FaultKind, Operation};
use serde_json::json;
use std::time::Duration;

/// Events of one task that runs a minute and ends, under one fault.
fn story(fault: Fault) -> Vec<(String, u64)> {
    let mut world = World::new();
    world.fault(fault);
    let task = world.run("1-1");
    let mut events = world.events(50);
    world.exit(&task, 0);
    events.extend(world.events(2));
    events.extend(world.events(600));
    received(&events)
        .into_iter()
        .map(|(status, version)| (status.to_owned(), version))
        .collect()
}

fn of(kind: FaultKind, status: &str) -> Fault {
    Fault {
        last_status: Some(status.to_owned()),
        ..Fault::of(kind)
    }
}

#[test]
fn lost_event_never_comes() {
    assert_eq!(
        story(of(FaultKind::EventLost, "STOPPED")),
        [("RUNNING".to_owned(), 4)]
    );
}

#[test]
fn repeated_event_keeps_its_version() {
    let fault = Fault {
        copies: Some(3),
        ..of(FaultKind::EventRepeated, "STOPPED")
    };
    let [running, stopped] = [("RUNNING".to_owned(), 4), ("STOPPED".to_owned(), 6)];
    assert_eq!(
        story(fault),
        [running, stopped.clone(), stopped.clone(), stopped]
    );
}

#[test]
fn reordered_event_comes_after_the_next_one() {
    let fault = Fault {
        milliseconds: Some(60_000),
        ..of(FaultKind::EventReordered, "RUNNING")
    };
    assert_eq!(
        story(fault),
        [("STOPPED".to_owned(), 6), ("RUNNING".to_owned(), 4)]
    );
}

#[test]
fn late_event_comes_when_its_time_has_come() {
    let fault = Fault {
        milliseconds: Some(300_000),
        ..of(FaultKind::EventLate, "RUNNING")
    };
    assert_eq!(
        story(fault),
        [("STOPPED".to_owned(), 6), ("RUNNING".to_owned(), 4)]
    );
}

#[test]
fn missing_capacity_of_one_zone_leaves_the_others() {
    let mut world = World::new();
    world.change(|settings| {
        settings.subnets = [
            ("subnet-a".to_owned(), "us-east-1a".to_owned()),
            ("subnet-b".to_owned(), "us-east-1b".to_owned()),
        ]
        .into();
    });
    world.fault(Fault {
        availability_zone: Some("us-east-1a".to_owned()),
        ..Fault::of(FaultKind::NoCapacity)
    });
    let there = json!({ "awsvpcConfiguration": { "subnets": ["subnet-b"] } });
    let refused = world.ok(Operation::RunTask, &request("1-1"));
    let placed = world.ok(
        Operation::RunTask,
        &request_with("2-1", "networkConfiguration", there),
    );
    assert_eq!(refused["tasks"], json!([]));
    assert_eq!(placed["tasks"][0]["availabilityZone"], "us-east-1b");
}

#[test]
fn fault_for_one_pool_spares_the_others_and_wears_out() {
    let mut world = World::new();
    world.fault(Fault {
        started_by: Some("q/".to_owned()),
        ..Fault::of(FaultKind::Throttled).times(1)
    });
    world.run("1-1");
    let theirs = request_with("2-1", "startedBy", json!("q/2"));
    assert_eq!(
        world.refusal(Operation::RunTask, &theirs).code,
        "ThrottlingException"
    );
    world.ok(Operation::RunTask, &theirs);
    assert!(world.model.faults().is_empty());
}

#[test]
fn error_before_does_nothing_and_error_after_has_done_it() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::ServerErrorBefore).times(1));
    world.fault(Fault::of(FaultKind::ServerErrorAfter).times(1));
    let mut tasks_after_error = || {
        let refusal = world.refusal(Operation::RunTask, &request("1-1"));
        assert_eq!(refusal.status, 500);
        world.model.task_views().len()
    };
    assert_eq!([tasks_after_error(), tasks_after_error()], [0, 1]);
}

#[test]
fn lost_answer_closes_the_connection() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::NoAnswerBefore).times(1));
    assert_eq!(
        world.call(Operation::RunTask, &request("1-1")).delivery,
        Delivery::Never
    );
    assert!(world.model.task_views().is_empty());
}

#[test]
fn slow_start_comes_on_top_of_the_usual_one() {
    let mut world = World::new();
    world.fault(Fault {
        milliseconds: Some(600_000),
        ..Fault::of(FaultKind::SlowStart)
    });
    world.run("1-1");
    assert!(
        world
            .seconds(560)
            .iter()
            .all(|effect| !matches!(effect, Effect::Start(_)))
    );
    assert!(
        world
            .seconds(87)
            .iter()
            .any(|effect| matches!(effect, Effect::Start(_)))
    );
}

#[test]
fn lagging_read_shows_the_past() {
    let mut world = World::new();
    world.change(|settings| settings.read_lag_ms = 2000);
    let task = world.run("1-1");
    assert_eq!(world.describe(&task)["reason"], "MISSING");
    world.seconds(2);
    assert_eq!(world.describe(&task)["lastStatus"], "PROVISIONING");
    world.seconds(10);
    let lagging = world.describe(&task)["lastStatus"].clone();
    world.change(|settings| settings.read_lag_ms = 0);
    assert_eq!(
        (lagging, world.describe(&task)["lastStatus"].clone()),
        (json!("PROVISIONING"), json!("PENDING"))
    );
    world.stop(&task);
    world.seconds(2);
    world.change(|settings| settings.read_lag_ms = 2500);
    assert_eq!(world.describe(&task)["desiredStatus"], "RUNNING");
}

#[test]
fn same_calls_and_draws_make_the_same_story() {
    let tell = || {
        let mut world = World::new();
        world.fault(Fault {
            percent: 50,
            ..Fault::of(FaultKind::EventLost)
        });
        let mut effects = Vec::new();
        for number in 0..10 {
            let task = world.run(&format!("{number}-1"));
            effects.extend(world.pass(Duration::from_millis(47_500)));
            world.exit(&task, number);
        }
        effects.extend(world.seconds(10));
        effects
    };
    assert_eq!(tell(), tell());
}
