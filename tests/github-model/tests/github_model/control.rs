//! What tests ask of the model.

use crate::world::{World, job, message};
use mayfly_github_model::jobs::Status;
use serde_json::{Value, json};

fn post_jobs(world: &mut World, body: &Value) -> Vec<Value> {
    world
        .control("POST", "/_model/jobs", body)
        .body
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn jobs_are_posted_and_listed() {
    let mut world = World::new();
    let body = json!({ "repository": "acme/app", "labels": ["self-hosted"], "count": 3, "seconds": 0.5, "private": true });
    let made = post_jobs(&mut world, &body);
    assert_eq!(made.len(), 3);
    let listed = world
        .control("GET", "/_model/jobs", &json!({}))
        .body
        .unwrap();
    assert_eq!(listed[0]["id"], made[0]["id"]);
    assert_eq!(
        (
            &listed[0]["status"],
            &listed[0]["conclusion"],
            &listed[0]["steps_run"]
        ),
        (&json!("queued"), &Value::Null, &json!(0))
    );
}

#[test]
fn jobs_of_one_run_share_its_id() {
    let mut world = World::new();
    let made = post_jobs(
        &mut world,
        &json!({ "labels": ["a"], "count": 2, "run_id": 77 }),
    );
    assert!(made.iter().all(|job| job["run_id"] == 77));
    let apart = post_jobs(&mut world, &json!({ "labels": ["a"], "count": 2 }));
    assert_ne!(apart[0]["run_id"], apart[1]["run_id"]);
}

#[test]
fn a_gate_may_be_said_by_name_or_as_true() {
    let mut world = World::new();
    for gate in [json!(true), json!("environment"), json!("deployment")] {
        let made = post_jobs(&mut world, &json!({ "labels": ["a"], "gate": gate }));
        let id = made[0]["id"].as_i64().unwrap();
        let shown = world
            .control("GET", &format!("/_model/jobs/{id}"), &json!({}))
            .body
            .unwrap();
        assert_eq!(shown["status"], "waiting", "{gate}");
        assert_eq!(
            world
                .control("POST", &format!("/_model/jobs/{id}/approve"), &json!({}))
                .status,
            204
        );
        assert_eq!(
            world
                .control("POST", &format!("/_model/jobs/{id}/approve"), &json!({}))
                .status,
            409
        );
    }
}

#[test]
fn a_mistake_is_answered_with_its_name() {
    let mut world = World::new();
    let answer = world.control("POST", "/_model/jobs", &json!({ "label": ["a"] }));
    assert_eq!(answer.status, 400);
    assert!(message(&answer).contains("label"), "{}", message(&answer));
}

#[test]
fn calls_are_counted_by_name() {
    let mut world = World::new();
    world.repository("acme/app");
    world.call("GET", "/repos/acme/app/actions/runners", &json!({}));
    world.call("GET", "/repos/acme/app/actions/runners", &json!({}));
    assert_eq!(
        world
            .model
            .calls()
            .of("actions/list-self-hosted-runners-for-repo"),
        2
    );
}

#[test]
fn faults_change_only_where_they_are_named() {
    let mut world = World::new();
    world.control(
        "POST",
        "/_model/faults",
        &json!({ "stolen": 0.5, "api": { "slow": 0.1 } }),
    );
    world.control(
        "POST",
        "/_model/faults",
        &json!({ "api": { "server_error": 0.2 } }),
    );
    let shown = world
        .control("GET", "/_model/faults", &json!({}))
        .body
        .unwrap();
    assert_eq!(
        (
            &shown["stolen"],
            &shown["api"]["slow"],
            &shown["api"]["server_error"]
        ),
        (&json!(0.5), &json!(0.1), &json!(0.2))
    );
    world.control(
        "POST",
        "/_model/faults",
        &json!({ "api": null, "stolen": null }),
    );
    assert_eq!(
        world.model.faults,
        mayfly_github_model::faults::Faults::default()
    );
}

#[test]
fn time_is_known_before_it_comes() {
    let mut world = World::new();
    let id = world.queue(&mayfly_github_model::jobs::NewJob {
        cancel_after: Some(30.0),
        ..job()
    });
    world.told();
    let next = world.model.next_deadline().unwrap();
    assert_eq!(next.duration_since(world.now).as_secs(), 30);
    world.model.advance(next);
    assert_eq!(world.job(id).status, Status::Completed);
}
