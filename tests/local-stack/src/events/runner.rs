//! What a task asks registrar: its registration, later its job's admission; and what it reports at its end.

use super::gateway::{Arrival, event};
use super::{ACCOUNT, RUNNER, STACK, TASK};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The files of registrar.
pub(super) fn all() -> BTreeMap<String, Value> {
    let registration = json!({ "runner": RUNNER });
    let admission = json!({
        "runner": RUNNER,
        "run_id": 19_000_000_001_i64,
        "run_attempt": 1,
        "repository": "acme/app",
        "repository_id": 710_000_001,
        "workflow_ref": "acme/app/.github/workflows/ci.yml@refs/heads/main",
        "ref": "refs/heads/main",
        "event": "push",
    });
    let stranger = json!({ "repository": "acme/other", "repository_id": 710_009_999 });
    let mut refused = admission.clone();
    refused["repository"] = stranger["repository"].clone();
    refused["repository_id"] = stranger["repository_id"].clone();
    let usage = json!({
        "runner": RUNNER,
        "memory_peak_bytes": 734_003_200,
        "cpu_milliseconds": 1_000,
        "memory_kills": 0,
    });
    BTreeMap::from([
        (
            "registrar/registration.json".to_owned(),
            request("/registration", &registration, "text/plain", TASK),
        ),
        (
            "registrar/registration-json.json".to_owned(),
            request("/registration", &registration, "application/json", TASK),
        ),
        // Signed by another task of the same role.
        (
            "registrar/registration-stranger.json".to_owned(),
            request(
                "/registration",
                &registration,
                "text/plain",
                "00000000000000000000000000000bad",
            ),
        ),
        (
            "registrar/admission.json".to_owned(),
            request("/admission", &admission, "application/json", TASK),
        ),
        (
            "registrar/admission-other-repository.json".to_owned(),
            request("/admission", &refused, "application/json", TASK),
        ),
        (
            "registrar/usage.json".to_owned(),
            request("/usage", &usage, "application/json", TASK),
        ),
    ])
}

/// A request that this task's role signed. The session's name is the task's id: ECS chooses it, not
/// the task.
fn request(path: &str, body: &Value, accept: &str, task: &str) -> Value {
    let headers = [
        ("accept", accept.to_owned()),
        ("authorization", "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLEEXAMPLE01/20261122/us-east-1/execute-api/aws4_request".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("user-agent", "curl/8.5.0".to_owned()),
        ("x-amz-date", "20261122T140000Z".to_owned()),
    ];
    let user = format!("AROAEXAMPLERUNNERROLE:{task}");
    event(Arrival {
        path,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body: body.to_string().into_bytes(),
        source: "203.0.113.7",
        signed_by: Some(json!({
            "accessKey": "ASIAEXAMPLEEXAMPLE01",
            "accountId": ACCOUNT,
            "callerId": user,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{STACK}-runner/{task}"),
            "userId": user,
        })),
    })
}
