//! What one job costs in calls, by function: the numbers of docs/ARCHITECTURE.md.

use mayfly_tests::system::Start;

use crate::told::{done, queue_one, rest};

/// One job on warm functions, from its first delivery to the end of its task. What a sweep and the looks it brings about cost, once a minute whether
/// there are jobs or not, is left out.
#[tokio::test(start_paused = true)]
async fn what_one_job_costs_in_calls() {
    let system = Start::seeded(100).without_sweeps().begin().unwrap();
    let warm_up = queue_one(&system);
    done(&system, 240, &[warm_up]).await;
    rest(&system, 60).await;
    // Settings are read once a minute by each function that is used: as fresh as they get.
    let second = queue_one(&system);
    system.world.forget_calls();
    done(&system, 240, &[second]).await;
    rest(&system, 60).await;
    let calls = system.world.calls();
    let lines: Vec<String> =
        calls.iter().map(|((who, what), count)| format!("{count} {who} {what}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
