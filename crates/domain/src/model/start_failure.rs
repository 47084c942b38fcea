//! Why tasks do not start, as far as ECS's words tell: the one table of those words. Who counts
//! failures asks it whether another try can help, who advises a person asks it what to do.
//!
//! ECS promises none of the words. Sources: ECS developer guide, "Stopped tasks error messages" and
//! "CannotPullContainer task errors"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>),
//! and reports of people who met them. What is unknown may pass.

use serde::{Deserialize, Serialize};

use crate::model::exit_code::VERSION_REFUSED;
use crate::model::task::Task;

/// Why a task did not start, or ended before its runner asked for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// ECS has no service-linked role in this account.
    NoServiceRole,
    /// The role cannot be assumed, or is not there.
    WrongRole,
    /// The execution role lacks a permission that ECS needs to start a task.
    ExecutionRoleDenied,
    /// The log group of the task definition is not there.
    NoLogGroup,
    /// ECS cannot reach what it needs to start a task.
    Unprepared,
    /// The image is for another architecture.
    WrongArchitecture,
    /// The image does not fit the disk.
    DiskFull,
    /// The registry limits pulls.
    PullLimit,
    /// The name of the registry is not known there.
    UnknownRegistry,
    /// The registry does not answer.
    RegistryUnreachable,
    /// The registry does not give the image to ECS.
    ImageDenied,
    /// There is no such image.
    ImageNotFound,
    /// The image was not pulled, for a reason that is in no row of the table.
    NotPulled,
    /// The container cannot be started from the image.
    ImageDoesNotRun,
    /// The container ran, and lacks what the entry script needs (exit codes 22, 25, 126 and 127).
    ImageLacks,
    /// GitHub refuses the runner's version (exit code 7).
    VersionRefused,
    /// Something else than Mayfly answered the runner's request (exit code 21).
    Intercepted,
    /// AWS had no network interface in time.
    NoInterface,
    /// The container ran and ended before it had a job, and only its log can tell why.
    Ended,
    /// The runner was not heard of within the start timeout.
    NotHeardOf,
}

/// Words that tell a cause, in lower case; the first row whose words all occur counts. A row's
/// words must not occur in the name of an image ("platform" does).
const WORDS: [(Cause, &[&str]); 35] = [
    (Cause::NoServiceRole, &["service linked role"]),
    (Cause::NoServiceRole, &["service-linked role"]),
    (Cause::WrongRole, &["unable to assume"]),
    (Cause::WrongRole, &["role is not valid"]),
    (
        Cause::ExecutionRoleDenied,
        &["resourceinitializationerror", "accessdenied"],
    ),
    (
        Cause::ExecutionRoleDenied,
        &["resourceinitializationerror", "not authorized"],
    ),
    (
        Cause::NoLogGroup,
        &["resourceinitializationerror", "log group", "does not exist"],
    ),
    (
        Cause::NoLogGroup,
        &[
            "resourceinitializationerror",
            "cannot find the amazon cloudwatch log group",
        ],
    ),
    (Cause::Unprepared, &["resourceinitializationerror"]),
    (
        Cause::WrongArchitecture,
        &["cannotpull", "descriptor matching platform"],
    ),
    (
        Cause::WrongArchitecture,
        &["cannotpull", "no matching manifest"],
    ),
    (
        Cause::WrongArchitecture,
        &["cannotpull", "no match for platform"],
    ),
    (
        Cause::WrongArchitecture,
        &["cannotpull", "does not match the specified platform"],
    ),
    (Cause::WrongArchitecture, &["exec format error"]),
    (Cause::DiskFull, &["cannotpull", "no space left"]),
    // Before "denied" and "unauthorized": registries say those beside it.
    (Cause::PullLimit, &["cannotpull", "toomanyrequests"]),
    (Cause::PullLimit, &["cannotpull", "429 too many requests"]),
    (Cause::PullLimit, &["cannotpull", "pull rate limit"]),
    (Cause::UnknownRegistry, &["cannotpull", "no such host"]),
    (Cause::RegistryUnreachable, &["cannotpull", "timeout"]),
    (
        Cause::RegistryUnreachable,
        &["cannotpull", "deadline exceeded"],
    ),
    (
        Cause::RegistryUnreachable,
        &["cannotpull", "canceled while waiting for connection"],
    ),
    (
        Cause::RegistryUnreachable,
        &["cannotpull", "connection refused"],
    ),
    (Cause::ImageDenied, &["cannotpull", "denied"]),
    (Cause::ImageDenied, &["cannotpull", "forbidden"]),
    (Cause::ImageDenied, &["cannotpull", "unauthorized"]),
    (Cause::ImageNotFound, &["cannotpull", "not found"]),
    (Cause::ImageNotFound, &["cannotpull", "manifest unknown"]),
    (Cause::ImageNotFound, &["cannotpull", "does not exist"]),
    (Cause::ImageNotFound, &["cannotpull", "invalid reference"]),
    (Cause::NotPulled, &["cannotpull"]),
    (Cause::ImageDoesNotRun, &["cannotstartcontainererror"]),
    (Cause::ImageDoesNotRun, &["cannotcreatecontainererror"]),
    (Cause::NoInterface, &["network interface provisioning"]),
    (Cause::NoInterface, &["eni provisioning"]),
];

