//! What an installation token may do: no more than it was narrowed to, and not for long.

use crate::world::{ACME_INSTALLATION, LABELS, World, header, message, mint_body};
use jiff::SignedDuration;
use mayfly_github_model::accounts::Level;
use mayfly_github_model::jobs::Status;
use mayfly_github_model::runners::Scope;
use mayfly_github_model::tokens::{Denied, Narrowing};
use serde_json::json;
use std::collections::BTreeMap;

const RUNNERS: &str = "/api/v3/repos/acme/app/actions/runners";
const MINT: &str = "/api/v3/repos/acme/app/actions/runners/generate-jitconfig";

fn only(permission: &str, level: Level) -> Narrowing {
    Narrowing {
        permissions: Some(BTreeMap::from([(permission.to_owned(), level)])),
        ..Narrowing::default()
    }
}

fn only_in(repository: &str) -> Narrowing {
    Narrowing {
        repositories: Some(vec![repository.to_owned()]),
        ..Narrowing::default()
    }
}

fn denied(world: &mut World, narrowing: &Narrowing) -> Denied {
    world
        .model
        .make_token(ACME_INSTALLATION, narrowing, world.now)
        .unwrap()
        .unwrap_err()
}

#[test]
fn a_token_without_the_permission_is_refused_with_its_name() {
    let mut world = World::new();
    world.repository("acme/app");
    let token = world.token(&only("administration", Level::Read));
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        200
    );
    let answer = world.call_as(&token, "POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(
        (answer.status, message(&answer)),
        (403, "Resource not accessible by integration")
    );
    assert_eq!(
        header(&answer, "x-accepted-github-permissions"),
        Some("administration=write")
    );
}

#[test]
fn a_token_for_one_repository_does_not_see_the_others() {
    let mut world = World::new();
    world.repository("acme/app");
    world.repository("acme/other");
    let token = world.token(&only_in("other"));
    assert_eq!(
        world
            .call_as(&token, "POST", MINT, &mint_body("one", &LABELS))
            .status,
        404
    );
    let own = world.token(&only_in("APP"));
    assert_eq!(
        world
            .call_as(&own, "POST", MINT, &mint_body("one", &LABELS))
            .status,
        201
    );
}

#[test]
fn no_token_is_wider_than_its_installation() {
    let mut world = World::new();
    world.repository("globex/app");
    assert_eq!(denied(&mut world, &only_in("app")), Denied::Repository);
    assert_eq!(
        denied(&mut world, &only("contents", Level::Read)),
        Denied::Permission
    );
    assert_eq!(
        denied(&mut world, &only("actions", Level::Write)),
        Denied::Permission
    );
    let many = Narrowing {
        repository_ids: Some((0..501).collect()),
        ..Narrowing::default()
    };
    assert_eq!(denied(&mut world, &many), Denied::TooMany);
}

#[test]
fn a_token_ends_after_an_hour() {
    let mut world = World::new();
    world.repository("acme/app");
    let token = world.token(&Narrowing::default());
    world.wait(3_599.0);
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        200
    );
    world.wait(1.0);
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        401
    );
}

#[test]
fn repositories_of_others_are_not_found_unless_public() {
    let mut world = World::new();
    world.repository("globex/app");
    let path = "/repos/globex/app/actions/runners";
    assert_eq!(world.call("GET", path, &json!({})).status, 404);
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "globex/app", "private": false }),
    );
    assert_eq!(world.call("GET", path, &json!({})).status, 403);
    assert_eq!(
        world
            .call("GET", "/orgs/globex/actions/runners", &json!({}))
            .status,
        403
    );
    assert_eq!(
        world
            .call("GET", "/orgs/nobody/actions/runners", &json!({}))
            .status,
        404
    );
}

#[test]
fn a_repository_outside_the_installation_is_not_found() {
    let mut world = World::new();
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "acme/app", "installed": false }),
    );
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        404
    );
}

#[test]
fn an_archived_repository_gets_no_runner() {
    let mut world = World::new();
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "acme/app", "archived": true }),
    );
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(
        (answer.status, message(&answer)),
        (403, "Repository was archived so is read-only.")
    );
}

#[test]
fn a_renamed_repository_is_gone_or_sends_on() {
    let mut world = World::new();
    let old = world.repository("acme/app");
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "acme/app", "renamed_to": "shop" }),
    );
    assert_eq!(world.call("GET", RUNNERS, &json!({})).status, 404);
    assert_eq!(world.repository("acme/shop"), old);
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "acme/shop", "renamed_to": "store", "redirects": true }),
    );
    let answer = world.call("GET", "/repos/acme/shop/actions/runners", &json!({}));
    assert_eq!(answer.status, 301);
    let path = header(&answer, "location")
        .unwrap()
        .strip_prefix("http://github.test")
        .unwrap()
        .to_owned();
    assert_eq!(world.call("GET", &path, &json!({})).status, 200);
    assert_eq!(
        world
            .call(
                "POST",
                "/repos/acme/shop/actions/runners/generate-jitconfig",
                &mint_body("one", &LABELS)
            )
            .status,
        307
    );
}

