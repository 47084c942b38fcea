//! What ECS says of a probe that never told anything: why it was not started, or why it ended.

use mayfly_domain::model::start_failure::Cause;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_ecs::LaunchFailure;
use mayfly_ecs::probe::Wrong;

use super::kind::{Kind, capacity};
use super::result::LIMIT;
use crate::commands::doctor::finding::{Area, Finding};

/// What to do if the caller lacks permission.
pub(crate) const MAY_NOT: &str = "running it needs the policy DoctorPolicyArn (the stack's outputs); without it: mayfly doctor --no-probe";

const WAY_OUT: &str = "with AssignPublicIp=ENABLED the subnets need a route to an internet gateway, with DISABLED one to a NAT; the security group and network ACLs must allow 443 out";

/// Where a finding about this cause belongs.
fn area(cause: Cause) -> Area {
    match cause {
        Cause::NoServiceRole | Cause::WrongRole | Cause::ExecutionRoleDenied => Area::Roles,
        _ => Area::Network,
    }
}

/// What follows from a cause that ECS tells in these words.
fn caused(kind: &Kind, cause: Cause, words: &str) -> Finding {
    let of = match area(cause) {
        Area::Roles => format!("{} (role {})", kind.whose(), kind.role_name()),
        _ => format!("{} (image {})", kind.whose(), kind.pool.image),
    };
    Finding::error(
        area(cause),
        format!("{of}: {}: {words}", cause.what()),
        cause.fix(),
    )
}

/// No task was started, for a reason of that kind (none: unknown) and in these words.
#[must_use]
pub fn not_started(kind: &Kind, failure: Option<LaunchFailure>, reason: &str) -> Finding {
    let whose = kind.whose();
    match failure {
        None | Some(LaunchFailure::Denied) => {
            let fix = match failure {
                Some(_) => MAY_NOT,
                None => "try again",
            };
            Finding::unknown(
                Area::Network,
                format!("{whose}: no probe is known to have started: {reason}"),
                fix,
            )
        }
        Some(LaunchFailure::Quota) => {
            let what = format!(
                "{whose}: no vCPU is left on {} for a probe or a runner: {reason}",
                capacity(kind)
            );
            Finding::warning(
                Area::Network,
                what,
                "ask for more in Service Quotas (L-3032A538; L-36FBB829 for Spot)",
            )
        }
        Some(LaunchFailure::Capacity) => {
            let what = format!(
                "{whose}: {} has no capacity in these subnets now: {reason}",
                capacity(kind)
            );
            Finding::warning(
                Area::Network,
                what,
                "it passes by itself; subnets in more availability zones make it rarer (SubnetIds of the stack)",
            )
        }
        Some(LaunchFailure::Configuration) => match Cause::in_words(reason) {
            Some(cause) => caused(kind, cause, reason),
            None => {
                let fix = "correct it in the stack (subnets, security group, cluster) or in the pools file (image, task_role)";
                Finding::error(
                    Area::Network,
                    format!("{whose}: ECS does not start such a task: {reason}"),
                    fix,
                )
            }
        },
    }
}

/// Its task ended, and nothing that it said can be read.
#[must_use]
pub fn silent(kind: &Kind, task: &Task) -> Vec<Finding> {
    let whose = kind.whose();
    let words = match (&task.end.stopped_reason, &task.end.container_reason) {
        (Some(stopped), Some(container)) if !stopped.contains(container.as_str()) => {
            format!("{stopped}; {container}")
        }
        (Some(stopped), _) => stopped.clone(),
        (None, Some(container)) => container.clone(),
        (None, None) => String::new(),
    };
    let unknown = |what: String, fix: &str| vec![Finding::unknown(Area::Network, what, fix)];
    if task.is_interrupted() {
        return unknown(
            format!("{whose}: AWS interrupted the probe: {words}"),
            "try again",
        );
    }
    if task.end.stop_code.as_deref() == Some("UserInitiated") {
        return unknown(
            format!("{whose}: someone stopped the probe: {words}"),
            "try again",
        );
    }
    if let Some(cause) = Cause::in_words(&words) {
        return vec![caused(kind, cause, &words)];
    }
    let log = "its log cannot be read: may the execution role write it (logs:PutLogEvents), and can the task reach CloudWatch Logs?";
    match (task.end.exit_code, task.end.exit_code.and_then(Wrong::of)) {
        (_, Some(wrong)) if wrong == Wrong::default() => {
            vec![Finding::warning(
                Area::Network,
                format!("{whose}: the probe found no problem, but {log}"),
                "",
            )]
        }
        (_, Some(wrong)) => by_code(&whose, wrong, log),
        (Some(126 | 127), _) => vec![Finding::error(
            Area::Network,
            format!(
                "{whose} (image {}): a program is missing in the image",
                kind.pool.image
            ),
            "the image needs what runner/Dockerfile lists",
        )],
        (Some(code), _) => {
            vec![Finding::warning(
                Area::Network,
                format!("{whose}: the probe was ended with exit code {code}: {words}"),
                "try again",
            )]
        }
        (None, _) => vec![Finding::error(
            Area::Network,
            format!("{whose}: the probe's task did not start: {words}"),
            WAY_OUT,
        )],
    }
}

/// What the exit code says where the lines are missing.
fn by_code(whose: &str, wrong: Wrong, log: &str) -> Vec<Finding> {
    [
        (
            wrong.image,
            Area::Network,
            "the image lacks something that a runner needs",
        ),
        (wrong.reach, Area::Network, "GitHub does not answer"),
        (
            wrong.credentials,
            Area::Roles,
            "the task gets no credentials of its role",
        ),
        (
            wrong.registration,
            Area::Network,
            "the endpoint for registration does not answer as it should",
        ),
    ]
    .into_iter()
    .filter(|(is, ..)| *is)
    .map(|(_, area, what)| {
        Finding::error(
            area,
            format!("{whose}: {what} (its exit code says so)"),
            log,
        )
    })
    .collect()
}

/// Its time was over before it had said all.
#[must_use]
pub fn late(kind: &Kind, task: Option<&Task>) -> Finding {
    let whose = kind.whose();
    let minutes = LIMIT.as_secs() / 60;
    let far = match task.map(|task| (task.status, &task.timeline)) {
        None => "ECS never showed its task",
        Some((TaskStatus::Starting, timeline)) if timeline.pull_stopped.is_some() => {
            "its image was pulled, but its container had not started"
        }
        Some((TaskStatus::Starting, timeline)) if timeline.pull_started.is_some() => {
            "it was still pulling its image"
        }
        Some((TaskStatus::Starting, _)) => {
            "Fargate had no place or no network interface for it yet"
        }
        Some((TaskStatus::Running, _)) => "its container ran, but had not finished",
        Some((TaskStatus::Stopping | TaskStatus::Stopped, _)) => "it was about to end",
    };
    let fix = match task.map(|task| task.status) {
        Some(TaskStatus::Starting) => {
            "a runner has ten minutes: a smaller image, or one in ECR of this region, starts sooner"
        }
        _ => {
            "try again; its output so far is in CloudWatch Logs, in the stack's log group of the runners"
        }
    };
    Finding::warning(
        Area::Network,
        format!(
            "{whose} (image {}): after {minutes} minutes {far}",
            kind.pool.image
        ),
        fix,
    )
}
