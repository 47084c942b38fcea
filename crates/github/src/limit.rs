//! GitHub's rate limits, told apart from its refusals: both may come as 403.
//!
//! Source: docs.github.com, "Rate limits for the REST API", exceeding the rate limit.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mayfly_domain::model::time::Timestamp;

/// How long to wait when GitHub does not say: at least a minute, says its documentation of
/// secondary limits.
const UNSAID: Duration = Duration::from_secs(60);

/// The longest wait that is believed: the longest window that GitHub has is an hour. A longer one
/// would let a broken proxy stop an installation.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The shortest: clocks differ.
const SHORTEST: Duration = Duration::from_secs(1);

/// Until when an answer says to wait; `None` if it is not about a rate limit.
pub(crate) fn limited_until(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let said = |wait: Duration| Some(now.plus(wait.clamp(SHORTEST, LONGEST)));
    if let Some(after) = headers.get("retry-after") {
        return said(number(after).map_or(UNSAID, Duration::from_secs));
    }
    if remaining(headers) == Some(0) {
        let reset = headers
            .get("x-ratelimit-reset")
            .and_then(number)
            .and_then(|seconds| i64::try_from(seconds).ok());
        return said(reset.map_or(UNSAID, |seconds| {
            Timestamp::from_millis(seconds.saturating_mul(1000)).since(now)
        }));
    }
    (status == StatusCode::TOO_MANY_REQUESTS || speaks_of_limits(message)).then(|| now.plus(UNSAID))
}

/// How many calls are left until the limit starts over, as an answer says.
pub(crate) fn remaining(headers: &HeaderMap) -> Option<u64> {
    headers.get("x-ratelimit-remaining").and_then(number)
}

/// Secondary limits may come without any header that says so. "Abuse detection" is what Enterprise
/// Server still calls them.
fn speaks_of_limits(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["rate limit", "abuse detection"]
        .iter()
        .any(|words| message.contains(words))
}

fn number(value: &http::HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    /// Seconds to wait, if it is a limit at all.
    fn wait(status: u16, headers: &[(&'static str, &'static str)], message: &str) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        limited_until(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            message,
            NOW,
        )
        .map(|until| until.since(NOW).as_secs())
    }

    #[test]
    fn limits_and_refusals_are_told_apart() {
        let used_up = ("x-ratelimit-remaining", "0");
        for (status, headers, message, expected) in [
            (403, &[][..], "Resource not accessible by integration", None),
            (
                403,
                &[
                    ("x-ratelimit-remaining", "4999"),
                    ("x-ratelimit-reset", "1003600"),
                ],
                "Forbidden",
                None,
            ),
            (
                404,
                &[used_up, ("x-ratelimit-reset", "1000600")],
                "Not Found",
                None,
            ),
            (422, &[("retry-after", "5")], "Validation Failed", None),
            (403, &[("retry-after", "17")], "", Some(17)),
            (
                429,
                &[
                    ("retry-after", "17"),
                    used_up,
                    ("x-ratelimit-reset", "1000600"),
                ],
                "",
                Some(17),
            ),
            (429, &[("retry-after", "0")], "", Some(1)),
            (429, &[("retry-after", "tomorrow")], "", Some(60)),
            (429, &[("retry-after", "999999999")], "", Some(3600)),
            (
                403,
                &[used_up, ("x-ratelimit-reset", "1000600")],
                "API rate limit exceeded for installation ID 1.",
                Some(600),
            ),
            (
                429,
                &[used_up, ("x-ratelimit-reset", "1000600")],
                "",
                Some(600),
            ),
            (
                403,
                &[used_up, ("x-ratelimit-reset", "999999")],
                "",
                Some(1),
            ),
            (
                403,
                &[used_up, ("x-ratelimit-reset", "99999999999")],
                "",
                Some(3600),
            ),
            (403, &[used_up], "", Some(60)),
            (
                403,
                &[],
                "You have exceeded a secondary rate limit. Please wait a few minutes.",
                Some(60),
            ),
            (
                403,
                &[],
                "You have triggered an abuse detection mechanism.",
                Some(60),
            ),
            (429, &[], "", Some(60)),
        ] {
            assert_eq!(
                wait(status, headers, message),
                expected,
                "{status} {headers:?} {message}"
            );
        }
    }
}
