//! Task events on their way to the observer function, as EventBridge delivers them.

use super::events::TaskEvent;
use anyhow::{Result, bail};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// EventBridge's default retry policy: 185 attempts
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html).
const ATTEMPTS: u32 = 185;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An asynchronous invocation is only queued; more than this is a stuck endpoint.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Invocations in flight at once, so that a burst does not open hundreds of connections.
const CONCURRENT: usize = 8;

/// Where events go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) endpoint: Option<String>,
    pub(crate) function: Option<String>,
}

/// How deliveries went, for `GET /_model/calls`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct DeliveryCounts {
    delivered: AtomicU64,
    retried: AtomicU64,
    dropped: AtomicU64,
}

/// The rule's target.
pub(crate) struct Observer {
    region: String,
    target: Mutex<Target>,
    client: reqwest::Client,
    gate: Semaphore,
    pub(crate) counts: DeliveryCounts,
}

impl Observer {
    pub(crate) fn new(region: &str, target: Target, client: reqwest::Client) -> Self {
        let region = region.to_owned();
        let (target, gate) = (Mutex::new(target), Semaphore::new(CONCURRENT));
        Self {
            region,
            target,
            client,
            gate,
            counts: DeliveryCounts::default(),
        }
    }

    pub(crate) fn target(&self) -> Target {
        self.target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_target(&self, target: Target) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Delivers an event, with retries. Without a target it is dropped, as without a rule.
    pub(crate) async fn tell(&self, event: &TaskEvent) {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let Target {
                endpoint: Some(endpoint),
                function: Some(function),
            } = self.target()
            else {
                break;
            };
            if self.invoke(&endpoint, &function, event).await.is_ok() {
                self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.counts.retried.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }

    async fn invoke(&self, endpoint: &str, function: &str, event: &TaskEvent) -> Result<()> {
        let _permit = self.gate.acquire().await?;
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            endpoint.trim_end_matches('/')
        );
        let request = self
            .client
            .post(url)
            .json(&event.body)
            .timeout(INVOKE_TIMEOUT);
        let request = request.header("x-amz-invocation-type", "Event");
        let response = request
            .header("authorization", authorization(&self.region, "lambda"))
            .send()
            .await?;
        if !response.status().is_success() {
            bail!("Lambda answered {}", response.status());
        }
        Ok(())
    }
}

/// An `Authorization` header in form only: the local AWS reads region, service and account from it
/// and checks no signature.
pub(crate) fn authorization(region: &str, service: &str) -> String {
    let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_else(|_| "test".to_owned());
    let date = jiff::Timestamp::now().strftime("%Y%m%d").to_string();
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/{date}/{region}/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={:064}",
        0
    )
}
