//! A model with a clock and dice of its own.

use jiff::Timestamp;
use mayfly_fargate_model::{
    Answer, Effect, Fargate, Fault, Moment, Operation, Refusal, Settings, TaskEvent, TaskId,
};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) struct World {
    pub(crate) model: Fargate,
    pub(crate) now: Timestamp,
    draws: u128,
}

impl World {
    /// An account with one task definition, `mayfly-x64:1`; its tasks take 47 s to start.
    pub(crate) fn new() -> Self {
        let settings = Settings {
            start_delay_ms: 47_000,
            stop_delay_ms: 1000,
            ..Settings::default()
        };
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut world = Self {
            model: Fargate::new(settings),
            now,
            draws: 1,
        };
        world.ok(Operation::RegisterTaskDefinition, &definition());
        world
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.model.settings().clone();
        change(&mut settings);
        self.model.set_settings(settings);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.model.add_fault(fault);
    }

    pub(crate) fn at<T>(&mut self, act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T) -> T {
        let draws = &mut self.draws;
        let mut draw = || {
            // A multiplicative generator: spread enough for ids, the same in every run.
            *draws = draws
                .wrapping_mul(0x2d99_787c_a4ae_9f5b_7d2c_0e11_5f4a_77b5)
                .wrapping_add(0x9e37_79b9_7f4a_7c15);
            *draws
        };
        act(
            &mut self.model,
            &mut Moment {
                now: self.now,
                draws: &mut draw,
            },
        )
    }

    pub(crate) fn call(&mut self, operation: Operation, input: &Value) -> Answer {
        self.at(|model, at| model.call(operation, input, at))
    }

    pub(crate) fn ok(&mut self, operation: Operation, input: &Value) -> Value {
        self.call(operation, input).result.unwrap()
    }

    pub(crate) fn refusal(&mut self, operation: Operation, input: &Value) -> Refusal {
        self.call(operation, input).result.unwrap_err()
    }

    /// Runs a task of runner `p/1`.
    pub(crate) fn run(&mut self, token: &str) -> TaskId {
        id_of(&self.ok(Operation::RunTask, &request(token)))
    }

    pub(crate) fn describe(&mut self, id: &TaskId) -> Value {
        let output = self.ok(
            Operation::DescribeTasks,
            &json!({ "cluster": "c", "tasks": [id.as_str()] }),
        );
        output["tasks"]
            .get(0)
            .cloned()
            .unwrap_or_else(|| output["failures"][0].clone())
    }

    pub(crate) fn stop(&mut self, id: &TaskId) -> Value {
        self.ok(
            Operation::StopTask,
            &json!({ "cluster": "c", "task": id.as_str() }),
        )["task"]
            .clone()
    }

    pub(crate) fn exit(&mut self, id: &TaskId, code: i32) {
        self.at(|model, at| model.container_exited(id, code, at));
    }

    /// Lets time pass and says what it brought.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        self.at(|model, at| model.advance(at));
        self.model.take_effects()
    }

    pub(crate) fn seconds(&mut self, seconds: u64) -> Vec<Effect> {
        self.pass(Duration::from_secs(seconds))
    }

    /// The same, events only.
    pub(crate) fn events(&mut self, seconds: u64) -> Vec<TaskEvent> {
        let tell = |effect| match effect {
            Effect::Tell(event) => Some(*event),
            _ => None,
        };
        self.seconds(seconds).into_iter().filter_map(tell).collect()
    }
}

/// Each event's `lastStatus` and version.
pub(crate) fn received(events: &[TaskEvent]) -> Vec<(&str, u64)> {
    let of = |event: &TaskEvent| event.body["detail"]["version"].as_u64().unwrap();
    events
        .iter()
        .map(|event| {
            (
                event.body["detail"]["lastStatus"].as_str().unwrap(),
                of(event),
            )
        })
        .collect()
}

pub(crate) fn id_of(output: &Value) -> TaskId {
    TaskId::of(output["tasks"][0]["taskArn"].as_str().unwrap())
}

pub(crate) fn definition() -> Value {
    json!({
        "family": "mayfly-x64",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "1024",
        "memory": "2 GB",
        "taskRoleArn": "arn:aws:iam::000000000000:role/mayfly/task",
        "executionRoleArn": "arn:aws:iam::000000000000:role/mayfly/execution",
        "containerDefinitions": [{
            "name": "runner",
            "image": "ghcr.io/actions/actions-runner:latest",
            "entryPoint": ["/bin/bash", "-c"],
            "command": ["true"],
            "environment": [{ "name": "FROM", "value": "definition" }, { "name": "KEPT", "value": "yes" }],
        }],
    })
}

/// What `RunTask` is called with.
pub(crate) fn request(token: &str) -> Value {
    json!({
        "cluster": "c",
        "taskDefinition": "mayfly-x64",
        "launchType": "FARGATE",
        "startedBy": "p/1",
        "clientToken": token,
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-a"], "assignPublicIp": "ENABLED" } },
        "overrides": { "containerOverrides": [{ "name": "runner", "environment": [{ "name": "FROM", "value": "override" }] }] },
    })
}

/// The same with one member replaced.
pub(crate) fn request_with(token: &str, member: &str, value: Value) -> Value {
    let mut request = request(token);
    request[member] = value;
    request
}
