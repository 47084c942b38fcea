//! What GitHub and ECS do meanwhile: everything that a client must live with.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::fixture::Fixture;

/// For so long GitHub answers every call with a server error.
const OUTAGE: Duration = Duration::from_secs(3);

/// For so long GitHub says to everyone that he asks too much.
const LIMITED: Duration = Duration::from_secs(2);

/// The faults in force.
pub(super) struct Weather {
    usual: Value,
    /// ECS's, as they were ordered.
    ordered: Vec<Value>,
}

impl Weather {
    /// All faults at their usual rate.
    pub(super) async fn begin(fixture: &Fixture<'_>, rng: &mut Rng) -> Self {
        // GitHub's own secondary limit would let some 180 registrations a minute pass; here it
        // strikes as a fault instead. A job whose runner died before it began is given to another
        // after 15 s, not 60.
        fixture
            .tell_github(
                "settings",
                &json!({ "points_per_minute": 100_000, "pickup": 15.0 }),
            )
            .await;
        let limited_with = if rng.bool() { 403 } else { 429 };
        let usual = json!({
            "server_error": 0.15, "answer_lost": 0.12, "slow": 0.2, "slow_by": 1.5,
            "secondary_limit": 0.03, "retry_after": 2, "limited_with": limited_with,
        });
        let deliveries = json!({ "repeated": 0.3, "times": 3, "reordered": 0.4, "window": 2.5, "lost": 0.04, "answered_5xx": 0.04 });
        fixture
            .tell_github("faults", &json!({ "api": usual, "deliveries": deliveries }))
            .await;
        let ordered = of_ecs(rng);
        assert!(
            fixture.tell_fargate("faults", &json!(ordered)).await,
            "the Fargate stand-in refused {ordered:?}"
        );
        Self { usual, ordered }
    }

    /// An outage of GitHub, and a time of limits, some time into the storm. The rhythm is the
    /// weather's own.
    pub(super) async fn inject(&mut self, fixture: &Fixture<'_>, rng: &mut Rng) {
        tokio::time::sleep(Duration::from_secs(5).mul_f64(1.0 + rng.f64())).await;
        self.gust(fixture, json!({ "server_error": 1.0 }), OUTAGE)
            .await;
        tokio::time::sleep(Duration::from_secs(4).mul_f64(1.0 + rng.f64())).await;
        self.gust(fixture, json!({ "secondary_limit": 1.0 }), LIMITED)
            .await;
    }

    async fn gust(&self, fixture: &Fixture<'_>, api: Value, long: Duration) {
        fixture.tell_github("faults", &json!({ "api": api })).await;
        tokio::time::sleep(long).await;
        fixture
            .tell_github("faults", &json!({ "api": self.usual }))
            .await;
    }

    /// No more faults. How often each of ECS's has struck.
    pub(super) async fn end(&mut self, fixture: &Fixture<'_>) -> BTreeMap<String, u64> {
        fixture
            .tell_github("faults", &json!({ "api": null, "deliveries": null }))
            .await;
        let left: Vec<Value> = fixture.fargate("faults").await;
        let url = format!("{}/_model/faults", fixture.stage.stack.fargate_url);
        assert!(
            fixture
                .stage
                .client
                .delete(url)
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
        let mut struck = BTreeMap::new();
        for fault in &self.ordered {
            *struck.entry(kind(fault)).or_default() += times(fault);
        }
        for fault in &left {
            struck
                .entry(kind(fault))
                .and_modify(|count: &mut u64| *count = count.saturating_sub(times(fault)));
        }
        struck
    }
}

/// Each strikes so many times, after some occasions that pass unharmed. None of them refuses a
/// launch whose first try went unanswered: such a launch is settled 5 minutes later, which the
/// simulation has the time for.
fn of_ecs(rng: &mut Rng) -> Vec<Value> {
    let mut fault = |kind: &str, times: u32, more: Value| {
        let mut fault = json!({ "kind": kind, "times": times, "after": rng.u32(..3) });
        for (name, value) in more.as_object().into_iter().flatten() {
            fault[name] = value.clone();
        }
        fault
    };
    vec![
        fault("no_answer_after", 2, json!({})),
        fault("server_error_after", 2, json!({})),
        fault("throttled", 3, json!({})),
        fault("no_answer_before", 1, json!({})),
        fault("server_error_before", 1, json!({})),
        fault("slow_answer", 2, json!({ "milliseconds": 3_000 })),
        fault(
            "throttled",
            2,
            json!({ "operations": ["DescribeTasks", "StopTask", "ListTasks"] }),
        ),
        fault("read_lag", 6, json!({ "milliseconds": 1_500 })),
        fault(
            "pull_failure",
            1,
            json!({ "started_by": "arm/", "after": 0 }),
        ),
        fault("slow_start", 4, json!({ "milliseconds": 2_000 })),
        fault("event_lost", 3, json!({ "last_status": "STOPPED" })),
        fault("event_lost", 3, json!({ "last_status": "RUNNING" })),
        fault("event_late", 5, json!({ "milliseconds": 4_000 })),
        fault(
            "event_repeated",
            12,
            json!({ "copies": 3, "milliseconds": 300 }),
        ),
        fault("event_reordered", 8, json!({})),
    ]
}

fn kind(fault: &Value) -> String {
    fault["kind"].as_str().unwrap_or_default().to_owned()
}

fn times(fault: &Value) -> u64 {
    fault["times"].as_u64().unwrap_or_default()
}
