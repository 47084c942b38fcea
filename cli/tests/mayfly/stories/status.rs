//! `mayfly status`.

use mayfly_cli::commands::doctor;
use mayfly_cli::commands::doctor::finding::Level;
use mayfly_cli::commands::status::report::gather;
use mayfly_cli::commands::status::text::{frame, text as status_text};
use mayfly_cli::deployment::wait_reason::WaitKind;
use mayfly_cli::terminal::text_format::width;
use mayfly_domain::model::runner::RunnerState;
use mayfly_domain::model::time::Timestamp;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::Start;

use crate::stories::fixture::{explained, holds, holds_json, ledger, now, pools, status, text};
use crate::stories::told::{begin, job, jobs, pool_with, queue_one, until};

#[tokio::test(start_paused = true)]
async fn a_pool_at_max_with_jobs_before_it() {
    let system = Start::seeded(340)
        .pools(&pool_with("max = 2"))
        .begin()
        .unwrap();
    system.queue_jobs(&NewJob {
        seconds: 900.0,
        count: 2,
        ..job()
    });
    until(&system, 120, "both run", |system| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.state == RunnerState::Busy)
            .count()
            == 2
    })
    .await;
    system.queue_jobs(&jobs(12));
    system.pass(70).await;
    let answer = status(&system).await;
    holds(&system, "status_at_max", &status_text(&answer, None));
    holds_json(&system, "status_at_max_json", &answer);
    let pool = &answer.pools[0];
    assert_eq!(
        (
            pool.max,
            pool.live,
            pool.busy,
            pool.waiting,
            answer.waiting,
            answer.oldest_waiting.len()
        ),
        (2, 2, 2, 12, 12, 10)
    );
    assert!(
        !answer.safety_net.is_torn(now(&system)),
        "{:?}",
        answer.safety_net
    );
}

/// In words everywhere: in the table, for each job, and in doctor, which finds nothing wrong.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_paused_is_told_to_be() {
    let system = Start::seeded(350)
        .pools(&pool_with("max = 0\nmin_idle = 1"))
        .begin()
        .unwrap();
    let job = queue_one(&system);
    system.pass(1_900).await;
    let answer = status(&system).await;
    holds(&system, "status_paused", &status_text(&answer, None));
    assert_eq!(
        (answer.waiting, answer.oldest_waiting[0].waits.waits_for),
        (1, WaitKind::Paused)
    );
    let findings = doctor::pools::ledger(&answer);
    assert!(
        findings.iter().all(|finding| finding.level == Level::Good),
        "{findings:?}"
    );
    holds(&system, "paused", &text(&explained(&system, job).await));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_with_its_reason_and_the_last_failures() {
    let system = begin(341);
    system.fault(Fault::of(FaultKind::PullFailure));
    system.queue_jobs(&jobs(3));
    until(&system, 300, "starts have failed", |system| {
        system.closed_runners().len() >= 3
    })
    .await;
    let answer = status(&system).await;
    holds(&system, "status_breaker", &status_text(&answer, None));
    assert!(answer.pools[0].starts[0].breaker_open && answer.failures >= 3);
}

