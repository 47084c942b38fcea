//! Everything GitHub may do to its users happens when it is switched on, and not before.

use crate::world::{LABELS, World, header, job, message, mint_body};
use mayfly_github_model::deliveries::{Outcome, Stage};
use mayfly_github_model::faults::Faults;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob, Status};
use mayfly_github_model::model::{Interrupted, Model};
use serde_json::{Value, json};

const MINT: &str = "/repos/acme/app/actions/runners/generate-jitconfig";

fn with_faults(faults: &Value) -> World {
    let mut world = World::new();
    world.repository("acme/app");
    let answer = world.control("POST", "/_model/faults", faults);
    assert_eq!(answer.status, 204, "{}", message(&answer));
    world
}

/// The HTTP statuses that the list of deliveries shows, oldest first.
fn noted(model: &Model) -> Vec<u16> {
    model
        .deliveries()
        .filter_map(|one| match &one.stage {
            Stage::Over(outcome) => Some(outcome.code),
            Stage::Due(_) | Stage::Sent => None,
        })
        .collect()
}

#[test]
fn a_delivery_that_is_never_made_is_nowhere() {
    let mut world = with_faults(&json!({ "deliveries": { "never_made": 1.0 } }));
    world.queue(&job());
    assert_eq!(
        (world.told().len(), world.model.deliveries().count()),
        (0, 0)
    );
}

#[test]
fn a_lost_delivery_is_listed_as_a_failure_and_can_be_had_again() {
    let mut world = with_faults(&json!({ "deliveries": { "lost": 1.0, "actions": ["queued"] } }));
    let (_, _) = world.busy();
    assert_eq!(world.told(), ["in_progress/in_progress"]);
    assert_eq!(noted(&world.model), [0]);
    let id = world.model.deliveries().next().unwrap().id;
    assert!(world.model.redeliver(id, world.now).is_some());
    assert_eq!(
        world.told(),
        Vec::<String>::new(),
        "it is lost again as long as that goes on"
    );
    world.model.faults = Faults::default();
    assert!(world.model.redeliver(id, world.now).is_some());
    assert_eq!(world.told(), ["queued/queued"]);
}

#[test]
fn an_answer_may_count_as_a_502() {
    let mut world = with_faults(&json!({ "deliveries": { "answered_5xx": 1.0 } }));
    world.queue(&job());
    let sent = world.model.take_due(world.now).pop().unwrap();
    world
        .model
        .settle(sent.id, Outcome::answered(world.now, 202));
    assert_eq!(noted(&world.model), [502]);
}

#[test]
fn a_repeated_delivery_comes_three_times_under_one_guid() {
    let mut world = with_faults(&json!({ "deliveries": { "repeated": 1.0 } }));
    world.queue(&job());
    let sent = world.model.take_due(world.now);
    let guids: Vec<_> = sent
        .iter()
        .map(|one| &one.headers["x-github-delivery"])
        .collect();
    assert_eq!(guids.len(), 3);
    assert!(guids.iter().all(|guid| *guid == guids[0]));
}

#[test]
fn a_late_delivery_says_what_was_true_when_it_was_made() {
    let mut world = with_faults(
        &json!({ "deliveries": { "late": 1.0, "late_by": 10.0, "actions": ["queued"] } }),
    );
    let (session, _) = world.busy();
    world.model.complete(&session, None, world.now).unwrap();
    assert_eq!(
        world.told(),
        ["in_progress/in_progress", "completed/completed"]
    );
    world.wait(10.0);
    assert_eq!(world.told(), ["queued/queued"]);
}

#[test]
fn reordered_deliveries_all_come_but_not_in_order() {
    let mut world = with_faults(&json!({ "deliveries": { "reordered": 1.0 } }));
    world.queue(&NewJob { count: 30, ..job() });
    assert_eq!(world.told().len(), 0);
    world.wait(3.0);
    let sent = world.model.take_due(world.now);
    let mut sorted = sent.clone();
    sorted.sort_by_key(|one| one.id);
    assert_eq!(sent.len(), 30);
    assert!(
        sent.iter()
            .map(|one| one.id)
            .ne(sorted.iter().map(|one| one.id))
    );
}

#[test]
fn faults_can_be_kept_to_one_job() {
    let mut world = World::new();
    let deliveries = JobDeliveries {
        repeat: 2,
        lost: vec![Action::Completed],
        ..JobDeliveries::default()
    };
    let id = world.queue(&NewJob {
        deliveries,
        ..job()
    });
    world.queue(&job());
    world.model.cancel(id, world.now);
    assert_eq!(
        world.told(),
        ["queued/queued", "queued/queued", "queued/queued"]
    );
    // Both copies of the last word.
    assert_eq!(noted(&world.model), [0, 0]);
}

#[test]
fn a_server_error_changes_nothing() {
    let mut world = with_faults(&json!({ "api": { "server_error": 1.0, "budget": 2 } }));
    for _ in 0..2 {
        assert!((500..504).contains(&world.call("POST", MINT, &mint_body("one", &LABELS)).status));
    }
    assert_eq!(world.model.runners().count(), 0);
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        201
    );
}

