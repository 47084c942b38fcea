//! What ECS says of a probe that never told anything: why it was not started, or why it ended.

use mayfly_domain::task::{Task, TaskStatus};
use mayfly_fleet::LaunchFailure;
use mayfly_fleet::probe::Wrong;

use super::finding::{Area, Finding};
use super::probe::{Kind, capacity};

/// What to do where the caller may not.
pub(crate) const MAY_NOT: &str =
    "whoever runs it needs the policy DoctorPolicyArn (the stack's outputs); without it: mayfly doctor --no-probe";

const ROLE: &str =
    "a role of tasks must lie under the path /mayfly/<stack>/ (TaskRolePath in the stack's outputs) and trust ecs-tasks.amazonaws.com";

const WAY_OUT: &str = "with AssignPublicIp=ENABLED the subnets need a route to an internet gateway, with DISABLED one to a NAT; security group and network \
     ACLs must let 443 out";

/// A cause: words of ECS's that tell it, the area, what is found in words (`{}`: of whom), what to do.
struct Cause {
    words: &'static [&'static str],
    area: Area,
    what: &'static str,
    fix: &'static str,
}

/// The first one whose words all occur counts. Source of the words: ECS developer guide, "Stopped tasks error messages" and "CannotPullContainer task
/// errors"; they are not promised, so that ECS's own are told, too.
const CAUSES: [Cause; 19] = [
    Cause {
        words: &["service linked role"],
        area: Area::Roles,
        what: "ECS has no service-linked role in this account",
        fix: "once for each account: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
    },
    Cause { words: &["unable to assume"], area: Area::Roles, what: "ECS cannot assume the role", fix: ROLE },
    Cause { words: &["role is not valid"], area: Area::Roles, what: "there is no such role", fix: ROLE },
    Cause {
        words: &["cannotpull", "platform"],
        area: Area::Network,
        what: "the image is not built for the pool's architecture",
        fix: "build it for both (docker buildx --platform), or set the pool's architecture",
    },
    Cause {
        words: &["cannotpull", "no space left"],
        area: Area::Network,
        what: "the image does not fit the disk",
        fix: "set the pool's disk higher",
    },
    Cause {
        words: &["cannotpull", "toomanyrequests"],
        area: Area::Network,
        what: "the registry limits pulls of those who do not say who they are",
        fix: "keep the image in ECR in this region (a pull-through cache does it by itself)",
    },
    Cause { words: &["cannotpull", "timeout"], area: Area::Network, what: "the registry of the image cannot be reached", fix: WAY_OUT },
    Cause {
        words: &["cannotpull", "deadline exceeded"],
        area: Area::Network,
        what: "the registry of the image cannot be reached",
        fix: WAY_OUT,
    },
    Cause {
        words: &["cannotpull", "canceled while waiting for connection"],
        area: Area::Network,
        what: "the registry of the image cannot be reached",
        fix: WAY_OUT,
    },
    Cause {
        words: &["cannotpull", "no such host"],
        area: Area::Network,
        what: "the name of the image's registry is not known there",
        fix: "is the registry's name right? does the VPC resolve names (enableDnsSupport)?",
    },
    Cause {
        words: &["cannotpull", "connection refused"],
        area: Area::Network,
        what: "the registry of the image cannot be reached",
        fix: WAY_OUT,
    },
    Cause {
        words: &["cannotpull", "denied"],
        area: Area::Network,
        what: "the registry does not give the image to ECS",
        fix: "it must be public, or in ECR of this account (what the execution role may pull)",
    },
    Cause {
        words: &["cannotpull", "forbidden"],
        area: Area::Network,
        what: "the registry does not give the image to ECS",
        fix: "it must be public, or in ECR of this account (what the execution role may pull)",
    },
    Cause {
        words: &["cannotpull", "unauthorized"],
        area: Area::Network,
        what: "the registry does not give the image to ECS",
        fix: "it must be public, or in ECR of this account (what the execution role may pull)",
    },
    Cause {
        words: &["cannotpull", "not found"],
        area: Area::Network,
        what: "there is no such image",
        fix: "correct it in the pools file: mayfly apply",
    },
    Cause { words: &["cannotpull"], area: Area::Network, what: "the image cannot be pulled", fix: WAY_OUT },
    Cause {
        words: &["resourceinitializationerror", "accessdenied"],
        area: Area::Roles,
        what: "the execution role may not do what ECS needs to start a task",
        fix: "its policy is the template's: deploy again (make deploy)",
    },
    Cause {
        words: &["resourceinitializationerror"],
        area: Area::Network,
        what: "ECS cannot reach what it needs to start a task (the registry's tokens, the log group)",
        fix: WAY_OUT,
    },
    Cause {
        words: &["cannotstartcontainererror"],
        area: Area::Network,
        what: "the image's /bin/bash does not start",
        fix: "the image needs bash 4.4 or newer, built for the pool's architecture (runner/Dockerfile says what else)",
    },
];

fn cause(words: &str) -> Option<&'static Cause> {
    let folded = words.to_ascii_lowercase();
    CAUSES.iter().find(|cause| cause.words.iter().all(|word| folded.contains(word)))
}

/// What follows from a cause that ECS tells in these words.
fn caused(kind: &Kind, cause: &Cause, words: &str) -> Finding {
    let of = match cause.area {
        Area::Roles => format!("{} (role {})", kind.whose(), kind.role_name()),
        _ => format!("{} (image {})", kind.whose(), kind.pool.image),
    };
    Finding::error(cause.area, format!("{of}: {}: {words}", cause.what), cause.fix)
}

