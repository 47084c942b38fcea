//! Task state change events, as EventBridge hands them to a rule's target.

use super::faults::{Fault, FaultKind, Faults, Occasion};
use super::moment::Moment;
use super::names::{Home, TaskId};
use super::status::LastStatus;
use super::task::{Task, Times};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a reordered event is held back if nothing follows it.
const HELD: u64 = 3_000;

/// One event on its way to the rule's target.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEvent {
    /// The task it is about.
    pub task: TaskId,
    /// The whole EventBridge event.
    pub body: Value,
}

/// How many events there were, for `GET /_model/calls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Changes that ECS made an event of.
    pub emitted: u64,
    /// Of these the ones the template's rule lets through.
    pub matched: u64,
    /// Lost by a fault.
    pub lost: u64,
}

/// Events that wait for their time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// With a mark on those that only wait to be overtaken.
    waiting: BTreeMap<(Timestamp, u64), (TaskEvent, bool)>,
    sequence: u64,
    pub(crate) counts: EventCounts,
}

impl Outbox {
    /// Takes the task's current version up as an event, and lets the faults have their way with it.
    pub(crate) fn emit(
        &mut self,
        home: &Home,
        task: &Task,
        faults: &mut Faults,
        at: &mut Moment<'_>,
    ) {
        self.counts.emitted += 1;
        if !rule_matches(task) {
            return;
        }
        self.counts.matched += 1;
        let event = TaskEvent {
            task: task.id.clone(),
            body: body(home, task, at),
        };
        let occasion = Occasion {
            started_by: task.started_by.as_deref(),
            last_status: Some(task.life.last.name()),
            ..Occasion::default()
        };
        let draw = at.draw();
        let kinds = [
            FaultKind::EventLost,
            FaultKind::EventRepeated,
            FaultKind::EventLate,
            FaultKind::EventReordered,
        ];
        let fault = faults.inject(&kinds, &occasion, draw);
        self.release_held(&event.task, at.now);
        match fault {
            Some(fault) => self.spoil(event, &fault, at.now),
            None => self.queue(event, at.now, false),
        }
    }

    fn spoil(&mut self, event: TaskEvent, fault: &Fault, now: Timestamp) {
        match fault.kind {
            FaultKind::EventLost => self.counts.lost += 1,
            FaultKind::EventLate => self.queue(event, now + fault.wait(0), false),
            FaultKind::EventReordered => self.queue(event, now + fault.wait(HELD), true),
            _ => {
                for copy in 0..fault.copies.unwrap_or(2) {
                    // Duplicates come apart from each other.
                    let gap =
                        Duration::from_millis(u64::from(copy) * fault.milliseconds.unwrap_or(0));
                    self.queue(event.clone(), now + gap, false);
                }
            }
        }
    }

    fn queue(&mut self, event: TaskEvent, due: Timestamp, held: bool) {
        self.sequence += 1;
        self.waiting.insert((due, self.sequence), (event, held));
    }

    /// Held back events of the task follow the one that is emitted now.
    fn release_held(&mut self, task: &TaskId, now: Timestamp) {
        let held: Vec<_> = self
            .waiting
            .extract_if(.., |_, (event, held)| *held && event.task == *task)
            .collect();
        for ((due, _), (event, _)) in held {
            // One nanosecond later is enough to come after what is queued for now.
            self.queue(event, due.min(now + Duration::from_nanos(1)), false);
        }
    }

    /// Events whose time has come.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<TaskEvent> {
        let mut later = self.waiting.split_off(&(now, u64::MAX));
        std::mem::swap(&mut later, &mut self.waiting);
        later.into_values().map(|(event, _)| event).collect()
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }
}

/// The rule of `infra/template.yaml`: only `RUNNING` and `STOPPED`. A Spot warning is `RUNNING`
/// still.
fn rule_matches(task: &Task) -> bool {
    matches!(task.life.last, LastStatus::Running | LastStatus::Stopped)
}

fn body(home: &Home, task: &Task, at: &mut Moment<'_>) -> Value {
    let second = at.now.round(jiff::Unit::Second).unwrap_or(at.now);
    json!({
        "version": "0",
        "id": at.uuid(),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": home.account,
        "time": second.to_string(),
        "region": home.region,
        "resources": [task.arn],
        "detail": task.view(home, &task.life, Times::Iso),
    })
}
