//! The queue's promise broken on purpose: one pool planned by eight scalers at once, again and
//! again.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_fargate_model::Operation;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{CallFault, ContainerBehavior, PortCall, Start};

use crate::start::{
    begin, check_counts, done, in_virtual_time, job, jobs, linux, pool_with, queue_one, rest,
    story, until,
};

const MAX: usize = 4;

#[test]
fn eight_planners_at_once_never_launch_above_max_nor_twice_for_one_job() {
    let mut rounds = 0;
    for seed in 0..12 {
        rounds += in_virtual_time(async {
            let start = Start::seeded(seed)
                .pools(&pool_with("max = 4"))
                .tasks_start_in(5);
            let system = start.begin().unwrap();
            system.world.queue.hand_to(8);
            let mut all = system.queue_jobs(&jobs(5));
            system.pass(seed % 7).await;
            all.extend(system.queue_jobs(&jobs(3)));
            done(&system, 900, &all).await;
            rest(&system, 120).await;
            check_counts(&system, MAX, 8);
            assert_eq!(system.world.most_rows(&linux()), MAX);
            // One RunTask for each row: no one sends what another has sent.
            assert_eq!(
                system.ecs_calls(Operation::RunTask),
                8,
                "seed {seed}\n{}",
                story(&system)
            );
            system.world.queue.batches()
        });
    }
    assert!(rounds >= 100, "eight planners met {rounds} times only");
}

#[test]
fn eight_planners_that_mark_and_launch_at_once_agree() {
    for seed in 0..6 {
        in_virtual_time(async {
            let start = Start::seeded(seed)
                .pools(&pool_with("max = 6\nmin_idle = 2"))
                .tasks_start_in(5);
            let system = start.begin().unwrap();
            system.world.queue.hand_to(8);
            let first = system.queue_jobs(&jobs(6));
            system.pass(1 + seed % 9).await;
            for job in &first[..3] {
                system.cancel(*job);
            }
            done(&system, 900, &first[3..]).await;
            system.pass(120).await;
            assert!(
                system.world.most_rows(&linux()) <= 6 && system.launched_and_most_live().1 <= 6
            );
            assert_eq!(
                system.runners().len(),
                2,
                "the idle floor, seed {seed}\n{}",
                story(&system)
            );
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_reads_are_slow_is_served_for_as_long_as_they_are() {
    for slow in [600, 1_100, 2_500] {
        let system = begin(910);
        system
            .world
            .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
                (call.who == "scaler" && call.operation == "Query")
                    .then_some(CallFault::Slow(Duration::from_millis(slow)))
            }));
        let mut jobs = Vec::new();
        for number in 0..60 {
            jobs.push(queue_one(&system));
            let cancelled = (number % 3 == 0).then(|| queue_one(&system));
            system.pass(4).await;
            cancelled.into_iter().for_each(|job| system.cancel(job));
        }
        done(&system, 900, &jobs).await;
        rest(&system, 900).await;
    }
}

/// Scaler's clock and the queue's are two: a wake that was sent right after a look began may seem
/// to have been sent before it.
#[tokio::test(start_paused = true)]
async fn a_job_that_comes_right_after_a_look_has_its_own_though_scalers_clock_is_fast() {
    let system = Start::seeded(953).without_sweeps().begin().unwrap();
    system.world.set_container_behavior(ContainerBehavior {
        clocks: [("scaler".to_owned(), 1_500)].into(),
        ..ContainerBehavior::default()
    });
    system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..job()
    });
    until(&system, 20, "the first one's task is asked for", |system| {
        system.launched_and_most_live().0 == 1
    })
    .await;
    let second = queue_one(&system);
    done(&system, 120, &[second]).await;
}
