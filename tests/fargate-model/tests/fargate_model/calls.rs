//! What ECS checks and shows.

use crate::world::{World, definition, request, request_with};
use mayfly_fargate_model::{Operation, TaskId};
use serde_json::{Value, json};
use std::time::Duration;

/// Refusal of a `RunTask` that has one member changed: code and message.
fn refused(member: &str, value: Value) -> (String, String) {
    let refusal = World::new().refusal(Operation::RunTask, &request_with("1-1", member, value));
    (refusal.code, refusal.message)
}

#[test]
fn sizes_that_fargate_lacks_are_refused() {
    for (cpu, memory, exists) in [
        ("256", "512", true),
        ("256", "1536", false),
        (".25 vCPU", "2 GB", true),
        ("1024", "1024", false),
        ("4096", "30720", true),
        ("8192", "18432", false),
        ("16 vCPU", "120 GB", true),
        ("16384", "126976", false),
        ("3072", "8192", false),
    ] {
        let input = request_with("1-1", "overrides", json!({ "cpu": cpu, "memory": memory }));
        let answer = World::new().call(Operation::RunTask, &input).result;
        assert_eq!(answer.is_ok(), exists, "{cpu} with {memory}: {answer:?}");
    }
}

#[test]
fn overrides_replace_the_definitions_size() {
    let mut world = World::new();
    let overrides =
        json!({ "cpu": "2 vCPU", "memory": "8192", "ephemeralStorage": { "sizeInGiB": 30 } });
    let task = &world.ok(
        Operation::RunTask,
        &request_with("1-1", "overrides", overrides),
    )["tasks"][0];
    assert_eq!(
        (
            &task["cpu"],
            &task["memory"],
            &task["ephemeralStorage"]["sizeInGiB"]
        ),
        (&json!("2048"), &json!("8192"), &json!(30))
    );
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let long = "x".repeat(8192);
    let strategy = json!([{ "capacityProvider": "FARGATE", "weight": 1 }]);
    for (member, value, code) in [
        (
            "overrides",
            json!({ "containerOverrides": [{ "name": "runner", "command": [long] }] }),
            "InvalidParameterException",
        ),
        (
            "overrides",
            json!({ "ephemeralStorage": { "sizeInGiB": 20 } }),
            "InvalidParameterException",
        ),
        (
            "overrides",
            json!({ "ephemeralStorage": { "sizeInGiB": 201 } }),
            "InvalidParameterException",
        ),
        (
            "overrides",
            json!({ "containerOverrides": [{ "name": "other" }] }),
            "InvalidParameterException",
        ),
        (
            "startedBy",
            json!("x".repeat(129)),
            "InvalidParameterException",
        ),
        ("startedBy", json!("pool:1"), "InvalidParameterException"),
        (
            "clientToken",
            json!("x".repeat(65)),
            "InvalidParameterException",
        ),
        ("clientToken", json!("a b"), "InvalidParameterException"),
        ("count", json!(11), "InvalidParameterException"),
        ("taskDefinition", json!("nobody"), "ClientException"),
        ("taskDefinition", json!("mayfly-x64:2"), "ClientException"),
        (
            "capacityProviderStrategy",
            strategy,
            "InvalidParameterException",
        ),
        (
            "networkConfiguration",
            json!(null),
            "InvalidParameterException",
        ),
        (
            "platformVersion",
            json!("1.2.3"),
            "PlatformUnknownException",
        ),
    ] {
        assert_eq!(refused(member, value.clone()).0, code, "{member} = {value}");
    }
}

#[test]
fn a_strategy_without_weight_places_nothing() {
    let mut input = request("1-1");
    input.as_object_mut().unwrap().remove("launchType");
    input["capacityProviderStrategy"] = json!([{ "capacityProvider": "FARGATE_SPOT" }]);
    assert_eq!(
        World::new().refusal(Operation::RunTask, &input).code,
        "InvalidParameterException"
    );
}

#[test]
fn families_count_their_revisions_and_inactive_ones_do_not_run() {
    let mut world = World::new();
    let second = world.ok(Operation::RegisterTaskDefinition, &definition());
    assert_eq!(second["taskDefinition"]["revision"], 2);
    world.ok(
        Operation::DeregisterTaskDefinition,
        &json!({ "taskDefinition": "mayfly-x64:2" }),
    );
    let run = world.ok(Operation::RunTask, &request("1-1"));
    assert!(
        run["tasks"][0]["taskDefinitionArn"]
            .as_str()
            .unwrap()
            .ends_with("mayfly-x64:1")
    );
    let refusal = world.refusal(
        Operation::RunTask,
        &request_with("1-2", "taskDefinition", json!("mayfly-x64:2")),
    );
    assert_eq!(refusal.code, "ClientException");
    let list = world.ok(
        Operation::ListTaskDefinitions,
        &json!({ "familyPrefix": "mayfly-x64" }),
    );
    assert_eq!(list["taskDefinitionArns"].as_array().unwrap().len(), 1);
}

