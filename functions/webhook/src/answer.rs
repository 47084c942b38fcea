//! What is said to anyone who sent the delivery. GitHub keeps it for the user to read.

use serde::Serialize;

/// What became of the delivery, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The ledger has it.
    Recorded,
    /// The ledger has it: no pool takes the job.
    Unplaced,
    /// It is not for us.
    Ignored,
    /// It is not what a delivery should be. Sent again, it would be refused again.
    Refused,
    /// Something of ours failed. Sent again, it may work.
    Failed,
}

impl Outcome {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Unplaced => "unplaced",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// An answer: status, outcome, reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status. GitHub takes 2xx for success and anything else for failure, which it lists to
    /// be delivered again on demand.
    pub status: u16,
    /// What became of the delivery.
    pub outcome: Outcome,
    /// Why, in words for the user. Never holds anything of an unsigned request, nor anything
    /// secret.
    pub reason: String,
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: Outcome,
    reason: &'a str,
}

#[derive(Serialize)]
struct Headers {
    #[serde(rename = "content-type")]
    content_type: &'static str,
}

/// API Gateway's payload format 2.0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    status_code: u16,
    headers: Headers,
    body: String,
    is_base64_encoded: bool,
}

impl Answer {
    /// An answer.
    #[must_use]
    pub fn new(status: u16, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            status,
            outcome,
            reason: reason.into(),
        }
    }

    /// 200: not for us.
    pub(crate) fn ignored(reason: impl Into<String>) -> Self {
        Self::new(200, Outcome::Ignored, reason)
    }

    /// 400: a header, the form or the JSON is not what GitHub sends.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::new(400, Outcome::Refused, reason)
    }

    /// 401: not signed, or not with the webhook's secret.
    pub(crate) fn unsigned(reason: impl Into<String>) -> Self {
        Self::new(401, Outcome::Refused, reason)
    }

    /// 413: larger than a delivery may be.
    pub(crate) fn too_large(reason: impl Into<String>) -> Self {
        Self::new(413, Outcome::Refused, reason)
    }

    /// 415: neither of the two content types that GitHub sends.
    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self::new(415, Outcome::Refused, reason)
    }

    /// 503: something of ours failed.
    pub(crate) fn failed(reason: &'static str) -> Self {
        Self::new(503, Outcome::Failed, reason)
    }

    /// The HTTP body: `{"outcome": "…", "reason": "…"}`.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(&Body {
            outcome: self.outcome,
            reason: &self.reason,
        })
        .unwrap_or_default()
    }
}

impl Serialize for Answer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers = Headers {
            content_type: "application/json",
        };
        Wire {
            status_code: self.status,
            headers,
            body: self.body(),
            is_base64_encoded: false,
        }
        .serialize(serializer)
    }
}
