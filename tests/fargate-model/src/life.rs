//! How a task's life goes on: by the clock, by its container, by `StopTask`, by Spot.

use super::awslogs::LogStream;
use super::events::TaskEvent;
use super::faults::{FaultKind, Occasion};
use super::journal::Change;
use super::model::Fargate;
use super::moment::Moment;
use super::names::TaskId;
use super::status::{DesiredStatus, LastStatus, StopCode};
use super::task::{ContainerState, Task};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a container is started with: the definition's and the overrides' parts put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The task.
    pub task: TaskId,
    /// The image that it is made from.
    pub image: String,
    /// Program and arguments: entry point, then command.
    pub command: Vec<String>,
    /// Environment of the definition, then of the overrides; the later one of a name holds.
    pub environment: BTreeMap<String, String>,
    /// The role whose credentials the container may ask for.
    pub task_role: Option<String>,
    /// Where its output goes, if the definition says so.
    pub log: Option<LogStream>,
}

/// What the world has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start the container; later tell [`Fargate::container_exited`] or
    /// [`Fargate::container_failed`].
    Start(Box<ContainerSpec>),
    /// SIGTERM to the container's main process.
    Terminate(TaskId),
    /// SIGKILL to everything in the container.
    Kill(TaskId),
    /// Hand an event to the rule's target.
    Tell(Box<TaskEvent>),
}

/// What the clock does to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Attach,
    StartPull,
    StopPull,
    FailPull,
    StartContainer,
    Run,
    Reclaim(StopCode),
    Stop,
    Kill,
    Die(i32),
    End,
}

/// Timers, in order; a timer whose time has passed by other means finds its task in another state
/// and does nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<(Timestamp, u64), (TaskId, Step)>,
    sequence: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Timestamp, task: &TaskId, step: Step) {
        self.sequence += 1;
        self.waiting
            .insert((at, self.sequence), (task.clone(), step));
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, TaskId, Step)> {
        let entry = self
            .waiting
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let ((at, _), (task, step)) = entry.remove_entry();
        Some((at, task, step))
    }
}

/// Parts of the start in thousandths, as measured on a Fargate task of 47 s with GitHub's image:
/// interface after 10 s, pull from 12 s to 27 s, container just before `RUNNING`, so that it can
/// ask for its registration first.
const ATTACHED: u32 = 213;
const PULLING: u32 = 255;
const PULLED: u32 = 574;
const CONTAINER: u32 = 957;

impl Fargate {
    /// Plans the life of a task that was placed just now.
    pub(crate) fn plan_start(&mut self, task: &Task, at: &mut Moment<'_>) {
        let occasion = Occasion {
            started_by: task.started_by.as_deref(),
            ..Occasion::default()
        };
        let draw = at.draw();
        let slow = self.faults.inject(&[FaultKind::SlowStart], &occasion, draw);
        let extra = slow.map_or(Duration::ZERO, |fault| fault.wait(0));
        let draw = at.draw();
        let broken = self
            .faults
            .inject(&[FaultKind::PullFailure], &occasion, draw);
        let whole = Duration::from_millis(self.settings.start_delay_ms) + extra;
        let part = |thousandths: u32| at.now + whole * thousandths / 1000;
        self.timers.set(part(ATTACHED), &task.id, Step::Attach);
        self.timers.set(part(PULLING), &task.id, Step::StartPull);
        if let Some(fault) = broken {
            let image = task.container.image.as_deref().unwrap_or_default();
            let usual = format!(
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: not found"
            );
            self.pull_failures
                .insert(task.id.clone(), fault.reason.unwrap_or(usual));
            self.timers.set(part(PULLED), &task.id, Step::FailPull);
            return;
        }
        self.timers.set(part(PULLED), &task.id, Step::StopPull);
        self.timers
            .set(part(CONTAINER), &task.id, Step::StartContainer);
        self.timers.set(part(1000), &task.id, Step::Run);
    }

    /// Lets the time pass: whatever was due until now happens, in order.
    pub fn advance(&mut self, at: &mut Moment<'_>) {
        while let Some((due, id, step)) = self.timers.pop(at.now) {
            let mut then = Moment {
                now: due,
                draws: at.draws,
            };
            self.step(&id, step, &mut then);
        }
        for event in self.outbox.due(at.now) {
            self.effects.push(Effect::Tell(Box::new(event)));
        }
        self.forget(at.now);
    }

