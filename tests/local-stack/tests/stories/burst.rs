//! Many jobs at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::ecs_tasks::{most_live, tasks_since};
use crate::settled::{Stage, each_ran_once};

/// Two hundred jobs on `max = 20`. Seen from Fargate and from the ledger, never more than 20 live
/// at a time.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn two_hundred_jobs_at_once_all_run_and_never_more_than_twenty_live() {
    let stage = Stage::enter().await;
    let since = Timestamp::now();
    // GitHub's secondary limit would let some 180 registrations a minute pass: it has a story of
    // its own.
    stage
        .watch
        .post("settings", &json!({ "points_per_minute": 100_000 }))
        .await
        .unwrap();
    let wish = json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"], "seconds": 0.5 });
    let ids = stage.watch.queue(&wish, 200).await.unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let (jobs, ledger) = {
        let most = Arc::clone(&most);
        stage
            .until(
                "the end of two hundred jobs",
                Duration::from_secs(400),
                move |jobs, ledger| {
                    most.fetch_max(ledger.open.len(), Ordering::Relaxed);
                    jobs.iter()
                        .filter(|job| ids.contains(&job.id))
                        .all(|job| job.status == "completed")
                        && ledger.open.is_empty()
                },
            )
            .await
    };
    let most_tasks = most_live(&tasks_since(&stage, since).await, "linux");
    let most_rows = most.load(Ordering::Relaxed);
    println!("200 jobs done; most rows at a time {most_rows}, most live tasks {most_tasks}");
    assert!((1..=20).contains(&most_rows), "{most_rows} rows");
    assert!((1..=20).contains(&most_tasks), "{most_tasks} tasks");
    assert_eq!(jobs.len(), 200);
    each_ran_once(&jobs, &ledger);
    stage
        .over(
            &jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
            Duration::from_secs(10),
        )
        .await;
}