/// What the network of tasks needs.
const WAY_OUT: &str = "with AssignPublicIp=ENABLED the subnets need a route to an internet gateway, with DISABLED one to a NAT; the security group and network \
     ACLs must allow 443 out";

impl Cause {
    /// The cause that these words of ECS's tell; none if they are in no row of the table.
    #[must_use]
    pub fn in_words(words: &str) -> Option<Self> {
        let folded = words.to_lowercase();
        WORDS
            .iter()
            .find(|(_, all)| all.iter().all(|word| folded.contains(word)))
            .map(|(cause, _)| *cause)
    }

    /// Why this stopped task never asked; none if nothing tells.
    #[must_use]
    pub fn of_task(task: &Task) -> Option<Self> {
        let words = [
            task.end.stopped_reason.as_deref(),
            task.end.container_reason.as_deref(),
        ]
        .map(Option::unwrap_or_default)
        .join(" ");
        let by_code = match task.end.exit_code {
            Some(21) => Some(Self::Intercepted),
            Some(22 | 25 | 126 | 127) => Some(Self::ImageLacks),
            Some(VERSION_REFUSED) => Some(Self::VersionRefused),
            Some(_) if !task.is_interrupted() => Some(Self::Ended),
            _ => None,
        };
        Self::in_words(&words).or(by_code)
    }

