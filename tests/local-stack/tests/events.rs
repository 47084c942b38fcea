//! The event files are what the models make, and say what they should.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

use base64::Engine as _;
use mayfly_github_model::hook::EXAMPLE_SECRET;
use mayfly_github_model::signature::sign;
use mayfly_local_stack::events;
use serde_json::Value;

#[test]
fn files_are_up_to_date() {
    let made = events::all().unwrap();
    let present = events::present().unwrap();
    assert_eq!(
        made.len(),
        present.len(),
        "run `cargo run -p mayfly-local-stack --bin events`"
    );
    for (name, content) in made {
        let path = events::folder().unwrap().join(&name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == events::text(&content),
            "{name} is out of date: run `cargo run -p mayfly-local-stack --bin events`"
        );
    }
}

/// The bytes that were signed.
fn body(event: &Value) -> Vec<u8> {
    let body = event["body"].as_str().unwrap();
    if event["isBase64Encoded"].as_bool().unwrap() {
        base64::engine::general_purpose::STANDARD
            .decode(body)
            .unwrap()
    } else {
        body.as_bytes().to_vec()
    }
}

#[test]
fn deliveries_are_signed_unless_they_say_otherwise() {
    for (name, event) in events::all().unwrap() {
        let Some(kind) = name.strip_prefix("webhook/") else {
            continue;
        };
        let signature = event["headers"]["x-hub-signature-256"].as_str();
        let right = sign(EXAMPLE_SECRET, &body(&event));
        match kind {
            "bad-signature.json" => assert!(
                signature.is_some_and(|signature| signature != right),
                "{name}"
            ),
            "no-signature.json" => assert_eq!(signature, None, "{name}"),
            _ => assert_eq!(signature, Some(right.as_str()), "{name}"),
        }
    }
}

#[test]
fn workflow_job_deliveries_are_as_large_as_real_ones() {
    for (name, event) in events::all().unwrap() {
        if event["headers"]["x-github-event"] != "workflow_job" || event["isBase64Encoded"] == true
        {
            continue;
        }
        // Published examples have 6,958 to 11,395 bytes, with longer names in every link than
        // acme/app.
        let size = body(&event).len();
        assert!((6_300..12_500).contains(&size), "{name}: {size} bytes");
    }
}

#[test]
fn each_kind_says_what_its_name_says() {
    let files = events::all().unwrap();
    let said = |name: &str| {
        let payload: Value = serde_json::from_slice(&body(&files[name])).unwrap();
        (
            payload["action"].as_str().map(str::to_owned),
            payload["workflow_job"]["status"]
                .as_str()
                .map(str::to_owned),
        )
    };
    let both = |action: &str, status: &str| (Some(action.to_owned()), Some(status.to_owned()));
    assert_eq!(said("webhook/queued.json"), both("queued", "queued"));
    assert_eq!(
        said("webhook/in-progress.json"),
        both("in_progress", "in_progress")
    );
    assert_eq!(
        said("webhook/completed.json"),
        both("completed", "completed")
    );
    assert_eq!(said("webhook/waiting.json"), both("waiting", "waiting"));
    assert_eq!(said("webhook/gate.json"), both("queued", "waiting"));
    assert_eq!(said("webhook/pending.json"), both("queued", "pending"));
    assert_eq!(
        said("webhook/cancelled.json"),
        both("completed", "completed")
    );
}
