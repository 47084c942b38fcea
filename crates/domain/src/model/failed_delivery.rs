//! A delivery of GitHub's that failed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::id::{DeliveryId, InvalidName, RepositoryId};
use crate::model::job::JobAction;
use crate::model::time::Timestamp;

/// What all attempts at one event share (`X-GitHub-Delivery`). GitHub's are UUIDs; anything else
/// that may be a part of a key is taken, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryGuid(String);

impl DeliveryGuid {
    /// Most characters that one may have; a UUID has 36.
    pub const MAX_LENGTH: usize = 64;

    /// The GUID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeliveryGuid {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| {
            Err(InvalidName {
                what: "delivery GUID",
                value: value.chars().take(40).collect(),
                problem,
            })
        };
        if value.is_empty() || value.len() > Self::MAX_LENGTH {
            return refuse("must have 1 to 64 characters");
        }
        if !value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return refuse("may contain only letters, digits and '-'");
        }
        Ok(Self(value.to_owned()))
    }
}

impl TryFrom<String> for DeliveryGuid {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl From<DeliveryGuid> for String {
    fn from(guid: DeliveryGuid) -> Self {
        guid.0
    }
}

impl fmt::Display for DeliveryGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event about a job that GitHub could not deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// The event's.
    pub guid: DeliveryGuid,
    /// The first attempt: what is asked for again.
    pub delivery: DeliveryId,
    /// When that was made, by GitHub's clock.
    pub first_at: Timestamp,
    /// What happened to the job.
    pub action: JobAction,
    /// The job's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryId>,
    /// Webhook refused it for what it holds, and likely does so again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl Redelivery {
    /// True if this answer of webhook's is about what the delivery holds (unreadable, too large, of
    /// another form), not about who sent it or about something that passes.
    #[must_use]
    pub fn is_refusal(status: u16) -> bool {
        matches!(status, 400 | 413 | 415)
    }
}