/// Starts go well, and jobs wait all the same: the pool's line says so, and what to look at.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_runners_github_gives_nothing() {
    let system = Start::seeded(351)
        .pools(&pool_with("max = 20"))
        .begin()
        .unwrap();
    let first = queue_one(&system);
    until(&system, 300, "a runner has asked", |system| {
        system.all_done(&[first])
    })
    .await;
    system
        .world
        .with_github(|github, _| github.faults.too_old = 1.0);
    system.queue_jobs(&jobs(20));
    system.pass(900).await;
    system.queue_jobs(&jobs(20));
    system.pass(65).await;
    let answer = status(&system).await;
    holds(&system, "status_not_assigned", &status_text(&answer, None));
    let told = &answer.pools[0].not_assigned;
    assert_eq!(
        told.iter()
            .map(|one| one.repository.as_str())
            .collect::<Vec<_>>(),
        ["acme/app"]
    );
    assert!(
        told[0].jobs >= 15 && !answer.pools[0].starts[0].breaker_open,
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_floor() {
    let system = Start::seeded(342)
        .pools(&pool_with("max = 4\nmin_idle = 2"))
        .begin()
        .unwrap();
    queue_one(&system);
    until(&system, 300, "the floor is there", |system| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.state == RunnerState::Parked)
            .count()
            == 2
            && system.waiting().is_empty()
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
    holds(&system, "status_nothing", &status_text(&answer, None));
    assert_eq!(
        (answer.waiting, answer.failures, answer.pools.len()),
        (0, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_drains_is_told_and_one_that_is_empty_is_not() {
    let system = Start::seeded(344)
        .pools(&pool_with("max = 2"))
        .begin()
        .unwrap();
    system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..job()
    });
    until(&system, 120, "it runs", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    system
        .world
        .parameters
        .put_pools(&pool_with("max = 2").replace("[pools.linux]", "[pools.other]"));
    let told: Vec<(String, bool)> = status(&system)
        .await
        .pools
        .iter()
        .map(|pool| (pool.pool.to_string(), pool.gone))
        .collect();
    assert_eq!(
        told,
        [("linux".to_owned(), true), ("other".to_owned(), false)]
    );
    until(&system, 600, "it has drained", |system| {
        system.runners().is_empty()
    })
    .await;
    assert_eq!(status(&system).await.pools.len(), 1);
}

/// The commonest mistake, a label that is mistyped, and a job that waits for an approval: both are
/// shown, and neither is an alarm about sweeper.
#[tokio::test(start_paused = true)]
async fn what_no_pool_takes_is_shown_and_is_no_alarm() {
    let system = begin(346);
    let labels = ["self-hosted", "linux", "mayflie", "full build"]
        .map(str::to_owned)
        .to_vec();
    let lost = system.queue_jobs(&NewJob {
        labels,
        count: 7,
        ..job()
    })[0];
    system.queue_jobs(&NewJob {
        gate: Some(mayfly_github_model::jobs::Gate::Environment),
        ..job()
    });
    system.pass(26 * 60).await;
    let answer = status(&system).await;
    assert_eq!(
        (
            answer.waiting,
            answer.unplaced,
            answer.oldest_unplaced.len(),
            answer.blocked
        ),
        (0, 7, 5, 1)
    );
    assert_eq!(
        (
            answer.safety_net.overdue,
            answer.safety_net.is_torn(now(&system))
        ),
        (0, false),
        "{:?}",
        answer.safety_net
    );
    let oldest = &answer.oldest_unplaced[0];
    assert_eq!(oldest.job, lost);
    assert!(
        oldest
            .because
            .as_ref()
            .is_some_and(|because| because.contains("the nearest, linux")),
        "{oldest:?}"
    );
    assert_eq!(
        oldest.ask,
        "mayfly match 'full build' linux mayflie self-hosted --repository acme/app"
    );
    holds(&system, "status_no_pool", &status_text(&answer, None));
    holds_json(&system, "status_no_pool_json", &answer);
    let found = doctor::pools::ledger(&answer);
    assert!(
        found
            .iter()
            .any(|finding| finding.what.contains("7 jobs are taken by no pool")),
        "{found:?}"
    );
    assert!(
        doctor::sweeper::judge(&answer.safety_net, "sweeper", now(&system))
            .iter()
            .all(|finding| finding.level == Level::Good)
    );
    // Sweeper closes them when their day is over; if it does not, that is an alarm.
    let late = Timestamp::from_millis(now(&system).millis() + 25 * 3_600_000);
    let answer = gather(&ledger(&system), Some(&pools(&system)), late)
        .await
        .unwrap();
    assert!(answer.safety_net.overdue >= 7, "{:?}", answer.safety_net);
}

/// The screen that is drawn again and again: pools first, no line broken, no more lines than there
/// are.
#[tokio::test(start_paused = true)]
async fn what_is_watched_fits_the_screen() {
    let system = Start::seeded(347)
        .pools(&pool_with("max = 2"))
        .begin()
        .unwrap();
    system.fault(Fault::of(FaultKind::PullFailure).times(3));
    system.queue_jobs(&NewJob {
        name: "a job with a rather long name, of a matrix (ubuntu, 20)".to_owned(),
        count: 14,
        ..job()
    });
    system.queue_jobs(&NewJob {
        labels: vec!["self-hosted".to_owned(), "gpu".to_owned()],
        ..job()
    });
    system.pass(200).await;
    let answer = status(&system).await;
    assert!(
        answer.waiting > 10 && answer.failures > 0 && answer.unplaced == 1,
        "{answer:?}"
    );
    for columns in (40..200).step_by(3) {
        for lines in [6, 12, 24, 60] {
            let frame = frame(&answer, "mayfly", 5, columns, lines);
            let bare: Vec<String> = frame
                .iter()
                .map(|line| anstream::adapter::strip_str(line).to_string())
                .collect();
            assert!(
                bare.len() <= lines,
                "{columns}x{lines}:\n{}",
                bare.join("\n")
            );
            assert!(
                bare.iter().all(|line| width(line) <= columns),
                "{columns}x{lines}:\n{}",
                bare.join("\n")
            );
            assert!(
                bare[2].starts_with("POOL") && bare[3].starts_with("linux"),
                "{columns}x{lines}:\n{}",
                bare.join("\n")
            );
            let whole = status_text(&answer, Some(columns)).lines().count() + 2;
            assert_eq!(
                bare[bare.len() - 1].contains("lines more: use"),
                whole > lines,
                "{columns}x{lines}:\n{}",
                bare.join("\n")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_is_gone_is_noticed() {
    let system = Start::seeded(345).without_sweeps().begin().unwrap();
    // Held back: a follow-up that no one runs.
    system.queue_jobs(&NewJob {
        gate: Some(mayfly_github_model::jobs::Gate::Environment),
        ..job()
    });
    system.pass(1_200).await;
    let answer = status(&system).await;
    assert!(
        answer.safety_net.is_torn(now(&system)) && answer.safety_net.overdue == 1,
        "{:?}",
        answer.safety_net
    );
    holds(&system, "status_no_sweeper", &status_text(&answer, None));
}
