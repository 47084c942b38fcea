//! Reads of ECS that are behind: what it says that it does not know.

use std::time::Duration;

use mayfly_domain::model::runner::{Outcome, RunnerState};
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{PlatformRates, System};

use crate::start::{begin, done, job, outcomes, queue_one, rest, story, until};

/// How often ECS has said of the only runner that it knows no task of it.
fn denied(system: &System) -> u32 {
    system
        .runners()
        .first()
        .map_or(0, |runner| runner.launch.missing)
}

#[tokio::test(start_paused = true)]
async fn two_answers_of_ecs_at_one_moment_close_no_row() {
    let system = begin(240);
    let job = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 120, "it works", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    system.pass(360).await;
    // EventBridge is late and doubles its minute: several sweeps meet an ECS that is behind for
    // less than a minute.
    let often = PlatformRates {
        schedule_twice: 1.0,
        schedule_late: 1.0,
        schedule_late_by: Duration::from_secs(30),
        ..PlatformRates::default()
    };
    system.world.set_platform_rates(often);
    system.fault(Fault {
        milliseconds: Some(58_000),
        ..Fault::of(FaultKind::LeftOut)
    });
    until(&system, 120, "ECS denies its task", |system| {
        denied(system) == 1
    })
    .await;
    done(&system, 900, &[job]).await;
    rest(&system, 200).await;
    assert_eq!(
        (outcomes(&system), system.launched_and_most_live().0),
        (vec![Outcome::Ran], 1),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn what_ecs_said_before_a_launch_was_sent_again_does_not_count() {
    let system = begin(241);
    system.fault(Fault::of(FaultKind::NoAnswerBefore).times(3));
    let job = queue_one(&system);
    until(&system, 30, "its launch is not answered", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.launch.outcome_unknown)
    })
    .await;
    system.world.set_platform_rates(PlatformRates {
        wake_lost: 1.0,
        ..PlatformRates::default()
    });
    until(&system, 420, "ECS is asked about it", |system| {
        denied(system) == 1
    })
    .await;
    system.world.set_platform_rates(PlatformRates::default());
    until(&system, 90, "it is sent again", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    assert_eq!(denied(&system), 0, "{}", story(&system));
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

/// Days may lie between two such answers, and each is wrong.
#[tokio::test(start_paused = true)]
async fn that_ecs_knows_a_task_again_takes_back_that_it_did_not() {
    let system = begin(242);
    let job = system.queue_jobs(&NewJob {
        seconds: 3_600.0,
        ..job()
    })[0];
    until(&system, 120, "it works", |system| {
        let runners = system.runners();
        runners
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    system.pass(360).await;
    for times in 0..3 {
        system.fault(Fault {
            milliseconds: Some(40_000),
            ..Fault::of(FaultKind::LeftOut)
        });
        until(&system, 300, "ECS denies its task", |system| {
            denied(system) > 0
        })
        .await;
        assert_eq!(
            denied(&system),
            1,
            "for the {times}th time\n{}",
            story(&system)
        );
        system.world.with_ecs(|ecs, _| ecs.clear_faults());
        until(&system, 130, "ECS knows its task", |system| {
            denied(system) == 0
        })
        .await;
    }
    done(&system, 3_600, &[job]).await;
    rest(&system, 200).await;
    assert_eq!(outcomes(&system), [Outcome::Ran], "{}", story(&system));
}
