//! Deliveries: signed, shown in a list, sent again.

use crate::app::{KEY, jwt};
use crate::world::{World, header, job};
use jiff::Timestamp;
use mayfly_github_model::deliveries::{Outcome, Outgoing};
use mayfly_github_model::hook::ContentType;
use mayfly_github_model::jobs::NewJob;
use ring::hmac;
use serde_json::{Value, json};

/// Checks a signature with other code than the model signs with.
fn is_signed(outgoing: &Outgoing, secret: &str) -> bool {
    let shown = outgoing
        .headers
        .get("x-hub-signature-256")
        .and_then(|value| value.strip_prefix("sha256="));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let right: String = hmac::sign(&key, &outgoing.body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    shown == Some(right.as_str())
}

fn world() -> World {
    World::with_key(&KEY)
}

/// A call with the App's JWT.
fn as_app(world: &mut World, method: &str, path: &str) -> mayfly_github_model::wire::Answer {
    let now = world.now.as_second();
    let token = jwt(
        &KEY,
        &json!({ "alg": "RS256" }),
        &json!({ "iat": now, "exp": now + 60, "iss": "1234567" }),
    );
    world.call_as(&token, method, path, &json!({}))
}

/// Sends what is due and has it answered with this status.
fn answer_all(world: &mut World, status: u16) -> usize {
    let due = world.model.take_due(world.now);
    for one in &due {
        world
            .model
            .settle(one.id, Outcome::answered(world.now, status));
    }
    due.len()
}

fn lines(world: &mut World, query: &str) -> Vec<Value> {
    as_app(world, "GET", &format!("/app/hook/deliveries{query}"))
        .body
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn a_delivery_is_signed_over_its_bytes_as_json_and_as_form() {
    for content_type in [ContentType::Json, ContentType::Form] {
        let mut world = World::new();
        world.model.hook.content_type = content_type;
        world.model.hook.secret = "s3cr3t".to_owned();
        world.queue(&job());
        let sent = world.model.take_due(world.now).pop().unwrap();
        assert!(is_signed(&sent, "s3cr3t"));
        assert!(!is_signed(&sent, "another"));
        assert_eq!(sent.headers["content-type"], content_type.mime());
    }
}

#[test]
fn a_form_holds_the_json_in_its_field_payload() {
    let mut world = World::new();
    world.model.hook.content_type = ContentType::Form;
    world.queue(&NewJob {
        name: "build & test = 100 % ü+".to_owned(),
        ..job()
    });
    let sent = world.model.take_due(world.now).pop().unwrap();
    let text = String::from_utf8(sent.body).unwrap();
    // An independent decoder.
    let decoded: Vec<(String, String)> = reqwest::Url::parse(&format!("http://test/?{text}"))
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    assert_eq!(decoded.first().unwrap().0, "payload");
    let payload: Value = serde_json::from_str(&decoded.first().unwrap().1).unwrap();
    assert_eq!(payload["workflow_job"]["name"], "build & test = 100 % ü+");
}

#[test]
fn a_delivery_has_githubs_headers() {
    let mut world = World::new();
    world.queue(&job());
    let sent = world.model.take_due(world.now).pop().unwrap();
    assert_eq!(sent.headers["x-github-event"], "workflow_job");
    assert_eq!(sent.headers["x-github-delivery"].len(), 36);
    assert_eq!(
        sent.headers["x-github-hook-installation-target-type"],
        "integration"
    );
    assert!(sent.headers["user-agent"].starts_with("GitHub-Hookshot/"));
}

#[test]
fn a_user_s_repository_has_no_organization() {
    let mut world = World::new();
    world.queue(&NewJob {
        repository: "mona/dotfiles".to_owned(),
        ..job()
    });
    let sent = world.model.take_due(world.now).pop().unwrap();
    let payload: Value = serde_json::from_slice(&sent.body).unwrap();
    assert!(payload.get("organization").is_none());
    assert_eq!(payload["installation"]["id"], 61_000_003);
}

#[test]
fn nothing_is_delivered_where_the_app_is_not_installed() {
    let mut world = World::new();
    world.control(
        "POST",
        "/_model/repositories",
        &json!({ "name": "acme/app", "installed": false }),
    );
    world.queue(&job());
    world.queue(&NewJob {
        repository: "strangers/app".to_owned(),
        ..job()
    });
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn a_failed_delivery_is_shown_and_not_repeated_by_itself() {
    let mut world = world();
    world.queue(&job());
    answer_all(&mut world, 503);
    world.wait(3_600.0);
    assert_eq!(answer_all(&mut world, 200), 0);
    let shown = lines(&mut world, "?status=failure");
    assert_eq!(
        (shown.len(), &shown[0]["status"]),
        (1, &json!("Invalid HTTP Response: 503"))
    );
    assert_eq!(lines(&mut world, "?status=success").len(), 0);
}

#[test]
fn a_redelivery_keeps_its_guid_and_is_marked() {
    let mut world = world();
    world.queue(&job());
    answer_all(&mut world, 502);
    let id = lines(&mut world, "")[0]["id"].as_i64().unwrap();
    assert_eq!(
        as_app(
            &mut world,
            "POST",
            &format!("/app/hook/deliveries/{id}/attempts")
        )
        .status,
        202
    );
    assert_eq!(answer_all(&mut world, 202), 1);
    let shown = lines(&mut world, "");
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["guid"], shown[1]["guid"]);
    assert_eq!(
        (&shown[0]["redelivery"], &shown[0]["status"]),
        (&json!(true), &json!("OK"))
    );
}

#[test]
fn a_delivery_older_than_three_days_cannot_be_sent_again() {
    let mut world = world();
    world.queue(&job());
    answer_all(&mut world, 502);
    let id = lines(&mut world, "")[0]["id"].as_i64().unwrap();
    world.wait(3.0 * 86_400.0 + 1.0);
    let path = format!("/app/hook/deliveries/{id}/attempts");
    assert_eq!(as_app(&mut world, "POST", &path).status, 422);
    assert_eq!(
        as_app(&mut world, "POST", "/app/hook/deliveries/1/attempts").status,
        404
    );
}

#[test]
fn deliveries_come_newest_first_in_pages_by_cursor() {
    let mut world = world();
    for _ in 0..5 {
        world.queue(&job());
        answer_all(&mut world, 202);
        world.wait(1.0);
    }
    let mut seen = Vec::new();
    let mut path = "/app/hook/deliveries?per_page=2".to_owned();
    loop {
        let answer = as_app(&mut world, "GET", &path);
        seen.extend(
            answer
                .body
                .as_ref()
                .unwrap()
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line["id"].as_i64().unwrap()),
        );
        let Some(link) = header(&answer, "link") else {
            break;
        };
        path = link
            .split(['<', '>'])
            .nth(1)
            .unwrap()
            .strip_prefix("http://github.test")
            .unwrap()
            .to_owned();
    }
    let mut newest_first = seen.clone();
    newest_first.sort_by(|one, other| other.cmp(one));
    assert_eq!((seen.len(), &seen), (5, &newest_first));
    assert_eq!(
        as_app(&mut world, "GET", "/app/hook/deliveries?cursor=nonsense").status,
        400
    );
}

#[test]
fn a_delivery_shows_what_was_sent_and_what_came_back() {
    let mut world = world();
    world.queue(&job());
    answer_all(&mut world, 202);
    let id = lines(&mut world, "")[0]["id"].as_i64().unwrap();
    let full = as_app(&mut world, "GET", &format!("/app/hook/deliveries/{id}"))
        .body
        .unwrap();
    assert_eq!(full["request"]["payload"]["action"], "queued");
    assert_eq!(full["status_code"], 202);
}

#[test]
fn a_ping_is_delivered_like_the_rest() {
    let mut world = world();
    world.model.ping(world.now);
    let sent = world.model.take_due(world.now).pop().unwrap();
    assert_eq!(sent.headers["x-github-event"], "ping");
    assert!(is_signed(&sent, "It's a Secret to Everybody"));
}

#[test]
fn hand_made_deliveries_are_sent_as_asked_and_in_no_list_of_githubs() {
    let mut world = world();
    for (signing, signed) in [
        (json!("wrong"), false),
        (json!("missing"), false),
        (json!({ "literal": "sha256=00" }), false),
        (json!("valid"), true),
    ] {
        let body = json!({ "event": "workflow_job", "payload": { "action": "queued" }, "signing": signing });
        assert_eq!(
            world.control("POST", "/_model/deliveries", &body).status,
            201
        );
        let sent = world.model.take_due(world.now).pop().unwrap();
        assert_eq!(
            is_signed(&sent, "It's a Secret to Everybody"),
            signed,
            "{body}"
        );
        world
            .model
            .settle(sent.id, Outcome::answered(Timestamp::UNIX_EPOCH, 401));
    }
    assert_eq!(lines(&mut world, "").len(), 0);
}