    /// When [`Fargate::advance`] has something to do next, if ever.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        [self.timers.next(), self.outbox.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The container's main process ended with this code (128 + signal if a signal ended it).
    pub fn container_exited(&mut self, id: &TaskId, exit_code: i32, at: &mut Moment<'_>) {
        let Some(task) = self
            .tasks
            .get_mut(id)
            .filter(|task| task.container_state == ContainerState::Up)
        else {
            return;
        };
        task.life.exit_code = Some(exit_code);
        self.journal
            .note(at.now, task, |task, started_by| Change::Exited {
                task,
                started_by,
                code: exit_code,
            });
        // A container that was up has started, even if ECS never got to say RUNNING.
        task.life.started_at.get_or_insert(at.now);
        self.container_over(
            id,
            StopCode::EssentialContainerExited,
            "Essential container in task exited",
            at,
        );
    }

    /// The container could not be started at all.
    pub fn container_failed(&mut self, id: &TaskId, reason: &str, at: &mut Moment<'_>) {
        let Some(task) = self
            .tasks
            .get_mut(id)
            .filter(|task| task.container_state == ContainerState::Up)
        else {
            return;
        };
        let reason = format!("CannotStartContainerError: {reason}");
        task.life.container_reason = Some(reason.clone());
        self.container_over(id, StopCode::TaskFailedToStart, &reason, at);
    }

    fn container_over(&mut self, id: &TaskId, code: StopCode, reason: &str, at: &mut Moment<'_>) {
        let end = at.now + Duration::from_millis(self.settings.stop_delay_ms);
        self.change(id, at, |task, now| {
            task.container_state = ContainerState::Over;
            task.life.desired = DesiredStatus::Stopped;
            task.life.last = LastStatus::Deprovisioning;
            task.life.stopping_at.get_or_insert(now);
            task.life.execution_stopped_at = Some(now);
            task.life
                .stop
                .get_or_insert_with(|| (code, reason.to_owned()));
        });
        self.timers.set(end, id, Step::End);
    }

    /// ECS or its user wants the task to end.
    pub(crate) fn want_stopped(
        &mut self,
        id: &TaskId,
        code: StopCode,
        reason: &str,
        at: &mut Moment<'_>,
    ) {
        let Some(task) = self
            .tasks
            .get(id)
            .filter(|task| task.life.desired == DesiredStatus::Running)
        else {
            return;
        };
        if task.container_state == ContainerState::Waiting {
            self.container_over(id, code, reason, at);
            return;
        }
        self.change(id, at, |task, _| {
            task.life.desired = DesiredStatus::Stopped;
            task.life.stop = Some((code, reason.to_owned()));
        });
        self.timers.set(
            at.now + Duration::from_millis(self.settings.stop_delay_ms / 10),
            id,
            Step::Stop,
        );
    }

    fn step(&mut self, id: &TaskId, step: Step, at: &mut Moment<'_>) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let starting = task.life.desired == DesiredStatus::Running;
        let state = task.container_state;
        match step {
            Step::Attach if starting => self.change(id, at, |task, now| {
                task.life.last = LastStatus::Pending;
                task.life.connected_at = Some(now);
            }),
            Step::StartPull if starting => {
                self.note(id, |task| task.life.pull_started_at = Some(at.now))
            }
            Step::StopPull if starting => {
                self.note(id, |task| task.life.pull_stopped_at = Some(at.now))
            }
            Step::FailPull if starting => self.fail_pull(id, at),
            Step::StartContainer if starting => self.start_container(id, at),
            Step::Run if starting && state == ContainerState::Up => self.run(id, at),
            Step::Reclaim(code) if starting => self.want_stopped(id, code, interrupted(code), at),
            Step::Stop if state == ContainerState::Up => self.stop(id, at),
            Step::Kill if state == ContainerState::Up => {
                self.effects.push(Effect::Kill(id.clone()))
            }
            Step::Die(exit_code) => self.container_exited(id, exit_code, at),
            Step::End => self.end(id, at),
            _ => {}
        }
    }