    /// Whether another try can help.
    #[must_use]
    pub fn kind(self) -> FailureKind {
        match self {
            Self::NoServiceRole
            | Self::WrongRole
            | Self::ExecutionRoleDenied
            | Self::NoLogGroup
            | Self::WrongArchitecture
            | Self::DiskFull
            | Self::ImageDenied
            | Self::ImageNotFound
            | Self::ImageDoesNotRun
            | Self::ImageLacks
            | Self::VersionRefused
            | Self::Intercepted => FailureKind::Configuration,
            Self::Unprepared
            | Self::PullLimit
            | Self::UnknownRegistry
            | Self::RegistryUnreachable
            | Self::NotPulled
            | Self::NoInterface
            | Self::Ended
            | Self::NotHeardOf => FailureKind::Transient,
        }
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::NoServiceRole => "ECS has no service-linked role in this account",
            Self::WrongRole => "ECS cannot assume the role, or there is no such role",
            Self::ExecutionRoleDenied => {
                "the execution role may not do what ECS needs to start a task"
            }
            Self::NoLogGroup => "the log group of the runners does not exist",
            Self::Unprepared => {
                "ECS cannot reach what it needs to start a task (the registry's tokens, the log group)"
            }
            Self::WrongArchitecture => "the image is not built for the pool's architecture",
            Self::DiskFull => "the image does not fit the disk",
            Self::PullLimit => "the registry limits anonymous pulls",
            Self::UnknownRegistry => "the name of the image's registry cannot be resolved",
            Self::RegistryUnreachable => "the registry of the image cannot be reached",
            Self::ImageDenied => "the registry refuses the image to ECS",
            Self::ImageNotFound => "there is no such image",
            Self::NotPulled => "the image cannot be pulled",
            Self::ImageDoesNotRun => "the image's /bin/bash does not start",
            Self::ImageLacks => "the image lacks what a runner needs",
            Self::Intercepted => {
                "something between the subnet and API Gateway answers in Mayfly's place"
            }
            Self::NoInterface => "AWS had no network interface for the task in time",
            Self::VersionRefused => "GitHub refuses this runner version",
            Self::Ended => "the container ended by itself before it had a job",
            Self::NotHeardOf => "the runner was not heard of",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn fix(self) -> &'static str {
        match self {
            Self::NoServiceRole => {
                "once for each account: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
            }
            Self::WrongRole => {
                "a role of tasks must lie under the path /mayfly/<stack>/ (TaskRolePath in the stack's outputs) and trust ecs-tasks.amazonaws.com"
            }
            Self::ExecutionRoleDenied => "its policy is the template's: deploy again (make deploy)",
            Self::NoLogGroup => "it is the template's: deploy again (make deploy)",
            Self::WrongArchitecture => {
                "build it for both (docker buildx --platform), or set the pool's architecture"
            }
            Self::DiskFull => "set the pool's disk higher",
            Self::PullLimit => {
                "keep the image in ECR in this region (a pull-through cache does it by itself)"
            }
            Self::UnknownRegistry => {
                "is the registry's name right? does the VPC resolve names (enableDnsSupport)?"
            }
            Self::Unprepared | Self::RegistryUnreachable | Self::NotPulled => WAY_OUT,
            Self::ImageDenied => {
                "it must be public, or in ECR where the execution role may pull it; Mayfly takes no credentials for other registries (a pull-through cache \
                 of ECR does)"
            }
            Self::ImageNotFound => "correct the image in the pools file",
            Self::ImageDoesNotRun => {
                "the image needs bash 4.4 or newer, built for the pool's architecture (runner/Dockerfile says what else)"
            }
            Self::ImageLacks => {
                "the image needs what runner/Dockerfile lists; mayfly doctor tries it"
            }
            Self::Intercepted => {
                "is there a VPC endpoint for execute-api with private DNS? mayfly doctor tries the way"
            }
            Self::NoInterface => "are there free addresses in the subnets?",
            Self::VersionRefused => "update the image",
            Self::Ended => "see the runner's log (mayfly logs)",
            Self::NotHeardOf => {
                "see the runner's log (mayfly logs); mayfly doctor tries how far a task like it gets"
            }
        }
    }
}

/// What kind of failure a start met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// AWS has no capacity, or the start went wrong for a reason that may pass.
    Transient,
    /// The account's vCPU quota is used up.
    Quota,
    /// Something in the configuration is wrong: trying again changes nothing.
    Configuration,
}

