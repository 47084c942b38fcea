//! How often each operation of the REST API was called: what one job costs.

use serde::Serialize;
use std::collections::BTreeMap;

/// Calls of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All.
    pub calls: u64,
    /// By status.
    pub answers: BTreeMap<u16, u64>,
}

/// Calls by the operation's name in GitHub's OpenAPI description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Calls(BTreeMap<String, Count>);

impl Calls {
    /// Counts one.
    pub fn count(&mut self, operation: &str, status: u16) {
        let count = self.0.entry(operation.to_owned()).or_default();
        count.calls += 1;
        *count.answers.entry(status).or_default() += 1;
    }

    /// Calls of one operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.0.get(operation).map_or(0, |count| count.calls)
    }
}
