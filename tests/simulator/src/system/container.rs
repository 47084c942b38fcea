//! A container: what `runner/entrypoint.sh`, the runner and its job-started hook do.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use mayfly_domain::model::timeouts;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::System;
use super::start::ACCOUNT;
use super::triggers::{Environment, Reply};
use super::world::BadImage;
use mayfly_fargate_model::{ContainerSpec, IDLE_COMMAND, TaskId};
use mayfly_github_model::id::SessionId;
use mayfly_github_model::model::Interrupted;
use mayfly_github_model::wire::Request;

/// How long the entry script waits when no one says how long.
const RETRY: Duration = Duration::from_secs(3);
/// How often it gives a sign of life, at least. The real one renews the lease of its job every 60
/// s. Source: <https://github.com/actions/runner/blob/main/src/Runner.Listener/JobDispatcher.cs>,
/// `RenewJobRequestAsync`.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long the entry script's report may take in all.
const REPORT: Duration = Duration::from_secs(2);
/// A process that was killed by SIGKILL.
const KILLED: i32 = 137;

/// Whether SIGTERM came.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    flag: AtomicBool,
    notify: Notify,
}

impl StopSignal {
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
        let role = spec
            .task_role
            .as_deref()
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let caller = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{}", spec.task);
        Self {
            idle: spec.command == IDLE_COMMAND,
            task: spec.task,
            environment: spec.environment,
            caller,
        }
    }

    pub(super) fn task(&self) -> &TaskId {
        &self.task
    }

    fn variable(&self, name: &str) -> &str {
        self.environment
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// Runs to its end; the exit code.
    pub(super) async fn run(&self, system: &System, told: &StopSignal) -> i32 {
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
    async fn registration(&self, system: &System, told: &StopSignal) -> Result<String, i32> {
        let limit: u64 = self
            .variable("MAYFLY_PARK_SECONDS")
            .parse()
            .map_err(|_| 22)?;
        let deadline = system.world.clock.elapsed() + Duration::from_secs(limit);
        let body = json!({ "runner": self.variable("MAYFLY_RUNNER") });
        let mut tries = 0;
        loop {
            let reply = told
                .or(system.request(&self.caller, "/registration", &body))
                .await
                .ok_or(0)?;
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
            let left = deadline.saturating_sub(system.world.clock.elapsed());
            told.or(tokio::time::sleep(pause(system, &reply, tries).min(left)))
                .await
                .ok_or(0)?;
        }
    }

    /// `run.sh`: one connection, one job.
    async fn listen(&self, system: &System, told: &StopSignal, registration: &str) -> i32 {
        if let Some(BadImage::Ends(code)) = system.world.image() {
            return code;
        }
        let opened = system
            .world
            .with_github(|github, now| github.open_session(registration, now));
        // run-helper.sh makes 0 of the listener's own failures.
        let Ok((session, _)) = opened else { return 0 };
        loop {
            let given = system
                .world
                .ask_github(|github, now| github.poll(&session, now));
            let job = given.map(|given| {
                given.and_then(|_| {
                    system.world.with_github(|github, now| {
                        let request =
                            Request::new("GET", &format!("/_runner/session/{session}/job"));
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
            if told.or(news(system, &session)).await.is_none() {
                let _ = system
                    .world
                    .with_github(|github, now| github.close_session(&session, now));
                return 0;
            }
        }
    }

    async fn work(
        &self,
        system: &System,
        told: &StopSignal,
        session: &SessionId,
        job: &Value,
    ) -> i32 {
        if matches!(self.admission(system, session, job).await, Admitted::No) {
            // SIGKILL: GitHub hears nothing more of it.
            return KILLED;
        }
        let steps = job["steps"].as_u64().unwrap_or_default();
        let all = Duration::try_from_secs_f64(job["seconds_to_run"].as_f64().unwrap_or_default())
            .unwrap_or_default();
        let each = all / u32::try_from(steps.max(1)).unwrap_or(1);
        for step in 0..steps {
            let named = format!("Step {step}");
            let done = async {
                live(system, session, each).await?;
                system
                    .world
                    .ask_github(|github, now| github.step(session, &named, now))
            };
            match told.or(done).await {
                None => {
                    let _ = system
                        .world
                        .with_github(|github, now| github.close_session(session, now));
                    return 0;
                }
                Some(Ok(()) | Err(Interrupted::Unknown)) => {}
                Some(Err(_)) => break,
            }
        }
        let _ = system
            .world
            .with_github(|github, now| github.complete(session, None, now));
        if system.world.hang.load(Ordering::Relaxed) {
            told.or(std::future::pending::<()>()).await;
        }
        self.report(system).await;
        0
    }

    /// The end of `entrypoint.sh`: says what the container used, and waits no longer than that may
    /// take. Whatever ran in it may have said something else, and the metadata endpoint may be
    /// missing.
    async fn report(&self, system: &System) {
        let (memory, cpu, kills) = match system.world.below(100) {
            0..5 => return,
            5..7 => (u64::MAX, 0, 0),
            7..9 => (1, u64::MAX, 0),
            9 => (1, 0, u32::MAX),
            _ => (
                (1 + system.world.below(500)) * 1024 * 1024,
                system.world.below(1_000),
                0,
            ),
        };
        let body = json!({
            "runner": self.variable("MAYFLY_RUNNER"),
            "memory_peak_bytes": memory,
            "cpu_milliseconds": cpu,
            "memory_kills": kills,
        });
        let told = system.request(&self.caller, "/usage", &body);
        // Nothing comes of the answer.
        let _ = tokio::time::timeout(REPORT, told).await;
    }

    /// `job-started.sh`: asks whether the job may run here.
    async fn admission(&self, system: &System, session: &SessionId, job: &Value) -> Admitted {
        if system.world.image() == Some(BadImage::TakesTheHookAway) {
            return Admitted::Yes;
        }
        let fails_closed = self.variable("MAYFLY_FAIL_CLOSED") == "1";
        let deadline = system.world.clock.elapsed() + timeouts::admission(fails_closed);
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
        let mut tries = 0;
        loop {
            let left = deadline.saturating_sub(system.world.clock.elapsed());
            if left.is_zero() {
                break;
            }
            // One request lasts no longer than what is left: after that its answer is not waited
            // for, though registrar may have made up its mind.
            let asked = alive_during(
                system,
                session,
                system.request(&self.caller, "/admission", &body),
            );
            let Ok(reply) = tokio::time::timeout(left.min(timeouts::SCRIPT_REQUEST), asked).await
            else {
                continue;
            };
            let said: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            match (reply.status, reply.ours, said["admitted"].as_bool()) {
                (200, true, Some(true)) => return Admitted::Yes,
                (403, true, _) | (_, true, Some(false)) => return Admitted::No,
                _ => {
                    // The runner tells GitHub that it lives while its hook waits.
                    tries += 1;
                    let left = deadline.saturating_sub(system.world.clock.elapsed());
                    let _ = live(system, session, pause(system, &reply, tries).min(left)).await;
                }
            }
        }
        if fails_closed {
            Admitted::No
        } else {
            Admitted::Yes
        }
    }
}

/// How long a container waits before it asks again, for the `tries`th time in a row, from 1.
fn pause(system: &System, reply: &Reply, tries: u32) -> Duration {
    if !system.world.containers_wait() {
        return reply.retry_after.map_or(RETRY, Duration::from_secs)
            + Duration::from_millis(system.world.below(1000));
    }
    let seconds = script_waits(reply.retry_after, tries);
    Duration::from_secs(seconds) + Duration::from_millis(system.world.below(250 * seconds))
}

/// What `pause` of the entry script waits for, in seconds, before it adds up to a quarter: what the
/// answer says, 1 to 120, else 1, 2, 4 … 32 and then 60. Its hook waits in the same way.
fn script_waits(said: Option<u64>, tries: u32) -> u64 {
    match said {
        Some(said) => said.clamp(1, 120),
        None if tries <= 6 => 1 << tries.saturating_sub(1),
        None => 60,
    }
}

/// Three signs of life in the time after which GitHub takes a runner for lost.
fn heartbeat(system: &System) -> Duration {
    let lost_after = system
        .world
        .lock_github(|github, _| github.settings.lost_after);
    Duration::try_from_secs_f64(lost_after / 3.0).map_or(HEARTBEAT, |third| third.min(HEARTBEAT))
}

/// Until there is something to hear at the long poll, or it is time for another one.
async fn news(system: &System, session: &SessionId) {
    select(
        pin!(system.world.news_for(session)),
        pin!(tokio::time::sleep(heartbeat(system))),
    )
    .await;
}

/// Waits for something, with signs of life.
async fn alive_during<T>(system: &System, session: &SessionId, what: impl Future<Output = T>) -> T {
    let (mut what, heartbeat) = (pin!(what), heartbeat(system));
    loop {
        match select(what.as_mut(), pin!(tokio::time::sleep(heartbeat))).await {
            Either::Left((done, _)) => return done,
            Either::Right(_) => {
                let _ = system
                    .world
                    .ask_github(|github, now| github.heartbeat(session, now));
            }
        }
    }
}

/// Works for a while, with signs of life.
async fn live(system: &System, session: &SessionId, work: Duration) -> Result<(), Interrupted> {
    let (end, heartbeat) = (system.world.clock.elapsed() + work, heartbeat(system));
    loop {
        let left = end.saturating_sub(system.world.clock.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(left.min(heartbeat)).await;
        system
            .world
            .ask_github(|github, now| github.heartbeat(session, now))?;
    }
}

#[cfg(test)]
mod tests {
    use super::script_waits;
    use std::process::Command;

    /// What the entry script's own `pause` sleeps for, in seconds without its quarter, for answers
    /// that say nothing.
    fn of_the_script(tries: u32) -> u64 {
        let script = mayfly_test_support::repository::repository()
            .unwrap()
            .join("runner/entrypoint.sh");
        let text = std::fs::read_to_string(script).unwrap();
        let from = text.find("\npause() {").unwrap() + 1;
        let pause = &text[from..from + text[from..].find("\n}\n").unwrap() + 3];
        // RANDOM that is unset is no longer drawn: 0.
        let run = format!(
            "unset RANDOM; RANDOM=0; declare -A answer=() setting=([unit]=1000); deadline=100000; tries={tries}; child=; \
             sleep() {{ printf '%s' \"${{1%%.*}}\"; }}\n{pause}\npause"
        );
        let output = Command::new("bash").args(["-c", &run]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }

    #[test]
    fn containers_wait_as_the_entry_script_and_its_hook_do() {
        let waits: Vec<u64> = (1..=8).map(|tries| script_waits(None, tries)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits, (0..8).map(of_the_script).collect::<Vec<_>>());
        assert_eq!(
            [
                script_waits(Some(0), 3),
                script_waits(Some(5), 3),
                script_waits(Some(900), 3)
            ],
            [1, 5, 120]
        );
    }
}
