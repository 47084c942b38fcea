//! Deliveries that come more than once and in any order.

use std::time::Duration;

use serde_json::json;

use crate::settled::{Stage, each_ran_once};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn deliveries_repeated_and_shuffled_start_one_runner_for_each_job() {
    let stage = Stage::enter().await;
    let faults = json!({ "deliveries": { "repeated": 1.0, "times": 3, "reordered": 1.0 } });
    let switched = stage.watch.post("faults", &faults).await.unwrap();
    assert!(switched.status().is_success(), "{}", switched.text().await.unwrap());
    let wish = json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"], "seconds": 0.5 });
    let ids = stage.watch.queue(&wish, 12).await.unwrap();
    let (jobs, ledger) = stage.over(&ids, Duration::from_secs(120)).await;
    each_ran_once(&jobs, &ledger);
}