#[test]
fn a_transferred_repository_keeps_its_id_and_sends_on_and_belongs_to_another_installation() {
    let mut world = World::new();
    let Scope::Repository(id) = world.repository("acme/app") else {
        unreachable!("it is a repository")
    };
    let narrowed = Narrowing {
        repository_ids: Some(vec![id.0]),
        ..Narrowing::default()
    };
    let token = world.token(&narrowed);
    world.model.accounts_mut().transfer(id, "globex", true);
    assert_eq!(world.repository("globex/app"), Scope::Repository(id));
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        301
    );
    assert_ne!(
        world
            .call_as(
                &token,
                "GET",
                "/repos/globex/app/actions/runners",
                &json!({})
            )
            .status,
        200
    );
    world.model.accounts_mut().transfer(id, "initech", true);
    assert!(world.model.accounts().installation_for(id).is_none());
}

#[test]
fn of_a_deleted_repository_nothing_is_shown_and_nothing_is_delivered() {
    let mut world = World::new();
    let Scope::Repository(id) = world.repository("acme/app") else {
        unreachable!("it is a repository")
    };
    let waits = world.queue(&crate::world::job());
    world
        .generate_jit_config(Scope::Repository(id), "one", &LABELS)
        .unwrap();
    world.told();
    world.model.delete_repository(id, world.now);
    world.wait(60.0);
    assert_eq!(world.told(), Vec::<String>::new());
    assert_eq!(
        world.model.job(waits).map(|job| job.status),
        Some(Status::Completed)
    );
    assert_eq!(world.call("GET", RUNNERS, &json!({})).status, 404);
    assert_eq!(world.model.registered().count(), 0);
    // Who pushes at its name makes another one.
    assert_ne!(world.repository("acme/app"), Scope::Repository(id));
}

#[test]
fn a_suspended_installation_may_do_nothing_and_hears_nothing() {
    let mut world = World::new();
    world.repository("acme/app");
    let token = world.token(&Narrowing::default());
    world.control(
        "POST",
        "/_model/accounts",
        &json!({ "login": "acme", "suspended": true }),
    );
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        403
    );
    world.queue(&crate::world::job());
    assert_eq!(world.told(), Vec::<String>::new());
    world.control(
        "POST",
        "/_model/accounts",
        &json!({ "login": "acme", "installed": false }),
    );
    assert_eq!(
        world.call_as(&token, "GET", RUNNERS, &json!({})).status,
        401
    );
}

#[test]
fn the_time_in_which_the_app_is_there_is_counted() {
    let mut world = World::new();
    let Scope::Repository(repository) = world.repository("acme/app") else {
        panic!("a repository");
    };
    let begin = world.now;
    let there = |world: &World| {
        world
            .model
            .accounts()
            .time_with_app(repository, begin, world.now)
            .as_secs()
    };
    for (seconds, change, there_by_then) in [
        (10.0, json!({ "login": "acme", "suspended": true }), 10),
        (20.0, json!({ "login": "globex", "installed": false }), 10),
        // It is away for one reason already.
        (30.0, json!({ "login": "acme", "installed": false }), 10),
        (40.0, json!({ "login": "acme", "installed": true }), 10),
        (50.0, json!({ "login": "acme", "suspended": true }), 60),
        (60.0, json!({ "login": "acme", "suspended": false }), 60),
        (70.0, json!({ "login": "acme", "suspended": false }), 130),
    ] {
        world.wait(seconds);
        world.control("POST", "/_model/accounts", &change);
        assert_eq!(there(&world), there_by_then, "after {change}");
    }
    let before = begin - SignedDuration::from_secs(5);
    let accounts = world.model.accounts();
    assert_eq!(
        accounts.time_with_app(repository, before, begin).as_secs(),
        5
    );
}

#[test]
fn the_hours_requests_run_out() {
    let mut world = World::new();
    world.repository("acme/app");
    world.control(
        "POST",
        "/_model/settings",
        &json!({ "primary_per_hour": 2 }),
    );
    let token = world.token(&Narrowing::default());
    let remaining: Vec<_> = (0..3)
        .map(|_| {
            let answer = world.call_as(&token, "GET", RUNNERS, &json!({}));
            (
                answer.status,
                header(&answer, "x-ratelimit-remaining").unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        remaining,
        [
            (200, "1".to_owned()),
            (200, "0".to_owned()),
            (403, "0".to_owned())
        ]
    );
    world.wait(3_600.0);
    assert_eq!(world.call("GET", RUNNERS, &json!({})).status, 200);
}

#[test]
fn writing_costs_five_points_of_nine_hundred_a_minute() {
    let mut world = World::new();
    world.repository("acme/app");
    let mut statuses = Vec::new();
    for number in 0..181 {
        statuses.push(
            world
                .call(
                    "POST",
                    MINT,
                    &mint_body(&format!("runner-{number}"), &LABELS),
                )
                .status,
        );
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        180
    );
    let answer = world.call("POST", MINT, &mint_body("one", &LABELS));
    assert_eq!(header(&answer, "retry-after"), Some("60"));
    world.wait(60.0);
    assert_eq!(
        world.call("POST", MINT, &mint_body("one", &LABELS)).status,
        201
    );
}