#[test]
fn unknown_definition_cannot_be_described() {
    let refusal = World::new().refusal(
        Operation::DescribeTaskDefinition,
        &json!({ "taskDefinition": "nobody" }),
    );
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("ClientException", "Unable to describe task definition.")
    );
}

#[test]
fn vcpu_quota_counts_what_lives_and_fails_with_200() {
    let mut world = World::new();
    world.change(|settings| settings.vcpu_quota = Some(2));
    let task = world.run("1-1");
    world.run("2-1");
    let full = world.ok(Operation::RunTask, &request("3-1"));
    assert_eq!(
        full["failures"][0]["reason"],
        "You've reached the limit on the number of vCPUs you can run concurrently"
    );
    world.seconds(50);
    world.exit(&task, 0);
    world.seconds(5);
    assert_eq!(
        world.ok(Operation::RunTask, &request("4-1"))["failures"],
        json!([])
    );
}

#[test]
fn twenty_first_launch_of_an_instant_is_throttled_and_a_twentieth_of_a_second_later_not() {
    let mut world = World::new();
    for number in 0..20 {
        world.run(&format!("{number}-1"));
    }
    assert_eq!(
        world.refusal(Operation::RunTask, &request("20-1")).code,
        "ThrottlingException"
    );
    world.pass(Duration::from_millis(50));
    world.run("20-1");
}

#[test]
fn tasks_without_a_trace_are_missing_and_unknown_ones_cannot_be_stopped() {
    let mut world = World::new();
    let nobody = "f".repeat(32);
    assert_eq!(world.describe(&TaskId::of(&nobody))["reason"], "MISSING");
    let refusal = world.refusal(
        Operation::StopTask,
        &json!({ "cluster": "c", "task": nobody }),
    );
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        (
            "InvalidParameterException",
            "The referenced task was not found."
        )
    );
}

#[test]
fn at_most_a_hundred_tasks_are_described_at_once() {
    let tasks: Vec<_> = (0..101).map(|number| format!("{number:032x}")).collect();
    let refusal = World::new().refusal(
        Operation::DescribeTasks,
        &json!({ "cluster": "c", "tasks": tasks }),
    );
    assert_eq!(refusal.code, "InvalidParameterException");
}

#[test]
fn stopped_task_is_shown_for_an_hour() {
    let mut world = World::new();
    let task = world.run("1-1");
    world.stop(&task);
    world.seconds(2);
    assert_eq!(world.describe(&task)["lastStatus"], "STOPPED");
    world.seconds(3599);
    assert_eq!(world.describe(&task)["reason"], "MISSING");
}

#[test]
fn lists_are_paged_and_filtered_by_desired_status() {
    let mut world = World::new();
    world.change(|settings| settings.throttled = false);
    let tasks: Vec<_> = (0..5)
        .map(|number| world.run(&format!("{number}-1")))
        .collect();
    world.stop(&tasks[0]);
    let first = world.ok(
        Operation::ListTasks,
        &json!({ "cluster": "c", "maxResults": 3 }),
    );
    let rest = world.ok(
        Operation::ListTasks,
        &json!({ "cluster": "c", "maxResults": 3, "nextToken": first["nextToken"] }),
    );
    let stopped = world.ok(
        Operation::ListTasks,
        &json!({ "cluster": "c", "desiredStatus": "STOPPED", "startedBy": "p/1" }),
    );
    let count = |output: &Value| output["taskArns"].as_array().unwrap().len();
    assert_eq!(
        (
            count(&first),
            count(&rest),
            rest.get("nextToken"),
            count(&stopped)
        ),
        (3, 1, None, 1)
    );
}

#[test]
fn started_by_is_no_filter_beside_a_family() {
    let refusal = World::new().refusal(
        Operation::ListTasks,
        &json!({ "cluster": "c", "startedBy": "p/1", "family": "mayfly-x64" }),
    );
    assert_eq!(refusal.code, "InvalidParameterException");
}

#[test]
fn clusters_that_were_not_made_do_not_exist() {
    let mut world = World::new();
    world.change(|settings| settings.clusters = vec!["mine".to_owned()]);
    assert_eq!(
        world.refusal(Operation::RunTask, &request("1-1")).code,
        "ClusterNotFoundException"
    );
}
