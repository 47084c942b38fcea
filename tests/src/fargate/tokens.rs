//! What `clientToken`s stand for (ECS developer guide, "Ensuring idempotency in Amazon ECS API requests").

use super::answer::Refusal;
use super::names::TaskId;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A token lives at most a day.
const LONGEST: Duration = Duration::from_hours(24);
/// After its task has stopped a token lives on for this long.
const AFTER_STOP: Duration = Duration::from_hours(1);

#[derive(Clone, Debug)]
struct Remembered {
    input: Value,
    output: Value,
    arns: Vec<String>,
    tasks: Vec<TaskId>,
    expires: Timestamp,
}

/// Tokens in force, each within its cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    remembered: BTreeMap<(String, String), Remembered>,
}

impl Tokens {
    /// The first answer to the same call, failures included; a conflict if the call is another.
    pub(crate) fn replay(&self, cluster: &str, token: &str, input: &Value) -> Result<Option<Value>, Refusal> {
        match self.remembered.get(&(cluster.to_owned(), token.to_owned())) {
            None => Ok(None),
            Some(known) if known.input == *input => Ok(Some(known.output.clone())),
            Some(known) => Err(Refusal::conflict(known.arns.clone())),
        }
    }

    /// Keeps the answer to a call.
    pub(crate) fn remember(&mut self, key: (String, String), call: (Value, Value), tasks: Vec<(TaskId, String)>, now: Timestamp) {
        let (input, output) = call;
        let (tasks, arns) = tasks.into_iter().unzip();
        self.remembered.insert(key, Remembered { input, output, arns, tasks, expires: now + LONGEST });
    }

    /// A task stopped: its token goes an hour later, or with its day, whichever is first.
    pub(crate) fn stopped(&mut self, task: &TaskId, now: Timestamp) {
        for known in self.remembered.values_mut().filter(|known| known.tasks.contains(task)) {
            known.expires = known.expires.min(now + AFTER_STOP);
        }
    }

    /// Drops what has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.remembered.retain(|_, known| now < known.expires);
    }
}
