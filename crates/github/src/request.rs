//! A request to GitHub: what is asked, and where it was lost if no answer came.

use std::fmt;

use http::Method;
use serde_json::Value;

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

    /// This request as the log has it.
    pub(crate) fn call(&self, status: Option<u16>, request_id: Option<String>) -> Box<Call> {
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
