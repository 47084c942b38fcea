//! EventBridge events of ECS: "ECS Task State Change".

use aws_sdk_ecs::primitives::{DateTime, DateTimeFormat};
use mayfly_domain::model::runner::Timeline;
use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::state::{ContainerState, TaskState};

/// An event's `detail` that does not have the shape that AWS describes.
#[derive(Debug, thiserror::Error)]
#[error("the event's detail is not a task's state: {path}: {problem}")]
pub struct InvalidEvent {
    /// Where, as `containers[0].exitCode`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// Reads the `detail` of an event. `None` for a task that is no runner's.
///
/// # Errors
/// If the shape is wrong. Members that are not used are not looked at: AWS adds new ones.
pub fn parse(detail: &serde_json::Value) -> Result<Option<Task>, InvalidEvent> {
    let detail: Detail =
        serde_path_to_error::deserialize(detail).map_err(|error| InvalidEvent {
            path: error.path().to_string(),
            problem: error.inner().to_string(),
        })?;
    Ok(TaskState::from(detail).into_task())
}

/// Source: a sample of a real event, and the API's `Task`, whose members the event has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    task_arn: String,
    started_by: Option<String>,
    version: i64,
    last_status: String,
    desired_status: Option<String>,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    pull_started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    pull_stopped_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    stopping_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    stopped_at: Option<Timestamp>,
    stop_code: Option<String>,
    stopped_reason: Option<String>,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: Option<String>,
    reason: Option<String>,
    exit_code: Option<i32>,
}

/// ISO 8601 with fractions and any offset; the API itself has seconds since 1970 here.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let time = DateTime::from_str(&text, DateTimeFormat::DateTimeWithOffset)
        .map_err(serde::de::Error::custom)?;
    time.to_millis()
        .map(|millis| Some(Timestamp::from_millis(millis)))
        .map_err(serde::de::Error::custom)
}

impl From<Detail> for TaskState {
    fn from(detail: Detail) -> Self {
        let container = |it: Container| ContainerState {
            name: it.name,
            reason: it.reason,
            exit_code: it.exit_code,
        };
        Self {
            arn: detail.task_arn,
            started_by: detail.started_by,
            version: detail.version,
            last_status: detail.last_status,
            desired_status: detail.desired_status,
            timeline: Timeline {
                created: detail.created_at,
                pull_started: detail.pull_started_at,
                pull_stopped: detail.pull_stopped_at,
                started: detail.started_at,
                stopping: detail.stopping_at,
                stopped: detail.stopped_at,
            },
            stop_code: detail.stop_code,
            stopped_reason: detail.stopped_reason,
            containers: detail.containers.into_iter().map(container).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const RUNNER: &str = "linux/01jd0000000000000000000000";

    fn detail() -> Value {
        json!({
            "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/mayfly/4f1c", "startedBy": RUNNER, "version": 7,
            "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "createdAt": "2026-11-22T14:00:00.512Z", "stoppedAt": "2026-11-22T15:00:01+01:00",
            "containers": [{ "name": "runner", "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage" }],
            "somethingNew": { "of": ["tomorrow"] },
        })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut detail = detail();
        detail[member] = value;
        detail
    }

    #[test]
    fn times_are_read_with_fractions_and_offsets() {
        let timeline = parse(&detail()).unwrap().unwrap().timeline;
        let hour = 1_795_356_000_000;
        assert_eq!(timeline.created, Some(Timestamp::from_millis(hour + 512)));
        assert_eq!(timeline.stopped, Some(Timestamp::from_millis(hour + 1000)));
        assert_eq!(timeline.started, None);
    }

    #[test]
    fn tasks_of_others_are_none_of_ours() {
        for foreign in [
            json!("ecs-svc/1234567890123456789"),
            json!("someone"),
            json!("linux/not-a-ulid"),
            Value::Null,
        ] {
            assert_eq!(
                parse(&with("startedBy", foreign.clone())).unwrap(),
                None,
                "{foreign}"
            );
        }
    }

    #[test]
    fn wrong_shapes_are_named_by_their_path() {
        for (wrong, path) in [
            (with("version", json!("7")), "version"),
            (with("createdAt", json!("yesterday")), "createdAt"),
            (
                with("containers", json!([{ "name": "runner", "exitCode": "0" }])),
                "containers[0].exitCode",
            ),
            (with("taskArn", Value::Null), "taskArn"),
            (json!([]), "."),
        ] {
            assert_eq!(parse(&wrong).unwrap_err().path, path, "{wrong}");
        }
    }

    #[test]
    fn a_container_that_never_ran_has_no_exit_code() {
        let task = parse(&with(
            "containers",
            json!([{ "name": "runner", "lastStatus": "STOPPED" }]),
        ))
        .unwrap()
        .unwrap();
        assert_eq!(
            (task.end.exit_code, task.end.container_reason),
            (None, None)
        );
    }
}
