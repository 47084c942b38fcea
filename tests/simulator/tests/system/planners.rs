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

/// A stop mark stands for ever, and one look may have seen the half of something: a runner whose job
/// was cancelled serves the one that comes before the second look.
#[tokio::test(start_paused = true)]
async fn a_runner_that_a_second_look_finds_needed_is_not_stopped() {
    let system = Start::seeded(955)
        .tasks_start_in(600)
        .without_sweeps()
        .begin()
        .unwrap();
    let first = queue_one(&system);
    until(&system, 20, "its task is known", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    system.pass(30).await;
    // The queries of a look are of runners and of jobs, so the third is the second look's first.
    let (inside, mut queries) = (system.clone(), 0);
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            if call.who != "scaler" || call.operation != "Query" {
                return None;
            }
            queries += 1;
            if queries == 2 {
                let inside = inside.clone();
                tokio::spawn(async move { queue_one(&inside) });
            }
            (queries == 3 || queries == 4).then_some(CallFault::Slow(Duration::from_secs(2)))
        }));
    system.cancel(first);
    system.pass(30).await;
    system.world.clear_fault_injector();
    let runners = system.runners();
    assert_eq!(runners.len(), 1, "{}", story(&system));
    assert!(runners[0].stop.is_none(), "{}", story(&system));
    assert_eq!(system.launched_and_most_live().0, 1);
}

/// No delivery comes and no sweep ticks: the planner that launches a part wakes the pool for the rest.
#[tokio::test(start_paused = true)]
async fn what_one_look_cannot_launch_is_launched_by_the_next_ones_without_a_tick() {
    let pools = |max: u32| pool_with(&format!("max = {max}"));
    let system = Start::seeded(956)
        .pools(&pools(200))
        .without_sweeps()
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system.put_pools(&pools(0));
    system.pass(120).await;
    let burst = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..jobs(100)
    });
    until(&system, 60, "all wait", |system| {
        system.waiting().len() == burst.len()
    })
    .await;
    system.put_pools(&pools(200));
    system.pass(120).await;
    assert_eq!(system.launched_and_most_live().0, 1);
    assert!(system.wake(&linux()));
    // Before the first of them starts, and wakes the pool.
    until(&system, 15, "each has its runner", |system| {
        system.launched_and_most_live().0 == 101
    })
    .await;
}

/// Its wake, and so the look, may come a while after the request.
#[tokio::test(start_paused = true)]
async fn what_a_person_wants_stopped_is_stopped_at_the_next_look_however_late_that_is() {
    let system = Start::seeded(958)
        .tasks_start_in(900)
        .without_sweeps()
        .begin()
        .unwrap();
    queue_one(&system);
    until(&system, 20, "its task is known", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    system.pass(30).await;
    let wish = mayfly_domain::model::stop_request::StopRequest {
        at: system.world.clock.now(),
        by: "a person".to_owned(),
        force: false,
    };
    let address = system.runners()[0].address();
    let ledger = system.world.table.ledger("test");
    ledger.request_stop(&address, &wish).await.unwrap();
    system.pass(15).await;
    let stops = |system: &mayfly_simulator::system::System| system.ecs_calls(Operation::StopTask);
    assert_eq!(stops(&system), 0);
    assert!(system.wake(&linux()));
    until(&system, 8, "its task is stopped", |system| {
        stops(system) == 1
    })
    .await;
}

/// Registrar offers it that job first, and it counts for the repository's limit and trials from its
/// launch on.
#[tokio::test(start_paused = true)]
async fn a_row_says_from_its_launch_on_which_job_and_repository_it_is_for() {
    let system = begin(959);
    let job = queue_one(&system);
    until(&system, 20, "its row is there", |system| {
        !system.runners().is_empty()
    })
    .await;
    let (runner, record) = (system.runners().remove(0), system.job(job).unwrap());
    assert_eq!(
        (runner.intended, runner.repository),
        (Some(job), Some(record.repository.id))
    );
    done(&system, 240, &[job]).await;
}
