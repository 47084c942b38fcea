//! The runner's releases, asked for by no one in particular.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_github::{CallError, Release, Releases as _, Unauthenticated, api_url};
use serde_json::json;
use tokio::time::Instant;

use crate::stub::{START, Stub, answer, message};

fn stranger(stub: &Stub) -> Unauthenticated {
    Unauthenticated::new(&stub.url, || START).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn published_releases_are_read_in_githubs_order() {
    let stub = Stub::start(|_| {
        Some(answer(
            200,
            json!([
                { "tag_name": "v2.339.0-rc", "published_at": "2026-11-20T00:00:00Z", "prerelease": true, "draft": false },
                { "tag_name": "v2.338.2", "published_at": null, "draft": true },
                { "tag_name": "v2.338.1", "published_at": "2026-10-20T12:00:00Z", "draft": false, "prerelease": false, "assets": [{}] },
                { "name": "no tag" },
                { "tag_name": "2.337.0", "published_at": "2026-09-15T12:00:00Z" },
                { "tag_name": "v2.336.0", "published_at": "some day" },
            ]),
        ))
    })
    .await;
    let releases = stranger(&stub).runner_releases(soon()).await.unwrap();
    let release = |version: &str, millis| Release {
        version: version.into(),
        published_at: Timestamp::from_millis(millis),
    };
    assert_eq!(
        releases,
        [
            release("2.338.1", 1_792_497_600_000),
            release("2.337.0", 1_789_473_600_000)
        ]
    );
    let asked = stub.asked().remove(0);
    assert_eq!(
        asked.line,
        "GET /api/v3/repos/actions/runner/releases?per_page=10"
    );
    assert_eq!(asked.header("authorization"), "");
}

#[tokio::test]
async fn what_is_no_list_of_releases_is_an_error() {
    for (status, body) in [
        (200, json!({ "releases": [] })),
        (200, json!("html")),
        (404, json!({ "message": "Not Found" })),
        (500, json!({})),
    ] {
        let stub = Stub::start(move |_| Some(answer(status, body.clone()))).await;
        assert!(
            stranger(&stub).runner_releases(soon()).await.is_err(),
            "{status}"
        );
    }
}

#[tokio::test]
async fn the_limit_of_those_who_do_not_say_who_they_are_is_told_as_such() {
    let stub = Stub::start(|_| {
        let (status, mut headers, body) = message(403, "API rate limit exceeded for 192.0.2.1.");
        headers.push(("x-ratelimit-remaining", "0".to_owned()));
        headers.push(("x-ratelimit-reset", (START.seconds() + 60).to_string()));
        Some((status, headers, body))
    })
    .await;
    let refused = stranger(&stub).runner_releases(soon()).await;
    assert!(
        matches!(refused, Err(CallError::RateLimited { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_api_is_found_by_where_people_open_github() {
    for (url, api) in [
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        (
            "https://github.example.com",
            "https://github.example.com/api/v3",
        ),
    ] {
        assert_eq!(api_url(url).unwrap(), api);
    }
    assert!(api_url("http://github.example.com").is_err());
}
