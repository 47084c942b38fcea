//! The message and the port it leaves by.

use async_trait::async_trait;
use mayfly_domain::model::id::PoolName;
use serde::{Deserialize, Serialize};

/// The body of a wake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// The pool to look at.
    pub pool: PoolName,
}

/// A message that is not a wake. It can never become one: who finds it drops it, with a line in the
/// log.
#[derive(Debug, thiserror::Error)]
#[error("message {body:?} is not a wake")]
pub struct InvalidWake {
    /// The body as it came, cut to a readable length.
    pub body: String,
    /// Why it is not one.
    #[source]
    pub source: serde_json::Error,
}

impl Wake {
    /// Reads the body of a message.
    ///
    /// # Errors
    ///
    /// [`InvalidWake`] if the text is not `{"pool": "<a pool's name>"}`.
    pub fn parse(body: &str) -> Result<Self, InvalidWake> {
        serde_json::from_str(body).map_err(|source| InvalidWake {
            body: body.chars().take(200).collect(),
            source,
        })
    }

    /// The body of the message.
    ///
    /// The name of a pool needs no escapes: it has only `a-z`, `0-9` and `-`.
    #[must_use]
    pub fn to_body(&self) -> String {
        format!(r#"{{"pool":"{}"}}"#, self.pool)
    }
}

/// A wake that may not have reached the queue. Nothing is lost: the tick wakes every pool once a
/// minute.
#[derive(Debug, thiserror::Error)]
#[error("wake pool {pool}: {reason}")]
pub struct NotSent {
    /// The pool.
    pub pool: PoolName,
    /// What SQS said, with its request id where there is one.
    pub reason: String,
}

/// Where wakes are sent.
#[async_trait]
pub trait Wakes: Send + Sync {
    /// Wakes a pool.
    ///
    /// # Errors
    ///
    /// [`NotSent`]: count it and go on, what was recorded stands.
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_read_back_and_is_what_serde_writes() {
        let wake = Wake {
            pool: "linux-arm64".parse().unwrap(),
        };
        assert_eq!(wake.to_body(), serde_json::to_string(&wake).unwrap());
        assert_eq!(Wake::parse(&wake.to_body()).unwrap(), wake);
    }

    #[test]
    fn anything_else_is_not_a_wake() {
        for body in [
            "",
            "{}",
            "null",
            r#"{"pool":""}"#,
            r#"{"pool":"Linux"}"#,
            r#"{"pool":"linux","jobs":3}"#,
        ] {
            assert!(Wake::parse(body).is_err(), "{body}");
        }
    }
}
