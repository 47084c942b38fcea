//! A request as API Gateway's HTTP API hands it to a function: payload format 2.0.

use super::{ACCOUNT, REGION};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The API's id.
const API: &str = "a1b2c3d4e5";

/// What arrives at the API.
pub(super) struct Arrival<'a> {
    /// `/webhook`, …
    pub(super) path: &'a str,
    /// Names in lower case, as API Gateway writes them.
    pub(super) headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub(super) body: Vec<u8>,
    /// Where it came from.
    pub(super) source: &'a str,
    /// Who signed it, where the route wants a signature.
    pub(super) signed_by: Option<Value>,
}

/// The event. Bodies that are not JSON arrive as base64: the signature is over the bytes behind it.
pub(super) fn event(arrival: Arrival<'_>) -> Value {
    let host = format!("{API}.execute-api.{REGION}.amazonaws.com");
    let mut headers = arrival.headers;
    let agent = headers.get("user-agent").cloned().unwrap_or_default();
    headers.insert("content-length".to_owned(), arrival.body.len().to_string());
    headers.insert("host".to_owned(), host.clone());
    headers.insert(
        "x-amzn-trace-id".to_owned(),
        "Root=1-6921c3b0-0123456789abcdef01234567".to_owned(),
    );
    headers.insert("x-forwarded-for".to_owned(), arrival.source.to_owned());
    headers.insert("x-forwarded-port".to_owned(), "443".to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    let is_text = headers
        .get("content-type")
        .is_some_and(|kind| kind.contains("json"));
    let body = match String::from_utf8(arrival.body) {
        Ok(text) if is_text => text,
        Ok(text) => STANDARD.encode(text),
        Err(error) => STANDARD.encode(error.into_bytes()),
    };
    let route = format!("POST {}", arrival.path);
    let mut context = Map::new();
    context.insert("accountId".to_owned(), json!(ACCOUNT));
    context.insert("apiId".to_owned(), json!(API));
    if let Some(iam) = arrival.signed_by {
        context.insert("authorizer".to_owned(), json!({ "iam": iam }));
    }
    context.insert("domainName".to_owned(), json!(host));
    context.insert("domainPrefix".to_owned(), json!(API));
    context.insert(
        "http".to_owned(),
        json!({ "method": "POST", "path": arrival.path, "protocol": "HTTP/1.1", "sourceIp": arrival.source, "userAgent": agent }),
    );
    context.insert("requestId".to_owned(), json!("VXq1ahTEoAMEJiw="));
    context.insert("routeKey".to_owned(), json!(route));
    context.insert("stage".to_owned(), json!("$default"));
    context.insert("time".to_owned(), json!("22/Nov/2026:14:00:00 +0000"));
    context.insert("timeEpoch".to_owned(), json!(1_795_356_000_000_i64));
    json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": arrival.path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": !is_text,
    })
}
