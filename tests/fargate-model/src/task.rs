//! One task: what stays, what changes, and how ECS shows it.

use super::life::ContainerSpec;
use super::names::{Home, TaskId};
use super::requests::ContainerDefinition;
use super::status::{DesiredStatus, LastStatus, StopCode};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The part of a task that changes. A copy of every version is kept: reads may lag behind.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Counts the changes that make an event, from 1 (API reference, `Task.version`).
    pub(crate) version: u64,
    pub(crate) last: LastStatus,
    pub(crate) desired: DesiredStatus,
    pub(crate) updated_at: Timestamp,
    pub(crate) connected_at: Option<Timestamp>,
    pub(crate) pull_started_at: Option<Timestamp>,
    pub(crate) pull_stopped_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) stopping_at: Option<Timestamp>,
    pub(crate) execution_stopped_at: Option<Timestamp>,
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) stop: Option<(StopCode, String)>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) container_reason: Option<String>,
}

impl Life {
    pub(crate) fn beginning(now: Timestamp) -> Self {
        Self {
            version: 1,
            last: LastStatus::Provisioning,
            desired: DesiredStatus::Running,
            updated_at: now,
            connected_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop: None,
            exit_code: None,
            container_reason: None,
        }
    }
}

/// Where the container is, as the machine that runs it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerState {
    /// Not started yet.
    Waiting,
    /// Started: an [`Effect::Start`](super::Effect::Start) went out.
    Up,
    /// Ended, or never to be started.
    Over,
}

/// One task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) arn: String,
    pub(crate) cluster: String,
    pub(crate) cluster_arn: String,
    pub(crate) definition_arn: String,
    pub(crate) family: String,
    pub(crate) group: String,
    pub(crate) started_by: Option<String>,
    pub(crate) cpu: u32,
    pub(crate) memory: u32,
    pub(crate) disk_gib: i64,
    pub(crate) architecture: String,
    pub(crate) spec: ContainerSpec,
    pub(crate) container: ContainerDefinition,
    pub(crate) zone: String,
    pub(crate) subnet: String,
    /// `FARGATE` or `FARGATE_SPOT`.
    pub(crate) provider: String,
    /// Started by `launchType`; else by a capacity provider strategy.
    pub(crate) by_launch_type: bool,
    pub(crate) execute_command: bool,
    pub(crate) overrides: Value,
    pub(crate) tags: Value,
    pub(crate) created_at: Timestamp,
    /// Draws that make the network interface's ids.
    pub(crate) seed: u128,
    pub(crate) stop_timeout: Duration,
    pub(crate) container_state: ContainerState,
    pub(crate) life: Life,
    pub(crate) versions: Vec<Life>,
}

/// How a time is written.
#[derive(Clone, Copy)]
pub(crate) enum Times {
    /// Seconds since 1970 with a fraction: the AWS JSON protocol.
    Epoch,
    /// ISO 8601 in milliseconds: events.
    Iso,
}

impl Times {
    fn write(self, time: Timestamp) -> Value {
        match self {
            Self::Epoch => epoch_seconds(time),
            Self::Iso => json!(iso_milliseconds(time)),
        }
    }
}

pub(crate) fn epoch_seconds(time: Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit 2^53 for ages"
    )]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}

pub(crate) fn iso_milliseconds(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&time)
}

impl Task {
    pub(crate) fn vcpus(&self) -> u32 {
        self.cpu.div_ceil(1024)
    }

    pub(crate) fn is_spot(&self) -> bool {
        self.provider == "FARGATE_SPOT"
    }

    /// The task as it was at that time; `None` if it was not there yet.
    pub(crate) fn seen_at(&self, time: Timestamp) -> Option<&Life> {
        self.versions
            .iter()
            .rev()
            .find(|life| life.updated_at <= time)
    }

