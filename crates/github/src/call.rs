//! One call to GitHub: sent, bounded in time and size, and accounted for.

use std::fmt;
use std::time::Duration;

use http::header::{HeaderMap, LOCATION};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;

/// GitHub ends a request that takes it longer than 10 seconds (docs.github.com, "Troubleshooting
/// the REST API", timeouts). Two more for the way, so that its answer is hardly ever given up on
/// while it may still come.
const LONGEST: Duration = Duration::from_secs(12);

/// With less time than this left nothing is sent: the answer would hardly come in time, and for a
/// registration that is the worst outcome.
const LEAST: Duration = Duration::from_secs(1);

/// The largest answer that is read: a page of 100 runners with 100 labels each stays below.
const LARGEST: usize = 4 << 20;

/// The longest message of GitHub's that is kept, in characters: it ends up in the ledger and in
/// logs.
const LONGEST_MESSAGE: usize = 300;

/// What was asked of GitHub and how that went, for the log: with the request id GitHub's support
/// finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is called in logs and counts: `generate-jitconfig`.
    pub name: &'static str,
    /// HTTP method.
    pub method: String,
    /// Path and query, as in GitHub's documentation.
    pub path: String,
    /// HTTP status; none if no answer came.
    pub status: Option<u16>,
    /// `x-github-request-id`.
    pub request_id: Option<String>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, " answered {status}")?,
            None => write!(f, " got no answer")?,
        }
        self.request_id
            .iter()
            .try_for_each(|id| write!(f, " (request {id})"))
    }
}

/// A request to be made.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

impl Request {
    pub(crate) fn get(name: &'static str, path: String) -> Self {
        Self {
            name,
            method: Method::GET,
            path,
            body: None,
        }
    }

    pub(crate) fn post(name: &'static str, path: String, body: Value) -> Self {
        Self {
            name,
            method: Method::POST,
            path,
            body: Some(body),
        }
    }

    /// A POST that says all in its path.
    pub(crate) fn post_empty(name: &'static str, path: String) -> Self {
        Self {
            name,
            method: Method::POST,
            path,
            body: None,
        }
    }

    pub(crate) fn delete(name: &'static str, path: String) -> Self {
        Self {
            name,
            method: Method::DELETE,
            path,
            body: None,
        }
    }

    fn call(&self, status: Option<u16>, request_id: Option<String>) -> Box<Call> {
        let (method, path) = (self.method.to_string(), self.path.clone());
        Box::new(Call {
            name: self.name,
            method,
            path,
            status,
            request_id,
        })
    }

    /// This request without an answer.
    pub(crate) fn no_response(&self, sent: Sent, message: impl Into<String>) -> NoResponse {
        NoResponse {
            sent,
            message: bounded(&message.into()),
            call: self.call(None, None),
        }
    }
}

/// Where a request without an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It never left.
    No,
    /// It never left, because the App's key cannot sign.
    KeyUnusable,
    /// GitHub may have got it, and carried it out.
    Maybe,
}

/// No answer.
#[derive(Debug)]
pub(crate) struct NoResponse {
    pub(crate) sent: Sent,
    pub(crate) message: String,
    pub(crate) call: Box<Call>,
}

/// An answer, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) call: Box<Call>,
    body: Vec<u8>,
}

impl Reply {
    /// The body as the JSON that it should be.
    ///
    /// # Errors
    /// What is wrong with it. Never the body: it may hold secrets.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let place = |error: serde_json::Error| {
            format!(
                "the answer is not as documented: {:?} error at column {}",
                error.classify(),
                error.column()
            )
        };
        serde_json::from_slice(&self.body).map_err(place)
    }

    /// Those of `items` that are as documented. One that is not is left out, and told of: it must
    /// not cost the others.
    pub(crate) fn each<T: DeserializeOwned>(&self, items: Vec<Value>) -> Vec<T> {
        let read = |item: Value| match serde_json::from_value(item) {
            Ok(item) => Some(item),
            Err(error) => {
                let kind = error.classify();
                tracing::warn!(
                    github.call = self.call.name,
                    "GitHub lists something that is not as documented, it is left out: {kind:?} error"
                );
                None
            }
        };
        items.into_iter().filter_map(read).collect()
    }

    /// GitHub's `message`, with the details of a validation, bounded.
    pub(crate) fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(message) = body.get("message").and_then(Value::as_str) else {
            return self
                .status
                .canonical_reason()
                .unwrap_or("no message")
                .to_owned();
        };
        let details: Vec<&str> = body
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(detail)
            .collect();
        if details.is_empty() {
            bounded(message)
        } else {
            bounded(&format!("{message}: {}", details.join("; ")))
        }
    }
}

