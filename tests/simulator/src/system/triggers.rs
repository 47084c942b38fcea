//! Invocations: what Lambda, API Gateway, SQS and EventBridge make of what happens. Each is killed
//! when its time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use serde_json::{Value, json};

use super::System;
use super::event::Event;
use super::invocation::Came;
use super::process::{Busy, Processes};
use super::queue::Batch;
use super::start::ACCOUNT;
use mayfly_github_model::deliveries::{Outcome, Outgoing};

/// Waits before an asynchronous invocation that failed is tried again. Source: Lambda developer
/// guide, error handling.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// How long Lambda waits before it tries an asynchronous invocation again for which there was no
/// room: twice as long each time. Source: Lambda developer guide, "How Lambda handles errors and
/// retries with asynchronous invocation": from a second to five minutes, for six hours.
const THROTTLED: Duration = Duration::from_secs(1);
const THROTTLED_AT_MOST: Duration = Duration::from_secs(5 * 60);

/// What a container gets for a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `x-mayfly` was there.
    pub ours: bool,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
}

impl System {
    /// A delivery of GitHub's, answered by webhook.
    pub(super) async fn deliver(self, outgoing: Outgoing) {
        self.world.travel().await;
        let event = json!({
            "headers": outgoing.headers, "body": String::from_utf8_lossy(&outgoing.body), "isBase64Encoded": false,
        });
        let Ok(request) = serde_json::from_value(event) else {
            return;
        };
        let came = self.webhook(&request, outgoing.id.0).await;
        self.world.with_github(|github, now| {
            let outcome = match came {
                Err(status) => Outcome::answered(now, status),
                Ok(came) => match came {
                    Came::To(answer) => Outcome {
                        body: answer.reason,
                        ..Outcome::answered(now, answer.status)
                    },
                    // API Gateway's own answer (HTTP API: 500 for a function that failed).
                    Came::Crashed => Outcome::answered(now, 500),
                    Came::TimedOut => Outcome::unanswered(now, "timed out"),
                },
            };
            github.settle(outgoing.id, outcome);
        });
    }

    /// What webhook makes of a delivery, or API Gateway's own answer: 429 above the route's limit,
    /// 503 where Lambda has no room (HTTP API).
    async fn webhook(
        &self,
        request: &mayfly_webhook::Request,
        delivery: i64,
    ) -> Result<Came<mayfly_webhook::Answer>, u16> {
        if !self
            .world
            .in_use()
            .lets_in("/webhook", self.world.clock.now())
        {
            return Err(429);
        }
        let busy = self
            .functions
            .webhook
            .take(&self.world, || format!("delivery {delivery}"))
            .ok_or(503_u16)?;
        let webhook = busy.function();
        Ok(busy
            .run(&self.world, Box::pin(webhook.answer(request)), |answer| {
                format!("{} {}", answer.status, answer.reason)
            })
            .await)
    }

    /// Wakes, handed to one scaler, or to as many as the test wants.
    pub(super) async fn scale(self, batch: Batch) {
        if self.world.queue.is_stopped(&batch) {
            self.world.queue.done(&batch, Some(&[]));
            self.world.changed.notify_one();
            return;
        }
        let chances = self.world.platform_rates();
        let planners =
            self.world.queue.planners() + usize::from(self.world.chance(chances.two_scalers));
        let runs = (0..planners).map(|_| {
            let late = self
                .world
                .chance(chances.scaler_late)
                .then(|| chances.scaler_late_by.mul_f64(self.world.share()));
            let (system, batch) = (self.clone(), batch.clone());
            tokio::spawn(async move {
                if let Some(late) = late {
                    tokio::time::sleep(late).await;
                }
                batch.scope(system.scale_once(&batch)).await
            })
        });
        let outcomes = futures::future::join_all(runs.collect::<Vec<_>>()).await;
        // Whatever the others came to: one answer counts.
        let failed = outcomes.into_iter().next().and_then(Result::ok).flatten();
        self.world.queue.done(&batch, failed.as_deref());
        self.world.changed.notify_one();
    }

    async fn scale_once(self, batch: &Batch) -> Option<Vec<String>> {
        let event = serde_json::from_value(batch.event()).ok()?;
        // Without room the batch comes back once it is visible again.
        let busy = self
            .functions
            .scaler
            .take(&self.world, || batch.to_string())?;
        let scaler = busy.function();
        let failures = busy
            .run(&self.world, Box::pin(scaler.handle(event)), |failures| {
                format!("{} failed", failures.batch_item_failures.len())
            })
            .await
            .to()?;
        let failures = serde_json::to_value(failures).ok()?;
        let ids = failures["batchItemFailures"]
            .as_array()?
            .iter()
            .filter_map(|failure| failure["itemIdentifier"].as_str());
        Some(ids.map(str::to_owned).collect())
    }