    /// The `Task` document. Absent is what has not happened, as in ECS.
    pub(crate) fn view(&self, home: &Home, life: &Life, times: Times) -> Value {
        let attributes =
            json!([{ "name": "ecs.cpu-architecture", "value": self.architecture.to_lowercase() }]);
        let fixed = json!({
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition_arn,
            "group": self.group,
            "cpu": self.cpu.to_string(),
            "memory": self.memory.to_string(),
            "ephemeralStorage": { "sizeInGiB": self.disk_gib },
            "attributes": attributes,
            "attachments": [self.interface(life)],
            "availabilityZone": self.zone,
            "platformVersion": "1.4.0",
            "enableExecuteCommand": self.execute_command,
            "overrides": self.overrides,
            "containers": [self.container_view(home, life)],
            "createdAt": times.write(self.created_at),
            "desiredStatus": life.desired.name(),
            "lastStatus": life.last.name(),
            "version": life.version,
        });
        let mut view = fixed.as_object().cloned().unwrap_or_default();
        if self.by_launch_type {
            view.insert("launchType".to_owned(), json!("FARGATE"));
        } else {
            view.insert("capacityProviderName".to_owned(), json!(self.provider));
        }
        if let Some(started_by) = &self.started_by {
            view.insert("startedBy".to_owned(), json!(started_by));
        }
        if life.connected_at.is_some() {
            view.insert("connectivity".to_owned(), json!("CONNECTED"));
        }
        if let Some((code, reason)) = &life.stop {
            view.insert("stopCode".to_owned(), json!(code.name()));
            view.insert("stoppedReason".to_owned(), json!(reason));
        }
        match times {
            Times::Epoch => view.insert("healthStatus".to_owned(), json!("UNKNOWN")),
            Times::Iso => view.insert("updatedAt".to_owned(), times.write(life.updated_at)),
        };
        Self::write_times(&mut view, life, times);
        Value::Object(view)
    }

    fn write_times(view: &mut Map<String, Value>, life: &Life, times: Times) {
        for (name, time) in [
            ("connectivityAt", life.connected_at),
            ("pullStartedAt", life.pull_started_at),
            ("pullStoppedAt", life.pull_stopped_at),
            ("startedAt", life.started_at),
            ("stoppingAt", life.stopping_at),
            ("executionStoppedAt", life.execution_stopped_at),
            ("stoppedAt", life.stopped_at),
        ] {
            if let Some(time) = time {
                view.insert(name.to_owned(), times.write(time));
            }
        }
    }

    fn address(&self) -> String {
        let [a, b, ..] = self.seed.to_be_bytes();
        format!("10.0.{a}.{b}")
    }

    fn interface(&self, life: &Life) -> Value {
        let id = &uuid_of(self.seed);
        let mut details = vec![json!({ "name": "subnetId", "value": self.subnet })];
        let status = match life.last {
            LastStatus::Provisioning => "PRECREATED",
            LastStatus::Stopped => "DELETED",
            _ => "ATTACHED",
        };
        if status != "PRECREATED" {
            let short = &format!("{:017x}", self.seed >> 60);
            details.push(json!({ "name": "networkInterfaceId", "value": format!("eni-{short}") }));
            details.push(json!({ "name": "privateIPv4Address", "value": self.address() }));
        }
        json!({ "id": id, "type": "eni", "status": status, "details": details })
    }

    fn container_view(&self, home: &Home, life: &Life) -> Value {
        let name = self.container.name.as_deref().unwrap_or_default();
        let status = match life.last {
            LastStatus::Provisioning | LastStatus::Pending | LastStatus::Activating => "PENDING",
            LastStatus::Running | LastStatus::Deactivating | LastStatus::Stopping => "RUNNING",
            LastStatus::Deprovisioning | LastStatus::Stopped => "STOPPED",
        };
        let mut view = json!({
            "containerArn": home.container(&self.cluster, &self.id, name),
            "taskArn": self.arn,
            "name": name,
            "image": self.container.image,
            "lastStatus": status,
            "networkInterfaces": [],
            "cpu": "0",
        });
        if life.connected_at.is_some() {
            let attachment = uuid_of(self.seed);
            view["networkInterfaces"] =
                json!([{ "attachmentId": attachment, "privateIpv4Address": self.address() }]);
        }
        if self.container_state != ContainerState::Waiting && life.started_at.is_some() {
            view["runtimeId"] = json!(format!("{}-{:010}", self.id, self.seed % 10_000_000_000));
        }
        if let Some(exit_code) = life.exit_code {
            view["exitCode"] = json!(exit_code);
        }
        if let Some(reason) = &life.container_reason {
            view["reason"] = json!(reason);
        }
        view
    }
}

fn uuid_of(seed: u128) -> String {
    super::Moment {
        now: Timestamp::UNIX_EPOCH,
        draws: &mut || seed,
    }
    .uuid()
}
