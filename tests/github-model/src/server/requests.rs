//! From HTTP to the model and back.

use super::Shared;
use crate::runner_api::patience;
use crate::wire::{Answer, Request};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a waiting poll shows that it is still there, although nothing changed.
const STILL_THERE: Duration = Duration::from_secs(1);

/// Answers everything.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let began = Instant::now();
    let request = read(&method, &uri, &headers, &body);
    let answer = ask(&shared, &request).await;
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    if shared.log {
        // No query, no headers, no body: tokens and registrations stay out of the log.
        println!(
            "{} {} {} {} {}ms",
            Timestamp::now(),
            method,
            uri.path(),
            answer.status,
            began.elapsed().as_millis()
        );
    }
    let as_lines = request.path.starts_with("/_runner")
        && request
            .headers
            .get("accept")
            .is_some_and(|accept| accept.contains("text/plain"));
    write(&answer, as_lines)
}

/// The model's answer; a poll waits for a better one than 204 as long as its caller may.
async fn ask(shared: &Shared, request: &Request) -> Answer {
    let until = patience(request).map(|patience| Instant::now() + patience);
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        let answer = once(&mut shared.model(), request);
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if answer.status == 204 && !left.is_zero() => {
                let _ = tokio::time::timeout(left.min(STILL_THERE), changed).await;
            }
            Some(_) if answer.status == 204 => return answer,
            _ => {
                shared.wake();
                return answer;
            }
        }
    }
}

fn once(model: &mut crate::model::Model, request: &Request) -> Answer {
    let now = Timestamp::now();
    match request.segments().first() {
        Some(&"_model") => model.control(request, now),
        Some(&"_runner") => model.runner_call(request, now),
        Some(&("organizations" | "settings" | "apps" | "github-apps"))
            if model.is_page(request) =>
        {
            model.web(request, now)
        }
        _ => model.rest(request, now),
    }
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Request {
    let query = Query::<BTreeMap<String, String>>::try_from_uri(uri)
        .map(|query| query.0)
        .unwrap_or_default();
    let headers = headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    Request {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query,
        headers,
        body: body.to_vec(),
    }
}

fn write(answer: &Answer, as_lines: bool) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if let Some(html) = &answer.html {
        let page = response
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .body(Body::from(html.clone()));
        return page.unwrap_or_else(|_| Response::new(Body::empty()));
    }
    let (kind, body) = match (&answer.body, as_lines) {
        (None, _) => (None, Body::empty()),
        (Some(_), true) => (
            Some("text/plain; charset=utf-8"),
            Body::from(answer.lines()),
        ),
        (Some(body), false) => (
            Some("application/json; charset=utf-8"),
            Body::from(body.to_string()),
        ),
    };
    if let Some(kind) = kind {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    response
        .body(body)
        .unwrap_or_else(|_| Response::new(Body::empty()))
}