    /// A process for an asynchronous invocation, which Lambda tries again while it has no room.
    async fn once_there_is_room<'a, P>(
        &self,
        processes: &'a Processes<P>,
        about: impl Fn() -> String,
        pause: &mut Duration,
    ) -> Busy<'a, P> {
        loop {
            if let Some(busy) = processes.take(&self.world, &about) {
                return busy;
            }
            tokio::time::sleep(*pause).await;
            *pause = (2 * *pause).min(THROTTLED_AT_MOST);
        }
    }

    /// An event of ECS, handed to observer until it is taken.
    pub(super) async fn tell(self, event: Value) {
        let mut pause = THROTTLED;
        for wait in RETRIES.iter().map(Some).chain([None]) {
            self.world.travel().await;
            let Ok(parsed) = serde_json::from_value(event.clone()) else {
                return;
            };
            let about = || {
                let detail = &event["detail"];
                format!(
                    "{} of {}",
                    detail["lastStatus"].as_str().unwrap_or_default(),
                    detail["startedBy"].as_str().unwrap_or_default()
                )
            };
            let busy = self
                .once_there_is_room(&self.functions.observer, about, &mut pause)
                .await;
            let observer = busy.function();
            let words = |result: &anyhow::Result<()>| {
                result
                    .as_ref()
                    .map_or_else(|error| format!("error: {error:#}"), |()| "well".to_owned())
            };
            if let Some(Ok(())) = busy
                .run(&self.world, Box::pin(observer.handle(parsed)), words)
                .await
                .to()
            {
                return;
            }
            if let Some(wait) = wait {
                tokio::time::sleep(*wait).await;
            }
        }
    }

    /// The schedule's minute: one sweep, or what EventBridge makes of it.
    pub(super) async fn tick(self, number: u32) {
        let chances = self.world.platform_rates();
        if self.world.chance(chances.schedule_skipped) {
            return;
        }
        let twice = self.world.chance(chances.schedule_twice);
        for copy in 0..=u32::from(twice) {
            let late = self
                .world
                .chance(chances.schedule_late)
                .then(|| chances.schedule_late_by.mul_f64(self.world.share()));
            let (system, owner) = (
                self.clone(),
                format!("sweep-{number}{}", if copy == 0 { "" } else { "-again" }),
            );
            tokio::spawn(Box::pin(async move {
                if let Some(late) = late {
                    tokio::time::sleep(late).await;
                }
                system.sweep(&owner).await;
            }));
        }
    }

    /// One sweep, under a name that no other has.
    async fn sweep(self, owner: &str) {
        let mut pause = THROTTLED;
        let busy = self
            .once_there_is_room(&self.functions.sweeper, || owner.to_owned(), &mut pause)
            .await;
        let sweeper = busy.function();
        let words = |result: &anyhow::Result<()>| {
            result
                .as_ref()
                .map_or_else(|error| format!("error: {error:#}"), |()| "well".to_owned())
        };
        let _ = busy
            .run(&self.world, Box::pin(sweeper.sweep(owner)), words)
            .await;
    }

    /// A request that was signed by `caller` (API Gateway's `userArn`). It goes on when who asked
    /// is gone; no answer is API Gateway's own: 500 for a function that failed, 503 for one that
    /// took too long.
    pub async fn request(&self, caller: &str, path: &'static str, body: &Value) -> Reply {
        let event = json!({
            "rawPath": path,
            "headers": { "accept": if path == "/registration" { "text/plain" } else { "application/json" } },
            "requestContext": { "routeKey": format!("POST {path}"), "authorizer": { "iam": { "userArn": caller } } },
            "body": body.to_string(),
            "isBase64Encoded": false,
        });
        self.world.travel().await;
        let system = self.clone();
        let (task, runner) = (
            task_of(caller).to_owned(),
            body["runner"].as_str().unwrap_or_default().to_owned(),
        );
        let run = tokio::spawn(async move { system.answer(path, event, task, runner).await });
        let reply = run.await.unwrap_or_else(|_| Reply::of_gateway(500));
        self.world.travel().await;
        self.world.answered(path, reply.status);
        reply
    }

    async fn answer(self, path: &'static str, event: Value, task: String, runner: String) -> Reply {
        let Ok(event) = serde_json::from_value(event) else {
            return Reply::of_gateway(500);
        };
        let reply = if self.world.in_use().lets_in(path, self.world.clock.now()) {
            self.registrar(event, || format!("{path} of {runner}"))
                .await
        } else {
            Reply::of_gateway(429)
        };
        let (status, ours) = (reply.status, reply.ours);
        let handed_out = path == "/registration" && status == 200 && ours;
        self.world.tell(|| Event::Answered {
            path,
            task,
            runner,
            status,
            ours,
            handed_out,
        });
        reply
    }

    /// What registrar answers, or API Gateway where it does not, or Lambda has no room for it.
    async fn registrar(
        &self,
        event: mayfly_registrar::Event,
        about: impl FnOnce() -> String,
    ) -> Reply {
        let Some(busy) = self.functions.registrar.take(&self.world, about) else {
            return Reply::of_gateway(503);
        };
        let registrar = busy.function();
        match busy
            .run(&self.world, Box::pin(registrar.handle(event)), |answer| {
                answer.status().to_string()
            })
            .await
        {
            Came::To(answer) => Reply {
                status: answer.status(),
                ours: answer.header("x-mayfly") == Some("1"),
                retry_after: answer
                    .header("retry-after")
                    .and_then(|text| text.parse().ok()),
                body: answer.body().to_owned(),
            },
            Came::Crashed => Reply::of_gateway(500),
            Came::TimedOut => Reply::of_gateway(503),
        }
    }
}

impl Reply {
    /// An answer that API Gateway gives in a function's place.
    fn of_gateway(status: u16) -> Self {
        Self {
            status,
            ours: false,
            retry_after: None,
            body: String::new(),
        }
    }
}

/// The first of several times, if any.
pub(super) fn earliest(times: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}

/// A map that `json!` can show.
pub(super) type Environment = BTreeMap<String, String>;

/// The task that a caller is, by the name of its session; none in another account, or under the
/// role of an administrator: anyone may choose such a name.
fn task_of(caller: &str) -> &str {
    let ours = caller
        .strip_prefix("arn:aws:sts::")
        .and_then(|rest| rest.strip_prefix(ACCOUNT))
        .and_then(|rest| rest.strip_prefix(":assumed-role/"));
    ours.and_then(|rest| rest.split_once('/'))
        .filter(|(role, _)| *role != "admin")
        .map_or("", |(_, session)| session)
}
