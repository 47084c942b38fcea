//! Deliveries: listed page by page, asked for again.

use mayfly_domain::model::id::{DeliveryId, InstallationId, RepositoryId};
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{CallError, Deliveries as _, DeliveryAttempt, DeliveryCursor, Redelivered};
use serde_json::{Value, json};

use crate::stub::{Answer, START, Stub, answer, message, soon};

fn line(id: i64, status_code: i64) -> Value {
    json!({ "id": id, "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516", "delivered_at": "2026-01-01T00:00:01Z", "redelivery": false,
        "duration": 0.27, "status": "OK", "status_code": status_code, "event": "workflow_job", "action": "queued",
        "installation_id": 123, "repository_id": 456, "url": "https://example.com", "throttled_at": null })
}

fn page(lines: Value, next: Option<&str>) -> Answer {
    let (status, mut headers, body) = answer(200, lines);
    headers.extend(next.map(|next| {
        (
            "link",
            format!("<https://elsewhere.example/app/hook/deliveries?{next}>; rel=\"next\""),
        )
    }));
    (status, headers, body)
}

#[tokio::test]
async fn delivery_is_shown_with_all_that_tells_whether_it_is_needed_again() {
    let stub = Stub::always(page(json!([line(i64::MAX, 200)]), None)).await;
    let page = stub.github().deliveries(None, soon()).await.unwrap();
    let expected = DeliveryAttempt {
        id: DeliveryId(i64::MAX),
        guid: "0b989ba4-242f-11e5-81e1-c7b6966d2516".to_owned(),
        delivered_at: Timestamp::from_millis(START.millis() + 1000),
        redelivery: false,
        status_code: 200,
        event: "workflow_job".to_owned(),
        action: Some("queued".to_owned()),
        installation: Some(InstallationId(123)),
        repository: Some(RepositoryId(456)),
        throttled_at: None,
    };
    assert_eq!((page.deliveries, page.next), (vec![expected], None));
}

#[tokio::test]
async fn app_asks_as_itself_and_for_no_token() {
    let stub = Stub::always(page(json!([]), None)).await;
    stub.github().deliveries(None, soon()).await.unwrap();
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].line,
        "GET /api/v3/app/hook/deliveries?per_page=100"
    );
    assert!(
        asked[0].header("authorization").starts_with("Bearer ey"),
        "a JWT"
    );
}

#[tokio::test]
async fn only_the_cursor_of_the_next_page_is_believed() {
    let stub = Stub::always(page(
        json!([]),
        Some("per_page=7&cursor=v1_12077215967&status=success"),
    ))
    .await;
    let next = stub
        .github()
        .deliveries(None, soon())
        .await
        .unwrap()
        .next
        .unwrap();
    assert_eq!(next.as_str(), "v1_12077215967");
    stub.github().deliveries(Some(&next), soon()).await.unwrap();
    assert_eq!(
        stub.asked()[1].line,
        "GET /api/v3/app/hook/deliveries?per_page=100&cursor=v1_12077215967"
    );
}

#[tokio::test]
async fn list_whose_rest_cannot_be_found_has_no_end() {
    for next in ["per_page=100", "cursor=", "cursor=a%20b%22<"] {
        let stub = Stub::always(page(json!([line(1, 200)]), Some(next))).await;
        let error = stub.github().deliveries(None, soon()).await.unwrap_err();
        assert!(
            matches!(error, CallError::Unavailable { .. }),
            "{next}: {error:?}"
        );
    }
}

#[tokio::test]
async fn delivery_that_cannot_be_read_does_not_cost_the_others() {
    let with = |field: &str, value: Value| {
        let mut line = line(2, 200);
        line[field] = value;
        line
    };
    for bad in [
        json!(7),
        json!({}),
        with("id", json!("2")),
        with("delivered_at", json!("yesterday")),
        with("guid", json!(null)),
    ] {
        let stub = Stub::always(page(json!([line(3, 200), bad, line(1, 502)]), None)).await;
        let page = stub.github().deliveries(None, soon()).await.unwrap();
        assert_eq!(
            page.deliveries
                .iter()
                .map(|one| one.id.0)
                .collect::<Vec<_>>(),
            [3, 1],
            "{bad}"
        );
    }
    for odd in [
        with("throttled_at", json!("soon")),
        with("action", json!(null)),
        with("repository_id", json!(null)),
    ] {
        let stub = Stub::always(page(json!([odd]), None)).await;
        assert_eq!(
            stub.github()
                .deliveries(None, soon())
                .await
                .unwrap()
                .deliveries
                .len(),
            1,
            "{odd}"
        );
    }
}