/// No task was started, for a reason of that kind (none: who asks may not, or nobody knows) and in these words.
#[must_use]
pub fn not_started(kind: &Kind, failure: Option<LaunchFailure>, reason: &str) -> Finding {
    let whose = kind.whose();
    match failure {
        None => {
            let denied = reason.contains("AccessDenied") || reason.contains("not authorized");
            let fix = if denied { MAY_NOT } else { "try again" };
            Finding::unknown(Area::Network, format!("{whose}: no probe is known to have started: {reason}"), fix)
        }
        Some(LaunchFailure::Quota) => {
            let what = format!("{whose}: no vCPU is left on {} for a probe, nor for a runner: {reason}", capacity(kind));
            Finding::warning(Area::Network, what, "ask for more in Service Quotas (L-3032A538; L-36FBB829 for Spot)")
        }
        Some(LaunchFailure::Capacity) => {
            let what = format!("{whose}: {} has no capacity in these subnets now: {reason}", capacity(kind));
            Finding::warning(Area::Network, what, "it passes; subnets in more availability zones make it rarer (SubnetIds of the stack)")
        }
        Some(LaunchFailure::Configuration) => match cause(reason) {
            Some(cause) => caused(kind, cause, reason),
            None => {
                let fix = "what it names is the stack's (subnets, security group, cluster) or the pools file's (image, task_role): correct it there";
                Finding::error(Area::Network, format!("{whose}: ECS starts no such task: {reason}"), fix)
            }
        },
    }
}

/// Its task ended, and nothing that it said can be read.
#[must_use]
pub fn silent(kind: &Kind, task: &Task) -> Vec<Finding> {
    let whose = kind.whose();
    let words = match (&task.stopped_reason, &task.container_reason) {
        (Some(stopped), Some(container)) if !stopped.contains(container.as_str()) => format!("{stopped}; {container}"),
        (Some(stopped), _) => stopped.clone(),
        (None, Some(container)) => container.clone(),
        (None, None) => String::new(),
    };
    let unknown = |what: String, fix: &str| vec![Finding::unknown(Area::Network, what, fix)];
    match task.stop_code.as_deref() {
        Some("SpotInterruption") => return unknown(format!("{whose}: AWS took the probe's Spot capacity back"), "try again"),
        Some("UserInitiated") => return unknown(format!("{whose}: somebody stopped the probe: {words}"), "try again"),
        _ => {}
    }
    if let Some(cause) = cause(&words) {
        return vec![caused(kind, cause, &words)];
    }
    let log = "its log cannot be read: may the execution role write it (logs:PutLogEvents), and does the way out lead to CloudWatch Logs?";
    match (task.exit_code, task.exit_code.and_then(Wrong::of)) {
        (_, Some(wrong)) if wrong == Wrong::default() => {
            vec![Finding::warning(Area::Network, format!("{whose}: the probe found all well, but {log}"), "")]
        }
        (_, Some(wrong)) => by_code(&whose, wrong, log),
        (Some(126 | 127), _) => vec![Finding::error(
            Area::Network,
            format!("{whose} (image {}): a program is missing in the image", kind.pool.image),
            "the image needs what runner/Dockerfile lists",
        )],
        (Some(code), _) => {
            vec![Finding::warning(Area::Network, format!("{whose}: the probe was ended with exit code {code}: {words}"), "try again")]
        }
        (None, _) => vec![Finding::error(Area::Network, format!("{whose}: the probe's task did not start: {words}"), WAY_OUT)],
    }
}

/// What the exit code says where the lines are missing.
fn by_code(whose: &str, wrong: Wrong, log: &str) -> Vec<Finding> {
    [
        (wrong.image, Area::Network, "the image lacks something that a runner needs"),
        (wrong.reach, Area::Network, "GitHub does not answer"),
        (wrong.credentials, Area::Roles, "the task gets no credentials of its role"),
        (wrong.registration, Area::Network, "the endpoint for registration does not answer as it should"),
    ]
    .into_iter()
    .filter(|(is, ..)| *is)
    .map(|(_, area, what)| Finding::error(area, format!("{whose}: {what} (its exit code says so)"), log))
    .collect()
}

/// Its time was over before it had said all.
#[must_use]
pub fn late(kind: &Kind, task: Option<&Task>) -> Finding {
    let whose = kind.whose();
    let minutes = super::probe::LIMIT.as_secs() / 60;
    let far = match task.map(|task| (task.status, &task.timeline)) {
        None => "ECS never showed its task",
        Some((TaskStatus::Starting, timeline)) if timeline.pull_stopped.is_some() => "its image was there, its container had not started",
        Some((TaskStatus::Starting, timeline)) if timeline.pull_started.is_some() => "it still pulled its image",
        Some((TaskStatus::Starting, _)) => "Fargate had no place or no network interface for it yet",
        Some((TaskStatus::Running, _)) => "its container ran, and had not said all",
        Some((TaskStatus::Stopping | TaskStatus::Stopped, _)) => "it was about to end",
    };
    let fix = match task.map(|task| task.status) {
        Some(TaskStatus::Starting) => "a runner has ten minutes: a smaller image, or one in ECR of this region, starts sooner",
        _ => "try again; what it printed so far: CloudWatch Logs, the stack's log group of the runners",
    };
    Finding::warning(Area::Network, format!("{whose} (image {}): after {minutes} minutes {far}", kind.pool.image), fix)
}