#[test]
fn a_lost_answer_leaves_a_runner_that_nobody_can_use() {
    let operation = "actions/generate-runner-jitconfig-for-repo";
    let mut world = with_faults(
        &json!({ "api": { "answer_lost": 1.0, "budget": 1, "operations": [operation] } }),
    );
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        502
    );
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        409
    );
}

#[test]
fn limits_say_when_they_end() {
    let mut world = with_faults(&json!({ "api": { "primary_limit": 1.0, "primary_reset": 90 } }));
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    let reset = (world.now.as_second() + 90).to_string();
    assert_eq!(
        (answer.status, header(&answer, "x-ratelimit-remaining")),
        (403, Some("0"))
    );
    assert_eq!(header(&answer, "x-ratelimit-reset"), Some(reset.as_str()));
    world.control(
        "POST",
        "/_model/faults",
        &json!({ "api": { "primary_limit": 0.0, "secondary_limit": 1.0, "retry_after": 7 } }),
    );
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(
        (answer.status, header(&answer, "retry-after")),
        (403, Some("7"))
    );
}

#[test]
fn a_repository_may_be_refused_for_good() {
    for (refusal, words) in [
        (
            json!({ "status": 403 }),
            "Repository level self-hosted runners are disabled on this repository.",
        ),
        (json!({ "status": 404 }), "Not Found"),
        (
            json!({ "status": 422 }),
            "Runner group has reached its max limit of 10000 runners.",
        ),
        (
            json!({ "status": 403, "message": "Forbidden by policy" }),
            "Forbidden by policy",
        ),
    ] {
        let mut world = with_faults(&json!({ "refused": { "acme/app": refusal } }));
        let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
        assert_eq!(
            (u64::from(answer.status), message(&answer)),
            (refusal["status"].as_u64().unwrap(), words)
        );
        world.repository("acme/other");
        assert_eq!(
            world
                .call(
                    "POST",
                    "/repos/acme/other/actions/runners/generate-jitconfig",
                    &mint_body("one", &LABELS)
                )
                .status,
            201
        );
    }
}

#[test]
fn an_idle_runner_may_be_forgotten() {
    let mut world = with_faults(&json!({ "forgets_idle_after": 5.0 }));
    let session = world.online("one", &LABELS);
    world.wait(4.0);
    assert_eq!(world.model.poll(&session, world.now), Ok(None));
    world.wait(1.0);
    assert_eq!(
        world.model.poll(&session, world.now),
        Err(Interrupted::Removed)
    );
}

#[test]
fn a_runner_that_is_too_old_listens_and_gets_nothing() {
    let mut world = with_faults(&json!({ "too_old": 1.0 }));
    let id = world.queue(&job());
    let session = world.online("old", &LABELS);
    assert_eq!(
        (world.model.poll(&session, world.now), world.runner_of(id)),
        (Ok(None), None)
    );
    world.model.faults.too_old = 0.0;
    world.online("new", &LABELS);
    assert_eq!(world.runner_of(id).as_deref(), Some("new"));
}

#[test]
fn limits_may_be_429() {
    let mut world = with_faults(&json!({ "api": { "secondary_limit": 1.0, "limited_with": 429 } }));
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        429
    );
}

#[test]
fn a_look_up_may_be_behind() {
    let mut world = with_faults(&json!({ "api": { "stale": 1.0 } }));
    let (_, running) = world.busy();
    let waiting = world.queue(&job());
    let seen = world
        .call(
            "GET",
            &format!("/repos/acme/app/actions/jobs/{running}"),
            &json!({}),
        )
        .body
        .unwrap();
    assert_eq!(
        (seen["status"].as_str(), world.job(running).status),
        (Some("queued"), Status::InProgress)
    );
    assert_eq!(
        world
            .call(
                "GET",
                &format!("/repos/acme/app/actions/jobs/{waiting}"),
                &json!({})
            )
            .status,
        404
    );
}

#[test]
fn a_slow_answer_has_been_carried_out() {
    let mut world = with_faults(&json!({ "api": { "slow": 1.0, "slow_by": 20.0 } }));
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!((answer.status, answer.delay.as_secs()), (201, 20));
}

#[test]
fn the_same_seed_brings_the_same_faults() {
    let story = || {
        let mut world = with_faults(
            &json!({ "deliveries": { "lost": 0.3, "repeated": 0.3, "reordered": 0.5 } }),
        );
        world.queue(&NewJob { count: 20, ..job() });
        world.wait(3.0);
        world.told();
        world
            .model
            .deliveries()
            .map(|one| {
                (
                    one.id,
                    one.guid.clone(),
                    one.redelivery,
                    format!("{:?}", one.handling),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(story(), story());
}

#[test]
fn switches_that_do_not_exist_are_refused() {
    let mut world = World::new();
    let answer = world.control(
        "POST",
        "/_model/faults",
        &json!({ "deliveries": { "lots": 1.0 } }),
    );
    assert_eq!(answer.status, 400);
    assert!(message(&answer).contains("lots"), "{}", message(&answer));
}
