//! What a call is answered with.

use serde_json::{Map, Value, json};
use std::time::Duration;

/// An AWS error: the code and the words of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The exception's name (`ClientException`, …).
    pub code: String,
    /// The message.
    pub message: String,
    /// `ConflictException` alone: the tasks that the token stands for already.
    pub resource_ids: Vec<String>,
    /// HTTP status: 400 for the caller's faults and throttling, 500 for ECS's own.
    pub status: u16,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        let status = if code == "ServerException" { 500 } else { 400 };
        Self {
            code: code.to_owned(),
            message: message.into(),
            resource_ids: Vec::new(),
            status,
        }
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn cluster_not_found() -> Self {
        Self::new("ClusterNotFoundException", "Cluster not found.")
    }

    /// More calls than the account may make.
    #[must_use]
    pub fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    /// ECS itself fails.
    #[must_use]
    pub fn server() -> Self {
        Self::new(
            "ServerException",
            "Service Unavailable. Please try again later.",
        )
    }

    pub(crate) fn conflict(resource_ids: Vec<String>) -> Self {
        let message = "The clientToken was used before with different parameters.";
        Self {
            resource_ids,
            ..Self::new("ConflictException", message)
        }
    }

    /// The body in the AWS JSON protocol.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("__type".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        if !self.resource_ids.is_empty() {
            body.insert("resourceIds".to_owned(), json!(self.resource_ids));
        }
        Value::Object(body)
    }
}

/// How an answer reaches the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    Prompt,
    /// After this long.
    Late(Duration),
    /// Never: the connection is closed without an answer, whatever was done before.
    Never,
}

/// The result of a call, and how it gets to the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The output document or the exception.
    pub result: Result<Value, Refusal>,
    /// Whether and when the caller hears of it.
    pub delivery: Delivery,
}
