//! A record of the product's requests that reached the stand-in, for `tests/aws/recorded.py`: the
//! same lines that `tests/aws/recorder.py` writes.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What tells which operation of which service was called, by whom and with what.
const HEADERS: [&str; 4] = [
    "authorization",
    "content-type",
    "smithy-protocol",
    "x-amz-target",
];

/// What the product calls AWS with; tests themselves do not.
const SDK: &str = "aws-sdk-rust/";

/// More than the largest request to ECS has.
const LARGEST_BODY: usize = 1 << 20;

/// The routes, with each request of the product's written to the end of `file` before it is
/// answered.
pub(super) fn recorded(routes: Router, file: &Path) -> Result<Router> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(file)
        .with_context(|| format!("open {}", file.display()))?;
    Ok(routes.layer(from_fn_with_state(Arc::new(file), record)))
}

async fn record(State(file): State<Arc<File>>, request: Request, next: Next) -> Response {
    if !text(request.headers(), "user-agent").contains(SDK) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let headers = HEADERS
        .iter()
        .filter(|name| head.headers.contains_key(**name));
    let headers: Map<String, Value> = headers
        .map(|name| ((*name).to_owned(), json!(text(&head.headers, name))))
        .collect();
    let line = json!({"path": head.uri.path(), "headers": headers, "body": STANDARD.encode(&body)});
    // In one write, at the end whatever else was written meanwhile. A record that is not there is
    // missed where it is read.
    let _ = (&*file).write_all(format!("{line}\n").as_bytes());
    next.run(Request::from_parts(head, Body::from(body))).await
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
