//! Calls and their answers, kept so that a test can hold both sides to GitHub's published OpenAPI
//! description.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many of each operation and status are kept: the first ones.
const KEPT: usize = 20;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// The operation's name in the description.
    pub operation: String,
    /// The answer's status.
    pub status: u16,
    /// The query's fields.
    pub query: BTreeMap<String, String>,
    /// The request's body, if it had one.
    pub request: Option<Value>,
    /// The answer's body, if it had one.
    pub response: Option<Value>,
}

/// The first calls of each kind.
#[derive(Debug, Clone, Default)]
pub struct Exchanges {
    kept: BTreeMap<(String, u16), Vec<Exchange>>,
}

impl Exchanges {
    /// Keeps one, unless there are enough of its kind.
    pub fn keep(&mut self, exchange: Exchange) {
        let same = self
            .kept
            .entry((exchange.operation.clone(), exchange.status))
            .or_default();
        if same.len() < KEPT {
            same.push(exchange);
        }
    }

    /// All that were kept.
    pub fn all(&self) -> impl Iterator<Item = &Exchange> {
        self.kept.values().flatten()
    }
}
