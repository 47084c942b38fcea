//! A container: what `runner/entrypoint.sh`, the runner and its job-started hook do.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use mayfly_domain::times;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::System;
use super::front::{Environment, Reply};
use super::start::ACCOUNT;
use super::world::BadImage;
use crate::fargate::{ContainerSpec, IDLE_COMMAND, TaskId};
use crate::github::id::SessionId;
use crate::github::model::Interrupted;
use crate::github::wire::Request;

/// How long the entry script waits when nobody says how long.
const RETRY: Duration = Duration::from_secs(3);
/// How often the runner looks for its job; the real one is told at once.
const POLL: Duration = Duration::from_secs(1);
/// How often it gives a sign of life while it works.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A process that was killed by SIGKILL.
const KILLED: i32 = 137;

/// Whether SIGTERM came.
#[derive(Debug, Default)]
pub(super) struct Told {
    flag: AtomicBool,
    notify: Notify,
}

impl Told {
    pub(super) fn tell(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// What comes of this, unless SIGTERM comes first.
    async fn or<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        if self.flag.load(Ordering::Relaxed) {
            return None;
        }
        match select(pin!(what), pin!(self.notify.notified())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

/// One container of a task.
pub(super) struct Container {
    task: TaskId,
    environment: Environment,
    caller: String,
    /// It was told to do nothing.
    idle: bool,
}

/// What the job-started hook comes to.
enum Admitted {
    Yes,
    /// It kills the container.
    No,
}

impl Container {
    pub(super) fn new(spec: ContainerSpec) -> Self {
        let role = spec.task_role.as_deref().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let caller = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{}", spec.task);
        Self { idle: spec.command == IDLE_COMMAND, task: spec.task, environment: spec.environment, caller }
    }

    pub(super) fn task(&self) -> &TaskId {
        &self.task
    }

    fn variable(&self, name: &str) -> &str {
        self.environment.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Runs to its end; the exit code.
    pub(super) async fn run(&self, system: &System, told: &Told) -> i32 {
        if self.idle {
            told.or(std::future::pending::<()>()).await;
            return 0;
        }
        match self.registration(system, told).await {
            Ok(registration) => self.listen(system, told, &registration).await,
            Err(code) => code,
        }
    }

    /// `entrypoint.sh`: asks until there is an answer that ends it.
    async fn registration(&self, system: &System, told: &Told) -> Result<String, i32> {
        let limit: u64 = self.variable("MAYFLY_PARK_SECONDS").parse().map_err(|_| 22)?;
        let deadline = system.world.clock.elapsed() + Duration::from_secs(limit);
        let body = json!({ "runner": self.variable("MAYFLY_RUNNER") });
        let mut tries = 0;
        loop {
            let reply = told.or(system.request(&self.caller, "/registration", &body)).await.ok_or(0)?;
            match (reply.status, reply.ours) {
                (200, true) => return Ok(reply.body),
                (204, true) => return Err(0),
                (403, true) => return Err(1),
                (409, true) => return Err(26),
                (403, false) => return Err(21),
                (202 | 429 | 500.., _) => {}
                _ => return Err(24),
            }
            if system.world.clock.elapsed() > deadline {
                return Err(20);
            }
            // The entry script counts from the start again once it is parked.
            tries = if reply.status == 202 { 1 } else { tries + 1 };
            told.or(tokio::time::sleep(pause(system, &reply, tries))).await.ok_or(0)?;
        }
    }

    /// `run.sh`: one connection, one job.
    async fn listen(&self, system: &System, told: &Told, registration: &str) -> i32 {
        if let Some(BadImage::Ends(code)) = system.world.image() {
            return code;
        }
        let opened = system.world.with_github(|github, now| github.open_session(registration, now));
        // run-helper.sh makes 0 of the listener's own failures.
        let Ok((session, _)) = opened else { return 0 };
        loop {
            let given = system.world.ask_github(|github, now| github.poll(&session, now));
            let job = given.map(|given| {
                given.and_then(|_| {
                    system.world.with_github(|github, now| {
                        let request = Request::new("GET", &format!("/_runner/session/{session}/job"));
                        let job = github.runner_call(&request, now).body;
                        job.filter(|_| github.start(&session, now).is_ok())
                    })
                })
            });
            match job {
                Ok(Some(job)) => return self.work(system, told, &session, &job).await,
                // "The runner no longer exists on the server", exit code 0.
                Err(_) => return 0,
                Ok(None) => {}
            }
            if told.or(tokio::time::sleep(POLL)).await.is_none() {
                let _ = system.world.with_github(|github, now| github.close_session(&session, now));
                return 0;
            }
        }
    }

    async fn work(&self, system: &System, told: &Told, session: &SessionId, job: &Value) -> i32 {
        if matches!(self.admission(system, session, job).await, Admitted::No) {
            // SIGKILL: GitHub hears nothing more of it.
            return KILLED;
        }
        let steps = job["steps"].as_u64().unwrap_or_default();
        let all = Duration::try_from_secs_f64(job["seconds_to_run"].as_f64().unwrap_or_default()).unwrap_or_default();
        let each = all / u32::try_from(steps.max(1)).unwrap_or(1);
        for step in 0..steps {
            let named = format!("Step {step}");
            let done = async {
                live(system, session, each).await?;
                system.world.ask_github(|github, now| github.step(session, &named, now))
            };
            match told.or(done).await {
                None => {
                    let _ = system.world.with_github(|github, now| github.close_session(session, now));
                    return 0;
                }
                Some(Ok(()) | Err(Interrupted::Unknown)) => {}
                Some(Err(_)) => break,
            }
        }
        let _ = system.world.with_github(|github, now| github.complete(session, None, now));
        if system.world.hang.load(Ordering::Relaxed) {
            told.or(std::future::pending::<()>()).await;
        }
        0
    }

    /// `job-started.sh`: asks whether the job may run here.
    async fn admission(&self, system: &System, session: &SessionId, job: &Value) -> Admitted {
        if system.world.image() == Some(BadImage::TakesTheHookAway) {
            return Admitted::Yes;
        }
        let fails_closed = self.variable("MAYFLY_FAIL_CLOSED") == "1";
        let deadline = system.world.clock.elapsed() + times::admission(fails_closed);
        let body = json!({
            "runner": self.variable("MAYFLY_RUNNER"),
            "run_id": job["GITHUB_RUN_ID"],
            "run_attempt": job["GITHUB_RUN_ATTEMPT"],
            "repository": job["GITHUB_REPOSITORY"],
            "repository_id": job["GITHUB_REPOSITORY_ID"],
            "workflow_ref": job["GITHUB_WORKFLOW_REF"],
            "ref": job["GITHUB_REF"],
            "event": job["GITHUB_EVENT_NAME"],
        });
        while system.world.clock.elapsed() < deadline {
            let reply = alive_during(system, session, system.request(&self.caller, "/admission", &body)).await;
            let said: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            match (reply.status, reply.ours, said["admitted"].as_bool()) {
                (200, true, Some(true)) => return Admitted::Yes,
                (403, true, _) | (_, true, Some(false)) => return Admitted::No,
                _ => {
                    // The runner tells GitHub that it lives while its hook waits.
                    let _ = live(system, session, pause(system, &reply, 1)).await;
                }
            }
        }
        if fails_closed { Admitted::No } else { Admitted::Yes }
    }
}

/// As long as the answer says, and a drawn second. Where it says nothing, the entry script waits 1, 2, 4 … 32 s and then 60 s, and up to a quarter more.
fn pause(system: &System, reply: &Reply, tries: u32) -> Duration {
    match reply.retry_after {
        None if system.world.containers_wait() => {
            let seconds = if tries <= 6 { 1 << (tries - 1) } else { 60 };
            Duration::from_secs(seconds) + Duration::from_millis(system.world.below(250 * seconds))
        }
        said => said.map_or(RETRY, Duration::from_secs) + Duration::from_millis(system.world.below(1000)),
    }
}

/// Waits for something, with signs of life.
async fn alive_during<T>(system: &System, session: &SessionId, what: impl Future<Output = T>) -> T {
    let mut what = pin!(what);
    loop {
        match select(what.as_mut(), pin!(tokio::time::sleep(HEARTBEAT))).await {
            Either::Left((done, _)) => return done,
            Either::Right(_) => {
                let _ = system.world.ask_github(|github, now| github.heartbeat(session, now));
            }
        }
    }
}

/// Works for a while, with signs of life.
async fn live(system: &System, session: &SessionId, work: Duration) -> Result<(), Interrupted> {
    let end = system.world.clock.elapsed() + work;
    loop {
        let left = end.saturating_sub(system.world.clock.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(left.min(HEARTBEAT)).await;
        system.world.ask_github(|github, now| github.heartbeat(session, now))?;
    }
}
