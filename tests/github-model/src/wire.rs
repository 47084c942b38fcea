//! A request and its answer without a network: what the HTTP server hands to the model and gets
//! back.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where GitHub's error bodies point.
const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// A request as the model sees it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In capitals: `GET`.
    pub method: String,
    /// Percent-decoded, without the query.
    pub path: String,
    /// The query's fields; of a repeated one the last counts.
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without query, headers and body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// With a header; the name is lowered.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// The path's parts.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// A field of the query as a number, if it is one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query.get(name).and_then(|text| text.parse().ok())
    }

    /// The body as JSON; an empty one is `{}`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let body: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

/// An answer, and how long it takes.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides the content type.
    pub headers: Vec<(String, String)>,
    /// The JSON body, if there is one.
    pub body: Option<Value>,
    /// A page for people, in the place of JSON.
    pub html: Option<String>,
    /// How long the caller waits for it: the model never sleeps itself.
    pub delay: Duration,
}

impl Answer {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Some(body),
            html: None,
            delay: Duration::ZERO,
        }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            html: None,
            delay: Duration::ZERO,
        }
    }

    /// A page for people.
    #[must_use]
    pub fn page(status: u16, html: String) -> Self {
        Self {
            html: Some(html),
            ..Self::empty(status)
        }
    }

    /// An error as GitHub words it.
    #[must_use]
    pub fn message(status: u16, message: &str) -> Self {
        Self::json(
            status,
            json!({ "message": message, "documentation_url": DOCUMENTATION, "status": status.to_string() }),
        )
    }

    /// GitHub's answer to what is not there, or may not be seen.
    #[must_use]
    pub fn not_found() -> Self {
        Self::message(404, "Not Found")
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The body as `NAME=value` lines for callers without a JSON parser: names in capitals, lists
    /// joined by commas, line breaks as spaces.
    #[must_use]
    pub fn lines(&self) -> String {
        let Some(Value::Object(fields)) = &self.body else {
            return String::new();
        };
        fields
            .iter()
            .filter_map(|(name, value)| {
                Some(format!("{}={}\n", name.to_ascii_uppercase(), plain(value)?))
            })
            .collect()
    }
}

/// A value on one line; objects and nothing at all have no such form.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace(['\r', '\n'], " ")),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => Some(items.iter().filter_map(plain).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Object(_) => None,
    }
}