impl FailureKind {
    /// The word that the pool's health has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Quota => "quota",
            Self::Configuration => "configuration",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ECS really says, as people quote it.
    const REAL: [(&str, Cause); 25] = [
        (
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform \
             'linux/amd64'.",
            Cause::WrongArchitecture,
        ),
        (
            "CannotPullContainerError: no matching manifest for linux/arm64 in the manifest list entries",
            Cause::WrongArchitecture,
        ),
        (
            "exec /bin/bash: exec format error",
            Cause::WrongArchitecture,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ghcr.io/acme/private-runner:1: failed to authorize: \
             failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aacme%2Fprivate-runner%3Apull: \
             401 Unauthorized",
            Cause::ImageDenied,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref registry.example.com/runner:1: unexpected status from \
             HEAD request to https://registry.example.com/v2/runner/manifests/1: 403 Forbidden",
            Cause::ImageDenied,
        ),
        (
            "CannotPullContainerError: Error response from daemon: pull access denied for acme/runner, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            Cause::ImageDenied,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: \
             service call has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/execution/1 is not authorized to \
             perform: ecr:GetAuthorizationToken on resource: *",
            Cause::ExecutionRoleDenied,
        ),
        (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: \
             ResourceNotFoundException: The specified log group does not exist. : exit status 1",
            Cause::NoLogGroup,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection \
             issue between the task and Amazon ECR. Check your task network configuration. operation error ECR: GetAuthorizationToken, exceeded maximum number \
             of attempts, 3, https response error StatusCode: 0, dial tcp 10.0.0.1:443: i/o timeout",
            Cause::Unprepared,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve ecr registry auth: ThrottlingException: Rate exceeded",
            Cause::Unprepared,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ghcr.io/acme/runner:1: ghcr.io/acme/runner:1: not \
             found",
            Cause::ImageNotFound,
        ),
        (
            "CannotPullContainerError: Error response from daemon: manifest for acme/runner:2 not found: manifest unknown",
            Cause::ImageNotFound,
        ),
        (
            "CannotPullContainerError: inspect image has been retried 1 time(s): httpReadSeeker: failed open: unexpected status code \
             https://registry-1.docker.io/v2/acme/runner/manifests/sha256:86e3: 429 Too Many Requests - Server message: toomanyrequests: You have reached your \
             pull rate limit.",
            Cause::PullLimit,
        ),
        (
            "CannotPullContainerError: toomanyrequests: Rate exceeded, access to the resource is denied",
            Cause::PullLimit,
        ),
        (
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: write /var/lib/containerd/x: no space left on device",
            Cause::DiskFull,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/acme/runner:1: failed to do request: Head \
             https://registry-1.docker.io/v2/acme/runner/manifests/1: dial tcp 44.205.64.79:443: i/o timeout",
            Cause::RegistryUnreachable,
        ),
        (
            "CannotPullContainerError: failed to do request: Head \"https://registry.corp/v2/\": dial tcp: lookup registry.corp on 10.0.0.2:53: no such host",
            Cause::UnknownRegistry,
        ),
        (
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReadSeeker: unexpected EOF",
            Cause::NotPulled,
        ),
        (
            "CannotStartContainerError: ResourceInitialization failed: no such file or directory",
            Cause::ImageDoesNotRun,
        ),
        (
            "CannotCreateContainerError: API error (500): devmapper",
            Cause::ImageDoesNotRun,
        ),
        (
            "Timeout waiting for network interface provisioning to complete.",
            Cause::NoInterface,
        ),
        (
            "InvalidParameterException: Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
            Cause::NoServiceRole,
        ),
        (
            "ClientException: ECS was unable to assume the role 'arn:aws:iam::111122223333:role/x' that was provided for this task.",
            Cause::WrongRole,
        ),
        ("ClientException: Role is not valid", Cause::WrongRole),
        (
            "CANNOTPULLCONTAINERERROR: 403 FORBIDDEN",
            Cause::ImageDenied,
        ),
    ];

    #[test]
    fn what_ecs_really_says_has_its_cause() {
        for (words, expected) in REAL {
            assert_eq!(Cause::in_words(words), Some(expected), "{words}");
        }
        for unknown in [
            "",
            "Essential container in task exited",
            "Your Spot Task was interrupted.",
            "something that ECS says tomorrow",
        ] {
            assert_eq!(Cause::in_words(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_name_of_an_image_is_no_cause() {
        let words = "CannotPullContainerError: failed to resolve ref ghcr.io/platform/linux-platform-runner:1: unexpected status 502 Bad Gateway";
        assert_eq!(Cause::in_words(words), Some(Cause::NotPulled));
    }

    /// A row that an earlier one hides, and words that are not folded, would never be met.
    #[test]
    fn every_row_can_be_met_and_by_its_own_words() {
        for (cause, words) in WORDS {
            assert_eq!(
                Cause::in_words(&words.join(" / ").to_uppercase()),
                Some(cause),
                "{words:?}"
            );
        }
    }

    #[test]
    fn the_log_is_advised_only_where_the_container_ran() {
        let all = WORDS.iter().map(|(cause, _)| *cause);
        assert!(
            all.clone()
                .all(|cause| !cause.fix().contains("mayfly logs")),
            "such a container never wrote"
        );
        assert!(Cause::Ended.fix().contains("mayfly logs"));
        assert!(
            all.chain([
                Cause::ImageLacks,
                Cause::VersionRefused,
                Cause::Intercepted,
                Cause::NotHeardOf
            ])
            .all(|cause| !cause.what().is_empty())
        );
    }
}
