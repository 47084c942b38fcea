//! Invocations: what Lambda, API Gateway, SQS and EventBridge make of what happens. Each is killed when its time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::System;
use super::queue::Batch;
use crate::github::deliveries::{Outcome, Outgoing};

/// Time limits of the functions (`infra/template.yaml`).
const WEBHOOK: Duration = Duration::from_secs(10);
const SCALER: Duration = Duration::from_secs(20);
const REGISTRAR: Duration = Duration::from_secs(29);
const OBSERVER: Duration = Duration::from_secs(20);
const SWEEPER: Duration = Duration::from_secs(55);

/// Waits before an asynchronous invocation that failed is tried again. Source: Lambda developer guide, error handling.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

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
        let answered = match serde_json::from_value(event) {
            Ok(request) => Box::pin(timeout(WEBHOOK, self.functions.webhook.answer(&request))).await.ok(),
            Err(_) => None,
        };
        self.world.with_github(|github, now| {
            let outcome = match answered {
                Some(answer) => Outcome { body: answer.reason, ..Outcome::answered(now, answer.status) },
                None => Outcome::unanswered(now, "timed out"),
            };
            github.settle(outgoing.id, outcome);
        });
    }

    /// Wakes, handed to one scaler, or to as many as the test wants.
    pub(super) async fn scale(self, batch: Batch) {
        let planners = self.world.queue.planners();
        let runs = (0..planners).map(|which| {
            let (system, event) = (self.clone(), batch.event());
            tokio::spawn(async move { system.scale_once(which, event).await })
        });
        let outcomes = futures::future::join_all(runs.collect::<Vec<_>>()).await;
        // Whatever the others came to: one answer counts.
        let failed = outcomes.into_iter().next().and_then(Result::ok).flatten();
        self.world.queue.done(&batch, failed.as_deref());
        self.world.changed.notify_one();
    }

    async fn scale_once(self, which: usize, event: Value) -> Option<Vec<String>> {
        let batch = serde_json::from_value(event).ok()?;
        let scaler = self.functions.scaler(which)?;
        let failures = Box::pin(timeout(SCALER, scaler.handle(batch))).await.ok()?;
        let failures = serde_json::to_value(failures).ok()?;
        let ids = failures["batchItemFailures"].as_array()?.iter().filter_map(|failure| failure["itemIdentifier"].as_str());
        Some(ids.map(str::to_owned).collect())
    }

    /// An event of ECS, handed to observer until it is taken.
    pub(super) async fn tell(self, event: Value) {
        for wait in RETRIES.iter().map(Some).chain([None]) {
            self.world.travel().await;
            let Ok(event) = serde_json::from_value(event.clone()) else { return };
            if matches!(Box::pin(timeout(OBSERVER, self.functions.observer.handle(event))).await, Ok(Ok(()))) {
                return;
            }
            if let Some(wait) = wait {
                tokio::time::sleep(*wait).await;
            }
        }
    }

    /// One sweep, as the schedule wants it every minute.
    pub(super) async fn sweep(self, owner: String) {
        let _ = Box::pin(timeout(SWEEPER, self.functions.sweeper.sweep(&owner))).await;
    }

    /// A request that was signed by `caller` (API Gateway's `userArn`). It goes on when who asked is gone; no answer is API Gateway's own 503.
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
        let run = tokio::spawn(async move {
            let event = serde_json::from_value(event).ok()?;
            let registrar = system.functions.registrar()?;
            Box::pin(timeout(REGISTRAR, registrar.handle(event))).await.ok()
        });
        let answer = run.await.ok().flatten();
        self.world.travel().await;
        let reply = match answer {
            Some(answer) => Reply {
                status: answer.status(),
                ours: answer.header("x-mayfly") == Some("1"),
                retry_after: answer.header("retry-after").and_then(|text| text.parse().ok()),
                body: answer.body().to_owned(),
            },
            None => Reply { status: 503, ours: false, retry_after: None, body: String::new() },
        };
        self.world.answered(path, reply.status);
        reply
    }
}

/// The first of several times, if any.
pub(super) fn earliest(times: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}

/// A map that `json!` can show.
pub(super) type Environment = BTreeMap<String, String>;
