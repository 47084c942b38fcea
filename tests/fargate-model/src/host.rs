//! Gives the model a world: the machine's clock, its randomness, and someone who carries out
//! effects.

use super::awslogs::Awslogs;
use super::credentials::Credentials;
use super::delivery::Observer;
use super::life::{ContainerSpec, Effect};
use super::model::Fargate;
use super::moment::Moment;
use super::processes::Processes;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// Model and world of one stand-in.
pub(crate) struct Host {
    model: Mutex<(Fargate, Timestamp)>,
    changed: Notify,
    pub(crate) processes: Processes,
    pub(crate) credentials: Credentials,
    pub(crate) observer: Observer,
    logs: Awslogs,
}

impl Host {
    pub(crate) fn new(
        model: Fargate,
        processes: Processes,
        credentials: Credentials,
        (observer, logs): (Observer, Awslogs),
    ) -> Arc<Self> {
        let model = Mutex::new((model, Timestamp::now()));
        Arc::new(Self {
            model,
            changed: Notify::new(),
            processes,
            credentials,
            observer,
            logs,
        })
    }

    /// Does something with the model at the present moment.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T) -> T {
        // A poisoned model is still the only truth there is about processes that run.
        let mut guard = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let (model, latest) = &mut *guard;
        // The wall clock may be set back; the model's time may not.
        *latest = Timestamp::now().max(*latest);
        let mut moment = Moment {
            now: *latest,
            draws: &mut || fastrand::u128(..),
        };
        let result = act(model, &mut moment);
        drop(guard);
        self.changed.notify_one();
        result
    }

    /// Lets time pass and carries out what the model wants, until dropped.
    pub(crate) async fn drive(self: Arc<Self>) {
        let mut watched = JoinSet::new();
        loop {
            let (effects, due) = self.look();
            for effect in effects {
                self.carry_out(effect, &mut watched);
            }
            while watched.try_join_next().is_some() {}
            let pause = due.map_or(Duration::from_secs(60), |due| {
                Duration::try_from(due - Timestamp::now()).unwrap_or(Duration::ZERO)
            });
            tokio::select! {
                () = self.changed.notified() => {}
                // Timers are in whole milliseconds: rounded up, or this would spin before each one.
                () = tokio::time::sleep(pause + Duration::from_millis(1)) => {}
            }
        }
    }

    fn look(&self) -> (Vec<Effect>, Option<Timestamp>) {
        let mut guard = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let (model, latest) = &mut *guard;
        *latest = Timestamp::now().max(*latest);
        model.advance(&mut Moment {
            now: *latest,
            draws: &mut || fastrand::u128(..),
        });
        (model.take_effects(), model.due())
    }

    fn carry_out(self: &Arc<Self>, effect: Effect, watched: &mut JoinSet<()>) {
        match effect {
            Effect::Start(spec) => self.start(&spec, watched),
            Effect::Terminate(task) => self.processes.terminate(&task),
            Effect::Kill(task) => self.processes.kill(&task),
            Effect::Tell(event) => {
                let host = Arc::clone(self);
                watched.spawn(async move { host.observer.tell(&event).await });
            }
        }
    }

    fn start(self: &Arc<Self>, spec: &ContainerSpec, watched: &mut JoinSet<()>) {
        let task = spec.task.clone();
        let credentials = self.credentials.open(&task, spec.task_role.as_deref());
        match self.processes.start(spec, credentials) {
            Ok(running) => {
                let (end, ended) = oneshot::channel();
                if let Some(stream) = spec.log.clone() {
                    let (host, file) = (Arc::clone(self), self.processes.log(&task));
                    watched.spawn(async move { host.logs.ship(file, stream, ended).await });
                }
                let host = Arc::clone(self);
                watched.spawn(async move {
                    let exit_code = host.processes.end(running).await;
                    let _ = end.send(());
                    host.credentials.close(&task);
                    host.with(|model, at| model.container_exited(&task, exit_code, at));
                });
            }
            Err(error) => {
                self.credentials.close(&task);
                self.with(|model, at| model.container_failed(&task, &format!("{error:#}"), at));
            }
        }
    }
}
