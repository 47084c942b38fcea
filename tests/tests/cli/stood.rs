//! `mayfly status`.

use mayfly_cli::commands::status_text;
use mayfly_domain::runner::RunnerState;
use mayfly_tests::fargate::{Fault, FaultKind};
use mayfly_tests::github::jobs::NewJob;
use mayfly_tests::system::Start;

use crate::scene::{holds, holds_json, now, status};
use crate::told::{begin, job, jobs, pool_with, queue_one, until};

#[tokio::test(start_paused = true)]
async fn a_pool_at_max_with_jobs_before_it() {
    let system = Start::seeded(340).pools(&pool_with("max = 2")).begin().unwrap();
    system.queue_jobs(&NewJob { seconds: 900.0, count: 2, ..job() });
    until(&system, 120, "both run", |system| system.runners().iter().filter(|runner| runner.state == RunnerState::Busy).count() == 2).await;
    system.queue_jobs(&jobs(12));
    system.pass(70).await;
    let answer = status(&system).await;
    holds(&system, "status_at_max", &status_text::text(&answer));
    holds_json(&system, "status_at_max_json", &answer);
    let pool = &answer.pools[0];
    assert_eq!((pool.max, pool.live, pool.busy, pool.waiting, answer.waiting, answer.oldest_waiting.len()), (2, 2, 2, 12, 12, 10));
    assert!(!answer.safety_net.is_torn(now(&system)), "{:?}", answer.safety_net);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_with_its_reason_and_the_last_failures() {
    let system = begin(341);
    system.fault(Fault::of(FaultKind::PullFailure));
    system.queue_jobs(&jobs(3));
    until(&system, 300, "starts have failed", |system| system.closed_runners().len() >= 3).await;
    let answer = status(&system).await;
    holds(&system, "status_breaker", &status_text::text(&answer));
    assert!(answer.pools[0].starts[0].breaker_open && answer.failures >= 3);
}

#[tokio::test(start_paused = true)]
async fn an_idle_floor() {
    let system = Start::seeded(342).pools(&pool_with("max = 4\nmin_idle = 2")).begin().unwrap();
    queue_one(&system);
    until(&system, 300, "the floor is there", |system| {
        system.runners().iter().filter(|runner| runner.state == RunnerState::Parked).count() == 2 && system.waiting().is_empty()
    })
    .await;
    let pool = &status(&system).await.pools[0];
    assert_eq!((pool.idle, pool.min_idle), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all() {
    let system = begin(343);
    system.pass(90).await;
    let answer = status(&system).await;
    holds(&system, "status_nothing", &status_text::text(&answer));
    assert_eq!((answer.waiting, answer.failures, answer.pools.len()), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_drains_is_told_and_one_that_is_empty_is_not() {
    let system = Start::seeded(344).pools(&pool_with("max = 2")).begin().unwrap();
    system.queue_jobs(&NewJob { seconds: 300.0, ..job() });
    until(&system, 120, "it runs", |system| system.runners().iter().any(|runner| runner.state == RunnerState::Busy)).await;
    system.world.parameters.put_pools(&pool_with("max = 2").replace("[pools.linux]", "[pools.other]"));
    let told: Vec<(String, bool)> = status(&system).await.pools.iter().map(|pool| (pool.pool.to_string(), pool.gone)).collect();
    assert_eq!(told, [("linux".to_owned(), true), ("other".to_owned(), false)]);
    until(&system, 600, "it has drained", |system| system.runners().is_empty()).await;
    assert_eq!(status(&system).await.pools.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_is_gone_is_noticed() {
    let system = Start::seeded(345).without_sweeps().begin().unwrap();
    // Held back: an errand that nobody runs.
    system.queue_jobs(&NewJob { gate: Some(mayfly_tests::github::jobs::Gate::Environment), ..job() });
    system.pass(1_200).await;
    let answer = status(&system).await;
    assert!(answer.safety_net.is_torn(now(&system)) && answer.safety_net.overdue == 1, "{:?}", answer.safety_net);
    holds(&system, "status_no_sweeper", &status_text::text(&answer));
}
