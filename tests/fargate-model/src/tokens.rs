//! What `clientToken`s stand for (ECS developer guide, "Ensuring idempotency in Amazon ECS API
//! requests").

use super::answer::Refusal;
use super::names::TaskId;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    expires: Timestamp,
}

/// Tokens in force, each within its cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    remembered: BTreeMap<(String, String), Remembered>,
    /// By task.
    of_task: BTreeMap<TaskId, (String, String)>,
    /// When to look whether one has expired.
    ends: BTreeSet<(Timestamp, (String, String))>,
}

impl Tokens {
    /// The first answer to the same call, failures included; a conflict if the call is another.
    pub(crate) fn replay(
        &self,
        cluster: &str,
        token: &str,
        input: &Value,
    ) -> Result<Option<Value>, Refusal> {
        match self.remembered.get(&(cluster.to_owned(), token.to_owned())) {
            None => Ok(None),
            Some(known) if known.input == *input => Ok(Some(known.output.clone())),
            Some(known) => Err(Refusal::conflict(known.arns.clone())),
        }
    }

    /// Keeps the answer to a call.
    pub(crate) fn remember(
        &mut self,
        key: (String, String),
        call: (Value, Value),
        tasks: Vec<(TaskId, String)>,
        now: Timestamp,
    ) {
        let (input, output) = call;
        self.of_task
            .extend(tasks.iter().map(|(task, _)| (task.clone(), key.clone())));
        let arns = tasks.into_iter().map(|(_, arn)| arn).collect();
        let expires = now + LONGEST;
        self.ends.insert((expires, key.clone()));
        self.remembered.insert(
            key,
            Remembered {
                input,
                output,
                arns,
                expires,
            },
        );
    }

    /// A task stopped: its token goes an hour later, or with its day, whichever is first.
    pub(crate) fn stopped(&mut self, task: &TaskId, now: Timestamp) {
        let Some(key) = self.of_task.remove(task) else {
            return;
        };
        if let Some(known) = self.remembered.get_mut(&key) {
            known.expires = known.expires.min(now + AFTER_STOP);
            self.ends.insert((known.expires, key));
        }
    }

    /// Drops what has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while self.ends.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.ends.pop_first() else {
                break;
            };
            if self
                .remembered
                .get(&key)
                .is_some_and(|known| known.expires <= now)
            {
                self.remembered.remove(&key);
            }
        }
    }
}
