//! The events of `events/observer`, and what follows from each.
#![expect(clippy::unwrap_used, reason = "what arranges a test may fail it")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use mayfly_domain::model::id::{PoolName, TaskArn};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::{EcsError, StopTask};
use mayfly_ledger::LedgerError;
use mayfly_ledger::runners::TaskUpdate;
use mayfly_observer::{Deps, Event, Observer, Records};
use mayfly_queue::{NotSent, Wakes};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);

/// A ledger, an ECS and a queue that give prepared answers and record their calls.
#[derive(Default)]
struct World {
    news: TaskUpdate,
    ledger_fails: bool,
    queue_fails: bool,
    stop_fails: Option<fn() -> EcsError>,
    seen: Mutex<Vec<Task>>,
    woken: Mutex<Vec<PoolName>>,
    stopped: Mutex<Vec<(TaskArn, String)>>,
}

impl Records for &World {
    async fn task_seen(&self, task: &Task, now: Timestamp) -> Result<TaskUpdate, LedgerError> {
        assert_eq!(now, NOW);
        self.seen.lock().unwrap().push(task.clone());
        if self.ledger_fails {
            Err(LedgerError::Busy {
                tries: 5,
                what: "record news of a task",
            })
        } else {
            Ok(self.news.clone())
        }
    }
}

#[async_trait]
impl StopTask for &World {
    async fn stop(&self, task: &TaskArn, reason: &str) -> Result<(), EcsError> {
        self.stopped
            .lock()
            .unwrap()
            .push((task.clone(), reason.to_owned()));
        self.stop_fails.map_or(Ok(()), |error| Err(error()))
    }
}

#[async_trait]
impl Wakes for &World {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        self.woken.lock().unwrap().push(pool.clone());
        if self.queue_fails {
            Err(NotSent {
                pool: pool.clone(),
                reason: "throttled".to_owned(),
            })
        } else {
            Ok(())
        }
    }
}

impl World {
    async fn handle(&self, event: Value) -> anyhow::Result<()> {
        let event: Event = serde_json::from_value(event)?;
        let deps = Deps {
            ecs: self,
            wakes: self,
            clock: Box::new(|| NOW),
        };
        Observer::new(self, deps).handle(event).await
    }

    /// The one task that the ledger was told of.
    fn task(&self) -> Task {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        seen[0].clone()
    }
}

fn event(name: &str) -> Value {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .join("../../events/observer")
        .join(name)
        .with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn closing() -> TaskUpdate {
    TaskUpdate {
        wake: BTreeSet::from(["linux".parse().unwrap()]),
        ..TaskUpdate::default()
    }
}

fn unwanted() -> TaskUpdate {
    TaskUpdate {
        stop: Some(Reason::RunnerClosed),
        ..TaskUpdate::default()
    }
}

#[tokio::test]
async fn every_event_file_is_a_task_of_ours() {
    for (name, status, exit_code) in [
        ("running", TaskStatus::Running, None),
        ("spot-warning", TaskStatus::Running, None),
        ("stopped", TaskStatus::Stopped, Some(0)),
        ("stopped-by-us", TaskStatus::Stopped, Some(143)),
        ("stopped-memory", TaskStatus::Stopped, Some(137)),
        ("stopped-pull", TaskStatus::Stopped, None),
        ("stopped-refused", TaskStatus::Stopped, Some(137)),
        ("stopped-spot", TaskStatus::Stopped, Some(137)),
    ] {
        let world = World::default();
        world.handle(event(name)).await.unwrap();
        assert_eq!(
            (world.task().status, world.task().end.exit_code),
            (status, exit_code),
            "{name}"
        );
    }
}

#[tokio::test]
async fn reasons_and_times_reach_the_ledger() {
    let world = World::default();
    world.handle(event("stopped-pull")).await.unwrap();
    let task = world.task();
    assert_eq!(task.end.stop_code.as_deref(), Some("TaskFailedToStart"));
    assert!(
        task.end
            .container_reason
            .unwrap()
            .starts_with("CannotPullContainerError")
    );
    assert!(
        task.timeline.created < task.timeline.pull_started
            && task.timeline.pull_started < task.timeline.stopped
    );
}

#[tokio::test]
async fn a_closed_runner_wakes_its_pool() {
    let world = World {
        news: closing(),
        ..World::default()
    };
    world.handle(event("stopped")).await.unwrap();
    assert_eq!(
        *world.woken.lock().unwrap(),
        ["linux".parse::<PoolName>().unwrap()]
    );
}

#[tokio::test]
async fn a_wake_that_was_not_sent_is_left_to_the_tick() {
    let world = World {
        news: closing(),
        queue_fails: true,
        ..World::default()
    };
    assert!(world.handle(event("stopped")).await.is_ok());
}

#[tokio::test]
async fn news_that_change_nothing_wake_and_stop_nobody() {
    let world = World::default();
    world.handle(event("running")).await.unwrap();
    assert!(world.woken.lock().unwrap().is_empty() && world.stopped.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_task_whose_runner_is_closed_is_stopped() {
    let world = World {
        news: unwanted(),
        ..World::default()
    };
    world.handle(event("running")).await.unwrap();
    let stopped = world.stopped.lock().unwrap().clone();
    assert_eq!(
        stopped,
        [(world.task().arn, "its runner is closed".to_owned())]
    );
}

#[tokio::test]
async fn a_stop_that_ecs_refuses_is_not_repeated() {
    let refused = || EcsError::Unexpected {
        operation: "StopTask",
        what: "nonsense".to_owned(),
    };
    let world = World {
        news: unwanted(),
        stop_fails: Some(refused),
        ..World::default()
    };
    assert!(world.handle(event("running")).await.is_ok());
}

#[tokio::test]
async fn an_event_that_the_ledger_did_not_take_comes_back() {
    let world = World {
        ledger_fails: true,
        ..World::default()
    };
    let problem = world.handle(event("stopped")).await.unwrap_err();
    assert!(
        format!("{problem:#}").contains("record task arn:aws:ecs:"),
        "{problem:#}"
    );
}

#[tokio::test]
async fn strangers_tasks_and_other_events_are_ignored() {
    let mut service = event("stopped");
    service["detail"]["startedBy"] = json!("ecs-svc/1234567890123456789");
    let mut other = event("stopped");
    other["detail-type"] = json!("ECS Service Action");
    for ignored in [service, other, json!({})] {
        let world = World::default();
        world.handle(ignored).await.unwrap();
        assert!(world.seen.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_event_of_a_wrong_shape_is_an_error_with_its_path() {
    let mut wrong = event("stopped");
    wrong["detail"]["containers"][0]["exitCode"] = json!("0");
    let problem = World::default().handle(wrong).await.unwrap_err();
    assert!(
        format!("{problem:#}").contains("containers[0].exitCode"),
        "{problem:#}"
    );
}