/// `errors` of a 422: texts, or objects with a `message`.
fn detail(error: &Value) -> Option<&str> {
    error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str))
}

/// One line of at most [`LONGEST_MESSAGE`] characters.
pub(crate) fn bounded(text: &str) -> String {
    let mut line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect();
    if text.trim().chars().nth(LONGEST_MESSAGE).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// Makes a request and reads its answer, until `by` at the latest. Follows one redirect within the
/// same GitHub: that is how a renamed repository answers.
pub(crate) async fn perform(
    client: &Client,
    request: &Request,
    by: Instant,
) -> Result<Reply, NoResponse> {
    let reply = once(client, request, &request.path, by).await?;
    match moved_to(&reply) {
        Some(path) => once(client, request, client.api_path(&path), by).await,
        None => Ok(reply),
    }
}

/// The path that a redirect points to. Only the path: the token must not follow to another host,
/// and every request is made relative to our own GitHub.
fn moved_to(reply: &Reply) -> Option<String> {
    let kept = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !kept.contains(&reply.status) {
        return None;
    }
    let location: Uri = reply.headers.get(LOCATION)?.to_str().ok()?.parse().ok()?;
    location.path_and_query().map(ToString::to_string)
}

async fn once(
    client: &Client,
    request: &Request,
    path: &str,
    by: Instant,
) -> Result<Reply, NoResponse> {
    let begun = Instant::now();
    if by < begun + LEAST {
        return Err(request.no_response(Sent::No, "no time was left for it"));
    }
    let until = by.min(begun + LONGEST);
    let result = match timeout_at(until, Box::pin(exchange(client, request, path))).await {
        Ok(result) => result,
        Err(_elapsed) => Err(request.no_response(
            Sent::Maybe,
            format!("no answer within {:.1} s", (until - begun).as_secs_f32()),
        )),
    };
    let status = result.as_ref().map_or(0, |reply| reply.status.as_u16());
    let duration = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        github.call = request.name,
        github.status = status,
        duration_ms = duration,
        "asked GitHub"
    );
    result
}

async fn exchange(client: &Client, request: &Request, path: &str) -> Result<Reply, NoResponse> {
    let (parts, body) = client.send(request, path).await?.into_parts();
    let body = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(|error| request.no_response(Sent::Maybe, in_full(&*error)))?;
    let request_id = parts
        .headers
        .get("x-github-request-id")
        .and_then(|id| id.to_str().ok())
        .map(bounded);
    let call = request.call(Some(parts.status.as_u16()), request_id);
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        call,
        body: body.to_bytes().to_vec(),
    })
}

/// An error with its causes: "client error (Connect)" alone says nothing.
pub(crate) fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        let request = Request::get("test", "/x".to_owned());
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            call: request.call(Some(status), Some("A:1".to_owned())),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn message_is_githubs_own_on_one_short_line() {
        for (body, message) in [
            (r#"{"message": "Not Found"}"#, "Not Found"),
            (
                r#"{"message": "Validation Failed", "errors": ["too many labels", {"message": "bad group"}, 7]}"#,
                "Validation Failed: too many labels; bad group",
            ),
            (r#"{"message": "two\nlines"}"#, "two lines"),
            ("<html>Unicorn!</html>", "Not Found"),
            ("", "Not Found"),
        ] {
            assert_eq!(reply(404, body).message(), message);
        }
        let long = reply(422, &format!(r#"{{"message": "{}"}}"#, "ä".repeat(500))).message();
        assert_eq!(
            (long.chars().count(), long.chars().last()),
            (300, Some('…'))
        );
    }

    #[test]
    fn an_unreadable_answer_is_not_quoted() {
        let error = reply(201, r#"{"token": "ghs_secret", "expires_at": "#)
            .read::<Vec<u8>>()
            .unwrap_err();
        assert!(!error.contains("ghs"), "{error}");
    }

    #[test]
    fn a_redirect_is_followed_by_its_path_alone() {
        let mut moved = reply(301, "");
        moved.headers.insert(
            LOCATION,
            "https://evil.example/repositories/7/actions/runners?page=2"
                .parse()
                .unwrap(),
        );
        assert_eq!(
            moved_to(&moved),
            Some("/repositories/7/actions/runners?page=2".to_owned())
        );
        moved.status = StatusCode::OK;
        assert_eq!(moved_to(&moved), None);
    }
}