#[tokio::test]
async fn only_an_answer_of_two_hundred_and_some_is_a_success() {
    for (code, shown, succeeded) in [
        (json!(200), 200, true),
        (json!(202), 202, true),
        (json!(0), 0, false),
        (json!(null), 0, false),
        (json!(-1), 0, false),
        (json!(301), 301, false),
        (json!(401), 401, false),
        (json!(503), 503, false),
        (json!(99_999_999), 0, false),
    ] {
        let mut line = line(1, 200);
        line["status_code"] = code.clone();
        let stub = Stub::always(page(json!([line]), None)).await;
        let found = stub
            .github()
            .deliveries(None, soon())
            .await
            .unwrap()
            .deliveries
            .remove(0);
        assert_eq!(
            (found.status_code, found.succeeded()),
            (shown, succeeded),
            "{code}"
        );
    }
}

#[tokio::test]
async fn every_answer_to_a_list_means_one_thing() {
    let cursor: DeliveryCursor = "v1_1".parse().unwrap();
    for (given, expected) in [
        (message(400, "Invalid cursor"), "refused"),
        (message(422, "Validation Failed"), "refused"),
        (message(429, "Too many requests"), "limited"),
        (
            message(403, "You have exceeded a secondary rate limit."),
            "limited",
        ),
        (message(403, "Forbidden"), "refused"),
        (message(500, "Server Error"), "unavailable"),
        (
            message(401, "A JSON web token could not be decoded"),
            "misconfigured",
        ),
        (message(404, "Integration not found"), "misconfigured"),
        (answer(200, json!({ "not": "a list" })), "unavailable"),
    ] {
        let stub = Stub::always(given.clone()).await;
        let error = stub
            .github()
            .deliveries(Some(&cursor), soon())
            .await
            .unwrap_err();
        assert_eq!(word(&error), expected, "{given:?}");
    }
}

#[tokio::test]
async fn every_answer_to_a_redelivery_means_one_thing() {
    let impossible = |words: &str| Ok(Redelivered::Impossible(words.to_owned()));
    for (given, expected) in [
        (answer(202, json!({})), Ok(Redelivered::Asked)),
        (message(404, "Not Found"), impossible("Not Found")),
        (message(422, "Too old"), impossible("Too old")),
        (message(400, "Bad Request"), impossible("Bad Request")),
        (message(403, "Forbidden"), Err("refused")),
        (message(403, "API rate limit exceeded"), Err("limited")),
        (message(429, "Too many requests"), Err("limited")),
        (message(502, "Server Error"), Err("unavailable")),
        (message(401, "Bad credentials"), Err("misconfigured")),
        (message(404, "Integration not found"), Err("misconfigured")),
    ] {
        let stub = Stub::always(given.clone()).await;
        let redelivered = stub
            .github()
            .redeliver(DeliveryId(9_007_199_254_740_993), soon())
            .await;
        assert_eq!(
            redelivered.map_err(|error| word(&error)),
            expected,
            "{given:?}"
        );
        assert_eq!(
            stub.asked()[0].line,
            "POST /api/v3/app/hook/deliveries/9007199254740993/attempts"
        );
        assert_eq!(
            stub.asked()[0].header("content-length"),
            "0",
            "what has no body has to say so"
        );
    }
}

fn word(error: &CallError) -> &'static str {
    match error {
        CallError::Refused { .. } => "refused",
        CallError::RateLimited { .. } => "limited",
        CallError::Unavailable { .. } => "unavailable",
        CallError::Misconfigured { .. } => "misconfigured",
    }
}
