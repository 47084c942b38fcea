//! Lets time pass: whatever is due in any model happens, and becomes invocations and containers.

use std::sync::Arc;
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use tokio::time::Instant;

use super::System;
use super::container::{Container, StopSignal};
use super::triggers::earliest;
use mayfly_fargate_model::{Effect, TaskId};

impl System {
    /// Goes on for as long as the story does.
    pub(super) async fn drive(self) {
        let mut sweep = self.world.clock.now().plus(Duration::from_secs(7));
        let mut sweeps = 0_u32;
        loop {
            let now = self.world.clock.now();
            self.carry_out_effects();
            self.deliver_what_is_due();
            while let Some(batch) = self.world.queue.receive(now) {
                tokio::spawn(Box::pin(self.clone().scale(batch)));
            }
            if now >= sweep {
                sweep = sweep.plus(timeouts::TICK);
                sweeps += 1;
                if self.world.sweeps {
                    tokio::spawn(Box::pin(self.clone().tick(sweeps)));
                }
            }
            self.pause_until(earliest([Some(sweep), self.world.due()]))
                .await;
        }
    }

    /// Until that time, or until someone has changed something.
    async fn pause_until(&self, next: Option<Timestamp>) {
        let now = self.world.clock.now();
        // A model that wants something at this very moment gets it a moment later: time must pass.
        let wait = next
            .map_or(timeouts::TICK, |next| next.since(now))
            .max(Duration::from_millis(1));
        let sleep = std::pin::pin!(tokio::time::sleep_until(Instant::now() + wait));
        let changed = std::pin::pin!(self.world.changed.notified());
        futures::future::select(sleep, changed).await;
    }

    fn carry_out_effects(&self) {
        for effect in self.world.advance_ecs() {
            match effect {
                Effect::Start(spec) => self.start_container(Container::new(*spec)),
                Effect::Terminate(task) => self.signal(&task, false),
                Effect::Kill(task) => self.signal(&task, true),
                Effect::Tell(event) => {
                    tokio::spawn(Box::pin(self.clone().tell(event.body)));
                }
            }
        }
    }

    fn start_container(&self, container: Container) {
        let (system, task, told) = (
            self.clone(),
            container.task().clone(),
            Arc::new(StopSignal::default()),
        );
        let ends = (task.clone(), Arc::clone(&told));
        let run = tokio::spawn(Box::pin(async move {
            let code = container.run(&system, &ends.1).await;
            system.exited(&ends.0, code);
        }));
        self.world
            .containers()
            .insert(task, (run.abort_handle(), told));
    }

    /// SIGTERM, or SIGKILL.
    pub(super) fn signal(&self, task: &TaskId, kill: bool) {
        let found = self
            .world
            .containers()
            .get(task)
            .map(|(run, told)| (run.clone(), Arc::clone(told)));
        let Some((run, told)) = found else { return };
        if kill {
            run.abort();
            self.exited(task, 137);
        } else {
            told.tell();
        }
    }

    fn exited(&self, task: &TaskId, code: i32) {
        self.world.containers().remove(task);
        self.world
            .with_ecs(|ecs, at| ecs.container_exited(task, code, at));
    }

    fn deliver_what_is_due(&self) {
        for outgoing in self.world.advance_github() {
            tokio::spawn(Box::pin(self.clone().deliver(outgoing)));
        }
    }
}
