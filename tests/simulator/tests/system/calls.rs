//! What one job costs in calls, by function: the numbers of docs/ARCHITECTURE.md.

use std::collections::BTreeMap;

use mayfly_simulator::system::Start;

use crate::start::{done, queue_one, rest};

/// One job on warm functions, from its first delivery to the end of its task. Left out is what is
/// done once a minute whether there are jobs or not: sweeps, the looks that they bring about, and
/// reading the settings.
async fn calls_of_one_job(seed: u64) -> Vec<((String, String), u64)> {
    let system = Start::seeded(seed).without_sweeps().begin().unwrap();
    let warm_up = queue_one(&system);
    done(&system, 240, &[warm_up]).await;
    rest(&system, 60).await;
    system.pass(10).await;
    let second = queue_one(&system);
    system.world.forget_calls();
    done(&system, 240, &[second]).await;
    rest(&system, 60).await;
    system.pass(10).await;
    system
        .world
        .calls()
        .into_iter()
        .filter(|((_, what), _)| what != "SSM GetParameters")
        .collect()
}

/// Of several stories the one with the fewest calls: in some, two functions write to one item at the
/// same time, and one of them does it again.
#[tokio::test(start_paused = true)]
async fn what_one_job_costs_in_calls() {
    let mut calls = Vec::new();
    for seed in 100..105 {
        let of_seed = calls_of_one_job(seed).await;
        let total = |calls: &[(_, u64)]| calls.iter().map(|(_, count)| count).sum::<u64>();
        if calls.is_empty() || total(&of_seed) < total(&calls) {
            calls = of_seed;
        }
    }
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, what), count) in &calls {
        *all.entry(what).or_default() += count;
    }
    let by_function = calls
        .iter()
        .map(|((who, what), count)| format!("{count:2} {who} {what}"));
    let together = all
        .iter()
        .map(|(what, count)| format!("{count:2} together {what}"));
    insta::assert_snapshot!(by_function.chain(together).collect::<Vec<_>>().join("\n"));
}
