//! ECS task state changes, as EventBridge hands them to observer.

use super::{ACCOUNT, REGION, RUNNER, STACK, TASK};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a task stands when the event is made.
struct Stand {
    version: i64,
    last: &'static str,
    desired: &'static str,
    stop: Option<(&'static str, &'static str)>,
    container: Container,
    /// Seconds after 14:00 at which its container started, if it ever did.
    started: Option<i64>,
    /// Seconds after 14:00 at which it stopped, if it did.
    stopped: Option<i64>,
    spot: bool,
}

#[derive(Default)]
struct Container {
    exit_code: Option<i64>,
    reason: Option<&'static str>,
}

/// The files of observer.
pub(super) fn all() -> BTreeMap<String, Value> {
    let exited = (
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    let spot = ("SpotInterruption", "Your Spot Task was interrupted.");
    let pull = "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref \
                ghcr.io/actions/actions-runner:latest: not found";
    let running = Stand {
        version: 4,
        last: "RUNNING",
        desired: "RUNNING",
        stop: None,
        container: Container::default(),
        started: Some(47),
        stopped: None,
        spot: false,
    };
    let ended = |stop, container| Stand {
        version: 7,
        last: "STOPPED",
        desired: "STOPPED",
        stop: Some(stop),
        container,
        started: Some(47),
        stopped: Some(130),
        spot: false,
    };
    let exit = |code| Container {
        exit_code: Some(code),
        reason: None,
    };
    let memory = "OutOfMemoryError: Container killed due to memory usage";
    let files = [
        ("running", running),
        ("stopped", ended(exited, exit(0))),
        ("stopped-refused", ended(exited, exit(137))),
        (
            "stopped-by-us",
            ended(("UserInitiated", "Task stopped by user"), exit(143)),
        ),
        (
            "stopped-memory",
            ended(
                exited,
                Container {
                    exit_code: Some(137),
                    reason: Some(memory),
                },
            ),
        ),
        (
            "stopped-pull",
            Stand {
                version: 5,
                started: None,
                stopped: Some(65),
                container: Container {
                    exit_code: None,
                    reason: Some(pull),
                },
                ..ended(("TaskFailedToStart", pull), Container::default())
            },
        ),
        // Two minutes before the end: still RUNNING.
        (
            "spot-warning",
            Stand {
                version: 5,
                last: "RUNNING",
                stopped: None,
                spot: true,
                ..ended(spot, Container::default())
            },
        ),
        (
            "stopped-spot",
            Stand {
                spot: true,
                ..ended(spot, exit(137))
            },
        ),
    ];
    files
        .into_iter()
        .map(|(name, stand)| (format!("observer/{name}.json"), event(&stand)))
        .collect()
}

fn event(stand: &Stand) -> Value {
    let task = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{STACK}/{TASK}");
    json!({
        "version": "0",
        "id": format!("9bcdac79-b31f-4d3d-9410-fbd727c2980{}", stand.version),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": at(stand.stopped.or(stand.started).unwrap_or(0)),
        "region": REGION,
        "resources": [task],
        "detail": detail(stand, &task),
    })
}

fn detail(stand: &Stand, task: &str) -> Value {
    let mut detail = json!({
        "attachments": [{
            "id": "1789bcae-ddfb-4d10-8ebe-8ac87ddba5b8",
            "type": "eni",
            "status": if stand.stopped.is_some() { "DELETED" } else { "ATTACHED" },
            "details": [
                { "name": "subnetId", "value": "subnet-0a1b2c3d4e5f60718" },
                { "name": "networkInterfaceId", "value": "eni-0a1b2c3d4e5f60718" },
                { "name": "macAddress", "value": "0a:98:eb:a7:29:ba" },
                { "name": "privateDnsName", "value": "ip-10-0-1-139.ec2.internal" },
                { "name": "privateIPv4Address", "value": "10.0.1.139" },
            ],
        }],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": "us-east-1a",
        "clusterArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{STACK}"),
        "containers": [container(stand, task)],
        "cpu": "2048",
        "memory": "8192",
        "createdAt": at(0),
        "desiredStatus": stand.desired,
        "enableExecuteCommand": false,
        "ephemeralStorage": { "sizeInGiB": 30 },
        "group": format!("family:{STACK}-x86-64"),
        "lastStatus": stand.last,
        "overrides": {
            "containerOverrides": [{
                "name": "runner",
                "environment": [{ "name": "MAYFLY_RUNNER", "value": RUNNER }],
            }],
            "cpu": "2048",
            "memory": "8192",
        },
        "platformVersion": "1.4.0",
        "pullStartedAt": at(12),
        "startedBy": RUNNER,
        "taskArn": task,
        "taskDefinitionArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{STACK}-x86-64:3"),
        "updatedAt": at(stand.stopped.or(stand.started).unwrap_or(0)),
        "version": stand.version,
    });
    let mut set = |name: &str, value: Value| detail[name] = value;
    if stand.spot {
        set("capacityProviderName", json!("FARGATE_SPOT"));
    } else {
        set("launchType", json!("FARGATE"));
    }
    if let Some(started) = stand.started {
        set("connectivity", json!("CONNECTED"));
        set("connectivityAt", json!(at(10)));
        set("pullStoppedAt", json!(at(27)));
        set("startedAt", json!(at(started)));
    }
    if let Some((code, reason)) = stand.stop {
        set("stopCode", json!(code));
        set("stoppedReason", json!(reason));
        set("stoppingAt", json!(at(stand.stopped.unwrap_or(120) - 10)));
    }
    if let Some(stopped) = stand.stopped {
        set("executionStoppedAt", json!(at(stopped - 8)));
        set("stoppedAt", json!(at(stopped)));
    }
    detail
}

/// The one container. Its exit code is absent if it never ran.
fn container(stand: &Stand, task: &str) -> Value {
    let mut container = json!({
        "containerArn": format!("{}/7a9d1b2c-4e5f-4061-8273-94a5b6c7d8e9", task.replace(":task/", ":container/")),
        "cpu": "0",
        "image": "ghcr.io/actions/actions-runner:latest",
        "lastStatus": stand.last,
        "name": "runner",
        "networkInterfaces": [{ "attachmentId": "1789bcae-ddfb-4d10-8ebe-8ac87ddba5b8", "privateIpv4Address": "10.0.1.139" }],
        "runtimeId": format!("{TASK}-0527074092"),
        "taskArn": task,
    });
    if let Some(code) = stand.container.exit_code {
        container["exitCode"] = json!(code);
    }
    if let Some(reason) = stand.container.reason {
        container["reason"] = json!(reason);
    }
    container
}

/// A time of that afternoon.
fn at(seconds: i64) -> String {
    format!("2026-11-22T14:{:02}:{:02}.512Z", seconds / 60, seconds % 60)
}
