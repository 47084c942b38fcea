//! Many jobs at once.

use mayfly_domain::model::runner::Outcome;
use mayfly_github_model::jobs::NewJob;
use mayfly_ledger::key;
use mayfly_simulator::system::{Start, System};

use crate::start::{
    begin, check_counts, done, jobs, linux, outcomes, pool_with, queue_in_waves, queue_one, rest,
};

#[tokio::test(start_paused = true)]
async fn two_hundred_jobs_at_once_on_twenty_runners() {
    let system = begin(20);
    let jobs = system.queue_jobs(&jobs(200));
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
    check_counts(&system, 20, 200);
    assert_eq!(outcomes(&system), vec![Outcome::Ran; 200]);
    // The limit was used, too.
    assert_eq!(system.world.most_rows(&linux()), 20);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_jobs_that_steal_from_each_other_are_all_done() {
    let system = begin(21);
    system
        .world
        .with_github(|github, _| github.faults.stolen = 0.5);
    let jobs = system.queue_jobs(&jobs(200));
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
    check_counts(&system, 20, 200);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_is_cancelled_half_way_leaves_nothing() {
    let system = begin(22);
    let jobs = system.queue_jobs(&jobs(60));
    system.pass(50).await;
    for job in jobs.iter().skip(1).step_by(2) {
        system.cancel(*job);
    }
    let kept: Vec<_> = jobs.iter().copied().step_by(2).collect();
    done(&system, 1_200, &kept).await;
    rest(&system, 600).await;
    assert!(system.launched_and_most_live().1 <= 20 && system.world.most_rows(&linux()) <= 20);
}

/// More jobs than 16 runs of scaler launch, at 40 a run, and a single wake for all of them.
const MORE_THAN_A_CHAIN: u32 = 700;

/// How many are launched for them before the first of their tasks starts, whose news would wake the
/// pool.
async fn launched_by_one_wake(system: &System) -> u64 {
    // A size that never started launches a few at a time.
    let first = queue_one(system);
    done(system, 3_600, &[first]).await;
    system.pass(60).await;
    let before = system.launched_and_most_live().0;
    system.world.queue.refuse(MORE_THAN_A_CHAIN - 1);
    queue_in_waves(system, &jobs(MORE_THAN_A_CHAIN)).await;
    system.pass(STARTS_IN - 50).await;
    system.launched_and_most_live().0 - before
}

/// Seconds, below the ten minutes that a task may take.
const STARTS_IN: u64 = 500;

#[tokio::test(start_paused = true)]
async fn scaler_that_wakes_itself_is_not_taken_for_a_loop() {
    let system = Start::seeded(23)
        .without_sweeps()
        .pools(&pool_with("max = 1000"))
        .tasks_start_in(STARTS_IN)
        .begin()
        .unwrap();
    assert_eq!(
        launched_by_one_wake(&system).await,
        u64::from(MORE_THAN_A_CHAIN)
    );
    assert_eq!(system.world.queue.stopped(), 0);
}

#[tokio::test(start_paused = true)]
async fn ticks_make_up_for_a_chain_that_lambda_stops() {
    let system = Start::seeded(24)
        .pools(&pool_with("max = 1000"))
        .tasks_start_in(STARTS_IN)
        .begin()
        .unwrap();
    system.world.queue.stop_loops();
    assert_eq!(
        launched_by_one_wake(&system).await,
        u64::from(MORE_THAN_A_CHAIN)
    );
    assert!(
        system.world.queue.stopped() > 0,
        "the chain was long enough"
    );
}

/// The second in which most was read of the pool's partition: how many units, and who read how many
/// then, of all partitions.
async fn busiest_second(system: &System, seconds: u64) -> (u64, String) {
    let (mut most, mut before) = ((0, String::new()), system.world.table.counts());
    for _ in 0..seconds {
        system.pass(1).await;
        let now = system.world.table.counts();
        let read = now.read_of(&key::pool(&linux())) - before.read_of(&key::pool(&linux()));
        if read > most.0 {
            let of = |who, operation| {
                before
                    .iter()
                    .find(|one| (one.0, one.1) == (who, operation))
                    .map_or(0, |(_, _, count)| count.read_units)
            };
            let by = now.iter().map(|(who, operation, count)| {
                (who, operation, count.read_units - of(who, operation))
            });
            let by: Vec<_> = by
                .filter(|(.., units)| *units > 0)
                .map(|(who, operation, units)| format!("{who} {operation} {units}"))
                .collect();
            most = (
                read,
                format!(
                    "after {:?}: {}",
                    system.world.clock.elapsed(),
                    by.join(", ")
                ),
            );
        }
        before = now;
    }
    most
}

/// The most read units of the pool's partition in one second, in a burst of so many jobs on as many
/// runners.
async fn burst_far_above_githubs_limit(seed: u64, count: u32) -> (u64, String) {
    let system = Start::seeded(seed)
        .pools(&pool_with(&format!("max = {count}")))
        .begin()
        .unwrap();
    // A size that has started is launched without caution.
    done(&system, 300, &[queue_one(&system)]).await;
    let jobs = queue_in_waves(
        &system,
        &NewJob {
            seconds: 300.0,
            ..jobs(count)
        },
    )
    .await;
    let most = busiest_second(&system, 300).await;
    // The last of them are registered, and the first end.
    let most = most.max(busiest_second(&system, 300).await);
    done(&system, 1_200, &jobs).await;
    assert!(system.launched_and_most_live().1 <= count as usize);
    most
}

/// Read units of the pool's partition in the busiest second. GitHub gives 180 registrations a minute
/// and installation; a partition of the table gives 3,000 read units a second. Ten seeds with 900 jobs
/// read 893 to 1,195: how many looks and questions fall into one second is chance.
const MOST_READ: u64 = 1_500;

#[tokio::test(start_paused = true)]
async fn a_burst_of_600_reads_less_than_half_of_what_a_partition_gives() {
    let (most, by) = burst_far_above_githubs_limit(904, 600).await;
    assert!(most <= MOST_READ, "{most} read units in one second, {by}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_900_reads_less_than_half_of_what_a_partition_gives() {
    let (most, by) = burst_far_above_githubs_limit(906, 900).await;
    assert!(most <= MOST_READ, "{most} read units in one second, {by}");
}
