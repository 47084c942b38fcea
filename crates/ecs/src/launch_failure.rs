//! Why ECS started nothing, and what its words for that mean. ECS does not promise these texts:
//! known parts are searched for in them, and an unknown text counts as transient.

use mayfly_domain::model::start_failure::FailureKind;

/// Why ECS started nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchFailure {
    /// AWS has no capacity there now. The next try goes elsewhere.
    Capacity,
    /// The account's vCPU quota is used up.
    Quota,
    /// The request names what does not exist or is not allowed: trying again changes nothing.
    Configuration,
    /// The caller is not allowed to launch it.
    Denied,
}

impl From<LaunchFailure> for FailureKind {
    fn from(failure: LaunchFailure) -> Self {
        match failure {
            LaunchFailure::Capacity => Self::Transient,
            LaunchFailure::Quota => Self::Quota,
            LaunchFailure::Configuration | LaunchFailure::Denied => Self::Configuration,
        }
    }
}

/// What ECS says of a quota that is used up, folded to lower case: of tasks and vCPUs, and of a
/// size that alone is above it. Source: ECS developer guide, "Service event messages": "You've
/// reached the limit on the number of vCPUs ...", "The requested CPU configuration is above your
/// limit" (and `MEMORY`).
const QUOTA: [&str; 2] = [
    "reached the limit on the number of",
    "configuration is above your limit",
];

/// Quotas "Fargate On-Demand vCPU resource count" and "Fargate Spot vCPU resource count". Source:
/// Service Quotas.
const VCPU_QUOTAS: [&str; 2] = ["L-3032A538", "L-36FBB829"];

/// What the message of an exception, or a reason in `failures[]`, says about quotas and capacity;
/// none if neither.
///
/// ECS reports an exhausted quota under several codes, `ThrottlingException` among them: the words
/// go before the code.
pub(crate) fn scarcity(words: &str) -> Option<LaunchFailure> {
    let folded = words.to_ascii_lowercase();
    let quota = QUOTA.iter().any(|words| folded.contains(words))
        || VCPU_QUOTAS.iter().any(|code| words.contains(code));
    let capacity = folded.contains("capacity is unavailable") || words.starts_with("RESOURCE:");
    match (quota, capacity) {
        (true, _) => Some(LaunchFailure::Quota),
        (_, true) => Some(LaunchFailure::Capacity),
        _ => None,
    }
}

/// What a reason in `failures[]` of an answer with HTTP status 200 means. Source: ECS developer
/// guide, API failure reasons.
pub(crate) fn failure(reason: &str) -> LaunchFailure {
    // Something that the request names does not exist, or is no longer in use.
    const WRONG: [&str; 6] = [
        "ACCESSDENIED",
        "AGENT",
        "ATTRIBUTE",
        "INACTIVE",
        "LOCATION",
        "MISSING",
    ];
    scarcity(reason).unwrap_or_else(|| {
        if WRONG
            .iter()
            .any(|word| reason.to_ascii_uppercase().starts_with(word))
        {
            LaunchFailure::Configuration
        } else {
            LaunchFailure::Capacity
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_their_kind() {
        use LaunchFailure::{Capacity, Configuration, Quota};
        for (reason, expected) in [
            (
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                Capacity,
            ),
            ("RESOURCE:FARGATE", Capacity),
            ("RESOURCE:ENI", Capacity),
            (
                "You've reached the limit on the number of vCPUs you can run concurrently",
                Quota,
            ),
            (
                "You\u{2019}ve reached the limit on the number of tasks you can run concurrently",
                Quota,
            ),
            ("vCPU limit exceeded (quota L-36FBB829)", Quota),
            (
                "The requested CPU configuration is above your limit.",
                Quota,
            ),
            (
                "The requested MEMORY configuration is above your limit",
                Quota,
            ),
            ("MISSING", Configuration),
            ("INACTIVE", Configuration),
            ("something that ECS says tomorrow", Capacity),
        ] {
            assert_eq!(failure(reason), expected, "{reason}");
        }
    }

    #[test]
    fn ordinary_messages_speak_of_no_scarcity() {
        for words in [
            "Rate exceeded",
            "TaskDefinition not found.",
            "subnets can not be empty.",
            "",
        ] {
            assert_eq!(scarcity(words), None, "{words}");
        }
    }
}
