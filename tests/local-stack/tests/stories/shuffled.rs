//! Deliveries that come more than once and in any order.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::settled::Stage;

/// Every delivery comes three times, and all of them shuffled. A `queued` that comes after its job
/// has run on another job's runner, and after that runner is gone, rightly starts one more, which
/// is retired when it got nothing: so the idle timeout is short here.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn deliveries_repeated_and_shuffled_lose_no_job_and_leave_nothing() {
    let stage = Stage::enter().await;
    let file = stage.pools().await;
    stage
        .put_pools(&format!("{file}\n[defaults]\nidle_timeout = \"1m\"\n"))
        .await;
    let faults = json!({ "deliveries": { "repeated": 1.0, "times": 3, "reordered": 1.0 } });
    let switched = stage.watch.post("faults", &faults).await.unwrap();
    assert!(
        switched.status().is_success(),
        "{}",
        switched.text().await.unwrap()
    );
    let wish = json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"], "seconds": 0.5 });
    let ids = stage.watch.queue(&wish, 12).await.unwrap();
    let (jobs, _) = stage.over(&ids, Duration::from_secs(240)).await;
    stage.put_pools(&file).await;
    let failed: Vec<_> = jobs
        .iter()
        .filter(|job| job.conclusion.as_deref() != Some("success"))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let runners: BTreeSet<_> = jobs.iter().map(|job| job.runner_name.clone()).collect();
    assert_eq!(
        runners.len(),
        jobs.len(),
        "each job ran on a runner of its own"
    );
}
