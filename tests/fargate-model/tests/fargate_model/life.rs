//! How tasks live and what is told of it.

use crate::world::{World, received};
use mayfly_fargate_model::{Effect, Fault, FaultKind, Operation};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Times of a task in the order in which they have to be.
const TIMES: [&str; 8] = [
    "createdAt",
    "connectivityAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
];

fn times(task: &Value) -> Vec<f64> {
    TIMES
        .iter()
        .filter_map(|name| task[*name].as_f64())
        .collect()
}

#[test]
fn whole_life_has_all_times_in_order() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(60);
    world.exit(&task, 0);
    world.seconds(2);
    let view = world.describe(&task);
    let times = times(&view);
    assert!(times.len() == TIMES.len() && times.is_sorted(), "{view:#}");
    assert_eq!(
        (&view["stopCode"], &view["containers"][0]["exitCode"]),
        (&json!("EssentialContainerExited"), &json!(0))
    );
}

#[test]
fn every_change_has_a_higher_version_and_only_running_and_stopped_are_told() {
    let mut world = World::new();
    let task = world.run("1-1");
    let mut events = world.events(60);
    world.exit(&task, 0);
    events.extend(world.events(2));
    assert_eq!(received(&events), [("RUNNING", 4), ("STOPPED", 6)]);
    assert_eq!(world.model.event_counts().emitted, 6);
}

#[test]
fn container_starts_before_ecs_says_running_with_both_environments() {
    let mut world = World::new();
    let task = world.run("1-1");
    let effects = world.seconds(46);
    let [Effect::Start(spec)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let names: Vec<_> = spec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(names, ["FROM=override", "KEPT=yes"]);
    assert_eq!(spec.command, ["/bin/bash", "-c", "true"]);
    assert_eq!(world.describe(&task)["lastStatus"], "ACTIVATING");
}

#[test]
fn container_that_ends_before_running_was_said_has_started_all_the_same() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(46);
    world.exit(&task, 22);
    let events = world.events(10);
    assert_eq!(received(&events), [("STOPPED", 5)]);
    assert!(world.describe(&task)["startedAt"].is_number());
}

#[test]
fn stopping_sends_sigterm_and_kills_after_the_stop_timeout() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(60);
    let stopped = world.stop(&task);
    assert_eq!(
        (&stopped["lastStatus"], &stopped["desiredStatus"]),
        (&json!("RUNNING"), &json!("STOPPED"))
    );
    let signals = |effects: Vec<Effect>| -> Vec<Effect> {
        effects
            .into_iter()
            .filter(|effect| !matches!(effect, Effect::Tell(_)))
            .collect()
    };
    assert_eq!(
        signals(world.seconds(29)),
        [Effect::Terminate(task.clone())]
    );
    assert_eq!(signals(world.seconds(2)), [Effect::Kill(task.clone())]);
    world.exit(&task, 137);
    world.seconds(2);
    let view = world.describe(&task);
    assert_eq!(
        (&view["stopCode"], &view["stoppedReason"]),
        (&json!("UserInitiated"), &json!("Task stopped by user"))
    );
}

#[test]
fn stopping_twice_changes_nothing_more() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(60);
    world.stop(&task);
    world.exit(&task, 0);
    world.seconds(2);
    let stopped = world.describe(&task);
    world.ok(
        Operation::StopTask,
        &json!({ "cluster": "c", "task": task.as_str(), "reason": "again" }),
    );
    assert_eq!(world.describe(&task), stopped);
}

#[test]
fn task_stopped_before_its_container_never_runs_it() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(5);
    world.stop(&task);
    let effects = world.seconds(100);
    assert!(
        effects
            .iter()
            .all(|effect| matches!(effect, Effect::Tell(_))),
        "{effects:?}"
    );
    let view = world.describe(&task);
    assert_eq!(
        (&view["lastStatus"], &view["stopCode"]),
        (&json!("STOPPED"), &json!("UserInitiated"))
    );
    assert!(view.get("startedAt").is_none() && view["containers"][0].get("exitCode").is_none());
}

#[test]
fn image_that_cannot_be_pulled_stops_the_task_in_awss_words() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::PullFailure).times(1));
    let task = world.run("1-1");
    world.seconds(60);
    let view = world.describe(&task);
    assert_eq!(view["stopCode"], "TaskFailedToStart");
    assert!(
        view["stoppedReason"]
            .as_str()
            .unwrap()
            .starts_with("CannotPullContainerError: ")
    );
    assert!(view.get("startedAt").is_none() && view["containers"][0].get("exitCode").is_none());
}

#[test]
fn container_that_dies_before_asking_is_no_failed_start_to_ecs() {
    let mut world = World::new();
    world.fault(Fault {
        exit_code: Some(22),
        ..Fault::of(FaultKind::DiesBeforeAsking)
    });
    let task = world.run("1-1");
    let effects = world.seconds(60);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Start(_)))
    );
    let view = world.describe(&task);
    assert_eq!(
        (&view["stopCode"], &view["containers"][0]["exitCode"]),
        (&json!("EssentialContainerExited"), &json!(22))
    );
}

#[test]
fn spot_warns_with_a_running_task_and_ends_it() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::SpotInterruption));
    let mut input = crate::world::request("1-1");
    input.as_object_mut().unwrap().remove("launchType");
    input["capacityProviderStrategy"] =
        json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
    let task = crate::world::id_of(&world.ok(Operation::RunTask, &input));
    let warned = world.events(60);
    assert_eq!(received(&warned), [("RUNNING", 4), ("RUNNING", 5)]);
    let detail = &warned[1].body["detail"];
    assert_eq!(
        (&detail["desiredStatus"], &detail["stopCode"]),
        (&json!("STOPPED"), &json!("SpotInterruption"))
    );
    world.exit(&task, 143);
    let ended = world.events(2);
    assert_eq!(
        ended[0].body["detail"]["stoppedReason"],
        "Your Spot Task was interrupted."
    );
}

/// Keys of the sample event in the ECS developer guide ("Amazon ECS task state change events");
/// those of a Fargate task that ran and stopped.
const DETAIL: [&str; 30] = [
    "attachments",
    "attributes",
    "availabilityZone",
    "clusterArn",
    "connectivity",
    "connectivityAt",
    "containers",
    "cpu",
    "createdAt",
    "desiredStatus",
    "enableExecuteCommand",
    "ephemeralStorage",
    "executionStoppedAt",
    "group",
    "lastStatus",
    "launchType",
    "memory",
    "overrides",
    "platformVersion",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "startedBy",
    "stopCode",
    "stoppedAt",
    "stoppedReason",
    "stoppingAt",
    "taskArn",
    "taskDefinitionArn",
    "version",
];

#[test]
fn event_has_the_members_of_a_real_one() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(60);
    world.exit(&task, 0);
    let event = world.events(2).pop().unwrap().body;
    let detail: BTreeSet<_> = event["detail"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let real: BTreeSet<_> = DETAIL.into_iter().chain(["updatedAt"]).collect();
    assert_eq!(detail, real);
    assert_eq!(event["detail"]["stoppedAt"], "2026-11-22T12:01:01.000Z");
    let envelope = [
        &event["version"],
        &event["source"],
        &event["detail-type"],
        &event["time"],
        &event["resources"][0],
    ];
    let arn = &event["detail"]["taskArn"];
    assert_eq!(
        envelope,
        [
            &json!("0"),
            &json!("aws.ecs"),
            &json!("ECS Task State Change"),
            &json!("2026-11-22T12:01:01Z"),
            arn
        ]
    );
}
