//! `clientToken`: one call, one effect, for as long as the token lives.

use crate::world::{World, id_of, request, request_with};
use mayfly_fargate_model::{Fault, FaultKind, Operation};
use serde_json::json;

const HOUR: u64 = 3600;

#[test]
fn same_call_with_same_token_gets_the_first_answer_and_no_second_task() {
    let mut world = World::new();
    let first = world.ok(Operation::RunTask, &request("1-1"));
    world.seconds(100);
    let again = world.ok(Operation::RunTask, &request("1-1"));
    assert_eq!((again, world.model.task_views().len()), (first, 1));
}

#[test]
fn other_parameters_with_the_same_token_conflict_and_name_the_task() {
    let mut world = World::new();
    let first = world.ok(Operation::RunTask, &request("1-1"));
    let refusal = world.refusal(
        Operation::RunTask,
        &request_with("1-1", "startedBy", json!("p/2")),
    );
    let arn = first["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    assert_eq!(
        (refusal.code.as_str(), refusal.resource_ids),
        ("ConflictException", vec![arn])
    );
}

#[test]
fn a_failure_is_repeated_though_there_is_capacity_again() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::NoCapacity).times(1));
    let first = world.ok(Operation::RunTask, &request("1-1"));
    let again = world.ok(Operation::RunTask, &request("1-1"));
    let reason = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
    assert_eq!(
        first,
        json!({ "tasks": [], "failures": [{ "reason": reason }] })
    );
    assert_eq!(again, first);
    assert_eq!(
        world.ok(Operation::RunTask, &request("1-2"))["failures"],
        json!([])
    );
}

#[test]
fn token_outlives_its_task_by_an_hour_and_then_starts_another() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(50);
    world.exit(&task, 0);
    world.seconds(1);
    world.seconds(HOUR - 1);
    assert_eq!(world.run("1-1"), task, "one second before the hour is over");
    world.seconds(1);
    assert_ne!(world.run("1-1"), task, "after the hour");
}

#[test]
fn token_lives_a_day_at_most_even_if_its_task_lives_on() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.seconds(24 * HOUR - 1);
    assert_eq!(world.run("1-1"), task);
    world.seconds(1);
    assert_ne!(world.run("1-1"), task);
}

#[test]
fn token_counts_within_its_cluster_only() {
    let mut world = World::new();
    let task = world.run("1-1");
    let other = world.ok(
        Operation::RunTask,
        &request_with("1-1", "cluster", json!("d")),
    );
    assert_ne!(id_of(&other), task);
}

#[test]
fn a_refused_call_leaves_its_token_unused() {
    let mut world = World::new();
    world.refusal(
        Operation::RunTask,
        &request_with("1-1", "taskDefinition", json!("nobody")),
    );
    let output = world.ok(Operation::RunTask, &request("1-1"));
    assert_eq!(output["failures"], json!([]));
}

#[test]
fn task_is_found_by_its_token_after_an_answer_was_lost() {
    let mut world = World::new();
    world.fault(Fault::of(FaultKind::NoAnswerAfter).times(1));
    let lost = world.call(Operation::RunTask, &request("1-1"));
    let task = world.run("1-1");
    assert!(lost.result.is_err());
    assert_eq!(
        (
            world.model.task_views().len(),
            world.describe(&task)["lastStatus"].clone()
        ),
        (1, json!("PROVISIONING"))
    );
}