    fn start_container(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        let started_by = self.tasks.get(id).and_then(|task| task.started_by.clone());
        let occasion = Occasion {
            started_by: started_by.as_deref(),
            ..Occasion::default()
        };
        let draw = at.draw();
        let dies = self
            .faults
            .inject(&[FaultKind::DiesBeforeAsking], &occasion, draw);
        self.change(id, at, |task, _| {
            task.life.last = LastStatus::Activating;
            task.container_state = ContainerState::Up;
        });
        match dies {
            Some(fault) => self.timers.set(
                at.now + fault.wait(0),
                id,
                Step::Die(fault.exit_code.unwrap_or(1)),
            ),
            None => {
                let spec = self.tasks.get(id).map(|task| task.spec.clone());
                self.effects
                    .extend(spec.map(|spec| Effect::Start(Box::new(spec))));
            }
        }
    }

    fn run(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        self.change(id, at, |task, now| {
            task.life.last = LastStatus::Running;
            task.life.started_at = Some(now);
        });
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let (spot, started_by) = (task.is_spot(), task.started_by.clone());
        let occasion = Occasion {
            started_by: started_by.as_deref(),
            ..Occasion::default()
        };
        let kinds = [
            (FaultKind::SpotInterruption, StopCode::SpotInterruption),
            (FaultKind::HostRetired, StopCode::TerminationNotice),
            (FaultKind::HostUnhealthy, StopCode::InfrastructureHealth),
        ];
        for (kind, code) in kinds {
            if (kind == FaultKind::SpotInterruption && !spot) || !self.faults.has(kind) {
                continue;
            }
            let draw = at.draw();
            if let Some(fault) = self.faults.inject(&[kind], &occasion, draw) {
                self.timers
                    .set(at.now + fault.wait(0), id, Step::Reclaim(code));
            }
        }
    }

    fn fail_pull(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        let reason = self.pull_failures.remove(id).unwrap_or_default();
        self.note(id, |task| {
            task.life.pull_stopped_at = Some(at.now);
            task.life.container_reason = Some(reason.clone());
        });
        self.container_over(id, StopCode::TaskFailedToStart, &reason, at);
    }

    /// The container hears SIGTERM, and SIGKILL when its time to stop is over.
    fn stop(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        self.change(id, at, |task, now| {
            task.life.last = LastStatus::Stopping;
            task.life.stopping_at = Some(now);
        });
        self.effects.push(Effect::Terminate(id.clone()));
        let timeout = self
            .tasks
            .get(id)
            .map_or(Duration::ZERO, |task| task.stop_timeout);
        self.timers.set(at.now + timeout, id, Step::Kill);
    }

    fn end(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        self.change(id, at, |task, now| {
            task.life.last = LastStatus::Stopped;
            task.life.stopped_at = Some(now);
        });
        self.pull_failures.remove(id);
        self.tokens.stopped(id, at.now);
        self.forget_later(id, at.now);
    }

    /// A change that makes an event: the version counts up.
    fn change(
        &mut self,
        id: &TaskId,
        at: &mut Moment<'_>,
        change: impl FnOnce(&mut Task, Timestamp),
    ) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        change(task, at.now);
        task.life.version += 1;
        task.life.updated_at = at.now;
        task.versions.push(task.life.clone());
        self.journal
            .note(at.now, task, |id, started_by| Change::Moved {
                task: id,
                started_by,
                last: task.life.last,
                desired: task.life.desired,
                reason: task.life.stop.as_ref().map(|(_, reason)| reason.clone()),
            });
        self.outbox.emit(&self.home, task, &mut self.faults, at);
    }

    /// A change that shows with the next version.
    fn note(&mut self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(id) {
            change(task);
        }
    }
}

/// What ECS says of a task that it stops for this reason of its own.
fn interrupted(code: StopCode) -> &'static str {
    match code {
        StopCode::TerminationNotice => {
            "Your task is being stopped: the underlying infrastructure is to be retired."
        }
        StopCode::InfrastructureHealth => {
            "Your task was stopped: the underlying infrastructure is not healthy."
        }
        _ => "Your Spot Task was interrupted.",
    }
}
