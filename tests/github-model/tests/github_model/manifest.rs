//! Apps are made from manifests, on GitHub's pages: once, in time, and only as GitHub would.

use crate::app::KEY;
use crate::world::{World, header, message};
use mayfly_github_model::deliveries::Stage;
use mayfly_github_model::jobs::NewJob;
use mayfly_github_model::wire::{Answer, Request};
use mayfly_test_support::openapi::check;
use serde_json::{Value, json};

fn manifest() -> Value {
    json!({
        "name": "mayfly-acme",
        "url": "https://example.test",
        "hook_attributes": { "url": "https://mayfly.test/webhook" },
        "redirect_url": "http://127.0.0.1:4000/callback",
        "default_permissions": { "actions": "read", "organization_self_hosted_runners": "write" },
        "default_events": ["workflow_job"],
    })
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn posted(world: &mut World, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let mut request = Request {
        body: body.join("&").into_bytes(),
        ..Request::new("POST", path)
    };
    request.query.insert("state".to_owned(), "5tate".to_owned());
    world.model.web(&request, world.now)
}

fn begun(world: &mut World, manifest: &Value) -> Answer {
    posted(
        world,
        "/organizations/acme/settings/apps/new",
        &[("manifest", &manifest.to_string())],
    )
}

fn confirmed(world: &mut World, page: &Answer, name: &str) -> Answer {
    let html = page.html.clone().unwrap();
    let (_, rest) = html.split_once("name=\"draft\" value=\"").unwrap();
    let draft = rest.split('"').next().unwrap();
    posted(
        world,
        "/settings/apps/confirm",
        &[("draft", draft), ("name", name)],
    )
}

/// A world whose App was made a moment ago, and its code.
fn made() -> (World, String) {
    let mut world = World::with_key(&KEY);
    world.model.provide_key(KEY.clone());
    let page = begun(&mut world, &manifest());
    let answer = confirmed(&mut world, &page, "Mayfly for acme");
    let location = header(&answer, "location").unwrap();
    let (_, query) = location
        .split_once("http://127.0.0.1:4000/callback?code=")
        .unwrap();
    let (code, state) = query.split_once("&state=").unwrap();
    assert_eq!((answer.status, state), (302, "5tate"));
    (world, code.to_owned())
}

fn converted(world: &mut World, code: &str) -> Answer {
    let request = Request::new("POST", &format!("/app-manifests/{code}/conversions"))
        .header("user-agent", "test");
    world.model.rest(&request, world.now)
}

#[test]
fn a_code_is_exchanged_once_and_needs_nobody_to_be_known() {
    let (mut world, code) = made();
    let app = converted(&mut world, &code).body.unwrap();
    assert_eq!(
        (&app["slug"], &app["owner"]["login"]),
        (&json!("mayfly-for-acme"), &json!("acme"))
    );
    assert_eq!(
        app["permissions"],
        json!({ "actions": "read", "metadata": "read", "organization_self_hosted_runners": "write" })
    );
    assert_eq!(app["pem"], json!(KEY.private_pem));
    assert_eq!(app["webhook_secret"], json!(world.model.hook.secret));
    assert_eq!(converted(&mut world, &code).status, 404);
}

#[test]
fn a_code_is_good_for_an_hour() {
    let (mut world, code) = made();
    world.wait(3_601.0);
    assert_eq!(converted(&mut world, &code).status, 404);
    assert_eq!(converted(&mut world, "0123456789").status, 404);
}

#[test]
fn a_new_app_is_pinged_and_installed_nowhere() {
    let (mut world, _) = made();
    assert_eq!(world.model.accounts().installations().count(), 0);
    let due = world.model.take_due(world.now);
    assert_eq!(
        (due.len(), due[0].headers["x-github-event"].as_str()),
        (1, "ping")
    );
    // GitHub's default, unless it is told otherwise.
    assert_eq!(
        due[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
}

#[test]
fn an_app_is_told_of_its_installation_and_from_then_on_of_jobs() {
    let (mut world, _) = made();
    world.model.take_due(world.now);
    world.queue(&NewJob {
        repository: "acme/app".to_owned(),
        ..crate::world::job()
    });
    assert_eq!(world.model.take_due(world.now).len(), 0);
    world.model.install_app(world.now);
    world.queue(&NewJob {
        repository: "acme/app".to_owned(),
        ..crate::world::job()
    });
    let events: Vec<_> = world
        .model
        .take_due(world.now)
        .into_iter()
        .map(|one| one.headers["x-github-event"].clone())
        .collect();
    assert_eq!(events, ["installation", "workflow_job"]);
}

#[test]
fn an_app_without_the_event_is_told_of_no_job() {
    let mut world = World::with_key(&KEY);
    world.model.provide_key(KEY.clone());
    let page = begun(
        &mut world,
        &json!({ "default_events": [], "url": "https://x.test", "redirect_url": "http://127.0.0.1:1/" }),
    );
    confirmed(&mut world, &page, "quiet");
    world.model.hook.url = Some("https://mayfly.test/webhook".to_owned());
    world.model.install_app(world.now);
    world.queue(&crate::world::job());
    assert!(
        world
            .model
            .deliveries()
            .all(|one| one.event != "workflow_job" && matches!(one.stage, Stage::Due(_)))
    );
}

#[test]
fn what_is_wrong_with_a_manifest_is_listed() {
    let mut world = World::new();
    let mut wrong = manifest();
    wrong["default_permissions"] = json!({ "everything": "write" });
    wrong["redirect_url"] = json!("nowhere");
    let page = begun(&mut world, &wrong);
    let html = page.html.unwrap();
    assert_eq!(
        (page.status, html.matches("<li>").count()),
        (422, 3),
        "{html}"
    );
    assert!(
        html.contains("Default events unsupported: workflow_job"),
        "{html}"
    );
    assert_eq!(
        posted(&mut world, "/settings/apps/new", &[("manifest", "{")]).status,
        422
    );
    assert_eq!(posted(&mut world, "/settings/apps/new", &[]).status, 422);
}

#[test]
fn organizations_of_others_have_no_such_page() {
    let mut world = World::new();
    world.repository("umbrella/app");
    let manifest = manifest().to_string();
    for login in ["umbrella", "nobody", "mona"] {
        let path = format!("/organizations/{login}/settings/apps/new");
        assert_eq!(
            posted(&mut world, &path, &[("manifest", &manifest)]).status,
            404,
            "{login}"
        );
    }
}

#[test]
fn names_are_short_and_nobody_else_s() {
    let mut world = World::new();
    world.model.take_name("Taken");
    let page = begun(&mut world, &manifest());
    for name in ["", " ", "taken", "mayfly", &"n".repeat(35)] {
        let answer = confirmed(&mut world, &page, name);
        assert_eq!(answer.status, 422, "{name}");
    }
    assert_eq!(world.model.app().name, "Mayfly", "no App was made");
    assert_eq!(
        posted(
            &mut world,
            "/settings/apps/confirm",
            &[("draft", "none"), ("name", "x")]
        )
        .status,
        404
    );
}

#[test]
fn the_hook_is_changed_field_by_field_and_its_secret_never_shown() {
    let mut world = World::with_key(&KEY);
    let now = world.now.as_second();
    let token = crate::app::jwt(
        &KEY,
        &json!({ "alg": "RS256" }),
        &json!({ "iat": now, "exp": now + 60, "iss": "1234567" }),
    );
    let changed = world
        .call_as(
            &token,
            "PATCH",
            "/app/hook/config",
            &json!({ "secret": "n3w", "content_type": "form" }),
        )
        .body
        .unwrap();
    let expected = json!({ "url": "http://mayfly.test/webhook", "content_type": "form", "secret": "********", "insecure_ssl": "0" });
    assert_eq!(changed, expected);
    assert_eq!(world.model.hook.secret, "n3w");
    let wrong = world.call_as(
        &token,
        "PATCH",
        "/app/hook/config",
        &json!({ "content_type": "xml" }),
    );
    assert_eq!((wrong.status, message(&wrong)), (422, "Validation Failed"));
    assert_eq!(
        world
            .call("PATCH", "/app/hook/config", &json!({ "secret": "stolen" }))
            .status,
        401
    );
}

#[test]
#[ignore = "needs the packages that tests/openapi/fetch.py installs"]
fn making_an_app_has_the_published_shape() {
    let (mut world, code) = made();
    assert_eq!(converted(&mut world, &code).status, 201);
    assert_eq!(converted(&mut world, &code).status, 404);
    world.model.take_due(world.now);
    let now = world.now.as_second();
    let token = crate::app::jwt(
        &KEY,
        &json!({ "alg": "RS256" }),
        &json!({ "iat": now, "exp": now + 60, "iss": "2000001" }),
    );
    world.call_as(
        &token,
        "PATCH",
        "/app/hook/config",
        &json!({ "content_type": "json", "secret": "n3w", "insecure_ssl": "0" }),
    );
    world.model.install_app(world.now);
    for path in ["/app", "/app/installations", "/app/hook/config"] {
        world.call_as(&token, "GET", path, &Value::Null);
    }
    let due = world.model.take_due(world.now);
    let payload = serde_json::from_slice(&due[0].body).unwrap();
    let exchanges =
        serde_json::to_value(world.model.exchanges().all().collect::<Vec<_>>()).unwrap();
    let words = check(&exchanges, &[("installation-created".to_owned(), payload)]).unwrap();
    assert!(words.contains(", 0 problems"), "{words}");
}
