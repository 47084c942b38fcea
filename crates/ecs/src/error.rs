//! What can go wrong with a call to ECS, by what its caller can do about it.

use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::RequestId;

/// A call to ECS that did not do what it was made for.
#[derive(Debug, thiserror::Error)]
pub enum EcsError {
    /// It may or may not have been carried out, or ECS asks to retry: worth another try later.
    #[error(transparent)]
    Transient(FailedCall),
    /// ECS said no; another try will be told the same.
    #[error(transparent)]
    Refused(FailedCall),
    /// ECS answered something that its description does not allow.
    #[error("{operation} answered {what}")]
    Unexpected {
        /// The operation.
        operation: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
}

/// A failed call, with what AWS Support asks for.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {} (request {})", self.in_words(), self.request_id.as_deref().unwrap_or("without id"))]
pub struct FailedCall {
    /// The operation.
    pub operation: &'static str,
    /// ECS's code for the error.
    pub code: Option<String>,
    /// ECS's words; without an answer the connector's.
    pub message: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// What the answer leaves open.
    pub verdict: Verdict,
    /// The SDK's error.
    #[source]
    pub source: BoxError,
}

/// What a failed call leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was done, and nothing will be.
    Refused,
    /// Too many calls; nothing was done this time.
    Throttled,
    /// The call did not get through, or ECS had a fault: it may have been carried out.
    Broken,
    /// No answer within the time limit: it may have been carried out.
    Late,
}

/// Codes that ask to come back later. Source: the AWS SDKs' common list for throttling.
const THROTTLED: [&str; 7] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// What ECS passes on of a service that it asks itself and that throttled it, under a code that is
/// none of [`THROTTLED`]:
/// `InvalidParameterException: Error retrieving subnet information for [subnet-...]: Rate exceeded (ErrorCode: Throttling)`.
/// A burst of launches causes it. Source: users' reports
/// (<https://github.com/dask/dask-cloudprovider/issues/56>); EC2's own code for it is
/// `RequestLimitExceeded`.
const THROTTLED_BEHIND: [&str; 3] = [
    "rate exceeded",
    "errorcode: throttling",
    "requestlimitexceeded",
];

/// Refusals that say nothing about the request: the next one is signed again.
const STALE: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

impl EcsError {
    /// True if the caller is not allowed to do it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused(call) if call.is_denied())
    }
}

impl FailedCall {
    /// True if the caller is not allowed to do it. Source: ECS API reference, "Common Errors".
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.code.as_deref() == Some("AccessDeniedException")
    }

    /// Reads the SDK's error.
    pub(crate) fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let message = error
            .message()
            .map_or_else(|| DisplayErrorContext(&error).to_string(), str::to_owned);
        let verdict = match &error {
            SdkError::ConstructionFailure(_) => Verdict::Refused,
            SdkError::TimeoutError(_) => Verdict::Late,
            SdkError::ServiceError(_) => {
                verdict(code.as_deref().unwrap_or_default(), &message, status)
            }
            _ => Verdict::Broken,
        };
        Self {
            operation,
            code,
            message,
            status,
            request_id: error.request_id().map(str::to_owned),
            verdict,
            source: error.into(),
        }
    }

    /// Code and message.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// True if ECS answered with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl From<FailedCall> for EcsError {
    fn from(call: FailedCall) -> Self {
        match call.verdict {
            Verdict::Refused => Self::Refused(call),
            Verdict::Throttled | Verdict::Broken | Verdict::Late => Self::Transient(call),
        }
    }
}

fn verdict(code: &str, message: &str, status: Option<u16>) -> Verdict {
    if THROTTLED.contains(&code) {
        return Verdict::Throttled;
    }
    let folded = message.to_ascii_lowercase();
    match status {
        Some(429) => Verdict::Throttled,
        Some(408) => Verdict::Late,
        Some(400..=499) if THROTTLED_BEHIND.iter().any(|words| folded.contains(words)) => {
            Verdict::Throttled
        }
        Some(400..=499) if !STALE.contains(&code) => Verdict::Refused,
        _ => Verdict::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_no_is_a_refusal() {
        for (code, status, expected) in [
            ("AccessDeniedException", Some(400), Verdict::Refused),
            ("InvalidParameterException", Some(400), Verdict::Refused),
            ("ThrottlingException", Some(400), Verdict::Throttled),
            ("", Some(429), Verdict::Throttled),
            ("", Some(408), Verdict::Late),
            ("ServerException", Some(500), Verdict::Broken),
            ("", Some(503), Verdict::Broken),
            ("ExpiredTokenException", Some(400), Verdict::Broken),
            ("", None, Verdict::Broken),
        ] {
            assert_eq!(verdict(code, "no", status), expected, "{code} {status:?}");
        }
    }

    #[test]
    fn a_service_that_ecs_asks_and_that_throttled_it_is_known_by_the_words() {
        let subnets = "Error retrieving subnet information for [subnet-0a1b2c3d]: Rate exceeded (ErrorCode: Throttling)";
        let interfaces = "Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)";
        for message in [subnets, interfaces] {
            assert_eq!(
                verdict("InvalidParameterException", message, Some(400)),
                Verdict::Throttled,
                "{message}"
            );
        }
        // A fault of ECS may have started something, whatever it says.
        assert_eq!(
            verdict("ServerException", "Rate exceeded", Some(500)),
            Verdict::Broken
        );
        let gone = "Error retrieving subnet information for [subnet-0a1b2c3d]: The subnet ID does not exist (ErrorCode: InvalidSubnetID.NotFound)";
        assert_eq!(
            verdict("InvalidParameterException", gone, Some(400)),
            Verdict::Refused
        );
    }
}
