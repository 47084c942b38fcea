//! Registrations: made, listed, deleted, and refused while busy.

use crate::world::{LABELS, World, message, mint_body};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_github_model::model::{Deletion, JitConfigError, OpenError};
use mayfly_github_model::runners::{Presence, Removal};
use serde_json::{Value, json};

const RUNNERS: &str = "/repos/acme/app/actions/runners";
const MINT: &str = "/repos/acme/app/actions/runners/generate-jitconfig";

#[test]
fn a_registration_is_three_files_of_over_four_kilobytes() {
    let mut world = World::new();
    world.repository("acme/app");
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(answer.status, 201);
    let body = answer.body.unwrap();
    let encoded = body["encoded_jit_config"].as_str().unwrap();
    assert!(
        (4_097..4_600).contains(&encoded.len()),
        "{} characters",
        encoded.len()
    );
    let files: Value = serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap();
    let settings: Value =
        serde_json::from_slice(&STANDARD.decode(files[".runner"].as_str().unwrap()).unwrap())
            .unwrap();
    assert_eq!(settings["serverUrl"], "http://github.test");
    assert_eq!(body["runner"]["status"], "offline");
}

#[test]
fn no_label_is_added() {
    let mut world = World::new();
    world.repository("acme/app");
    let body = world
        .call("POST", MINT, &mint_body("one", &["only-this"]))
        .body
        .unwrap();
    let labels: Vec<_> = body["runner"]["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| label["name"].clone())
        .collect();
    assert_eq!(labels, ["only-this"]);
}

#[test]
fn a_name_is_given_once_until_its_runner_is_gone() {
    let mut world = World::new();
    let scope = world.repository("acme/app");
    let first = world.generate_jit_config(scope, "one", &LABELS).unwrap();
    assert_eq!(
        world.generate_jit_config(scope, "ONE", &LABELS),
        Err(JitConfigError::NameTaken)
    );
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(
        (answer.status, message(&answer)),
        (
            409,
            "Already exists - A runner with the name one already exists."
        )
    );
    let elsewhere = world.repository("acme/other");
    assert!(world.generate_jit_config(elsewhere, "one", &LABELS).is_ok());
    world.model.delete_runner(scope, first, world.now);
    assert!(world.generate_jit_config(scope, "one", &LABELS).is_ok());
}

#[test]
fn requests_that_make_no_sense_are_422() {
    let mut world = World::new();
    world.repository("acme/app");
    let long = "x".repeat(65);
    let label = "x".repeat(257);
    let many: Vec<String> = (0..101).map(|number| format!("label-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for body in [
        mint_body("", &LABELS),
        mint_body(&long, &LABELS),
        mint_body("one", &[]),
        mint_body("one", &[&label]),
        mint_body("one", &many),
        json!({ "name": "one", "labels": LABELS }),
    ] {
        assert_eq!(world.call("POST", MINT, &body).status, 422, "{body}");
    }
}

#[test]
fn an_unknown_group_is_not_found() {
    let mut world = World::new();
    world.repository("acme/app");
    let mut body = mint_body("one", &LABELS);
    body["runner_group_id"] = json!(7);
    assert_eq!(world.call("POST", MINT, &body).status, 404);
    assert_eq!(
        world
            .call(
                "POST",
                "/orgs/acme/actions/runners/generate-jitconfig",
                &body
            )
            .status,
        404
    );
    let group = world
        .model
        .accounts_mut()
        .add_group(ACME, "fargate", Visibility::Private, false);
    body["runner_group_id"] = json!(group);
    assert_eq!(
        world
            .call(
                "POST",
                "/orgs/acme/actions/runners/generate-jitconfig",
                &body
            )
            .status,
        201
    );
    let groups = world
        .call("GET", "/orgs/acme/actions/runner-groups", &json!({}))
        .body
        .unwrap();
    assert_eq!(groups["total_count"], 2);
}

#[test]
fn a_busy_runner_is_not_deleted() {
    let mut world = World::new();
    world.busy();
    let id = world.runner("busy").id;
    let answer = world.call("DELETE", &format!("{RUNNERS}/{id}"), &json!({}));
    assert_eq!(answer.status, 422);
    assert!(
        message(&answer).contains(r#"Runner "busy" is still running a job"#),
        "{}",
        message(&answer)
    );
    assert!(world.runner("busy").removed.is_none());
}

#[test]
fn a_runner_that_was_given_a_job_is_busy_before_it_begins() {
    let mut world = World::new();
    world.queue(&crate::world::job());
    world.online("one", &LABELS);
    let scope = world.repository("acme/app");
    let id = world.runner("one").id;
    assert!(matches!(
        world.model.delete_runner(scope, id, world.now),
        Deletion::Busy(_)
    ));
}

#[test]
fn an_idle_runner_is_deleted_and_its_program_hears_of_it() {
    let mut world = World::new();
    let session = world.online("one", &LABELS);
    let id = world.runner("one").id;
    assert_eq!(
        world
            .call("DELETE", &format!("{RUNNERS}/{id}"), &json!({}))
            .status,
        204
    );
    assert_eq!(
        world
            .call("DELETE", &format!("{RUNNERS}/{id}"), &json!({}))
            .status,
        404
    );
    assert!(world.model.poll(&session, world.now).is_err());
}

#[test]
fn a_runner_of_one_repository_is_not_found_in_another() {
    let mut world = World::new();
    world.repository("acme/other");
    world.online("one", &LABELS);
    let id = world.runner("one").id;
    assert_eq!(
        world
            .call(
                "DELETE",
                &format!("/repos/acme/other/actions/runners/{id}"),
                &json!({})
            )
            .status,
        404
    );
    assert_eq!(
        world
            .call(
                "DELETE",
                &format!("/orgs/acme/actions/runners/{id}"),
                &json!({})
            )
            .status,
        404
    );
}

#[test]
fn a_list_is_up_to_a_minute_old() {
    let mut world = World::new();
    let count = |world: &mut World| {
        let body = world
            .call("GET", &format!("{RUNNERS}?name=two"), &json!({}))
            .body
            .unwrap();
        body["total_count"].as_u64().unwrap()
    };
    world.online("one", &LABELS);
    assert_eq!(count(&mut world), 0);
    world.online("two", &LABELS);
    // Looking a name up right after a 409 fails.
    world.wait(59.0);
    assert_eq!(count(&mut world), 0);
    world.wait(1.0);
    assert_eq!(count(&mut world), 1);
}

#[test]
fn lists_come_in_pages() {
    let mut world = World::new();
    let scope = world.repository("acme/app");
    for number in 0..5 {
        world
            .generate_jit_config(scope, &format!("runner-{number}"), &LABELS)
            .unwrap();
    }
    let answer = world.call("GET", &format!("{RUNNERS}?per_page=2&page=2"), &json!({}));
    let next = "<http://github.test/api/v3/repos/acme/app/actions/runners?per_page=2&page=3>; rel=\"next\"";
    assert_eq!(crate::world::header(&answer, "link"), Some(next));
    let body = answer.body.unwrap();
    assert_eq!(
        (
            body["total_count"].as_u64(),
            body["runners"].as_array().unwrap().len()
        ),
        (Some(5), 2)
    );
    assert_eq!(
        crate::world::header(
            &world.call("GET", &format!("{RUNNERS}?per_page=2&page=3"), &json!({})),
            "link"
        ),
        None
    );
}

#[test]
fn a_registration_connects_once() {
    let mut world = World::new();
    let scope = world.repository("acme/app");
    let id = world.generate_jit_config(scope, "one", &LABELS).unwrap();
    let registration = world.model.runner(id).unwrap().registration.clone();
    world.model.open_session(&registration, world.now).unwrap();
    assert_eq!(
        world.model.open_session(&registration, world.now),
        Err(OpenError::Conflict)
    );
    assert_eq!(
        world.model.open_session("bm9uc2Vuc2U=", world.now),
        Err(OpenError::NotARegistration)
    );
}

#[test]
fn the_registration_of_a_deleted_runner_connects_nobody() {
    let mut world = World::new();
    let scope = world.repository("acme/app");
    let id = world.generate_jit_config(scope, "one", &LABELS).unwrap();
    let registration = world.model.runner(id).unwrap().registration.clone();
    world.model.delete_runner(scope, id, world.now);
    assert_eq!(
        world.model.open_session(&registration, world.now),
        Err(OpenError::Deleted)
    );
}

#[test]
fn a_silent_idle_runner_is_offline_and_after_a_day_gone() {
    let mut world = World::new();
    world.online("one", &LABELS);
    world.wait(15.0);
    assert!(matches!(
        world.runner("one").presence,
        Presence::Offline { .. }
    ));
    world.wait(86_400.0);
    assert_eq!(
        world.runner("one").removed.map(|(_, why)| why),
        Some(Removal::Expired)
    );
}

#[test]
fn a_registration_that_nobody_used_is_gone_after_a_day() {
    let mut world = World::new();
    let scope = world.repository("acme/app");
    world.generate_jit_config(scope, "one", &LABELS).unwrap();
    world.wait(86_399.0);
    assert!(world.runner("one").removed.is_none());
    world.wait(1.0);
    assert!(world.runner("one").removed.is_some());
}
