//! Tasks that do not come, do not start, or end without a word.

use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::time::Timestamp;
use mayfly_fargate_model::{Fault, FaultKind, Operation};
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_simulator::system::{BadImage, CallFault, Port, PortCall, Start, System};

use crate::start::{
    Errors, begin, done, in_virtual_time, inject, jobs, linux, outcomes, pool_with, queue_one,
    rest, story, until,
};

#[tokio::test(start_paused = true)]
async fn no_capacity_in_one_place_is_tried_in_another_at_once() {
    let system = begin(60);
    system.fault(Fault::of(FaultKind::NoCapacity).times(1));
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    let runner = system.closed_runners().remove(0);
    assert_eq!(
        (
            runner.launch.attempt,
            runner.outcome,
            system.launched_and_most_live().0
        ),
        (2, Some(Outcome::Ran), 1)
    );
}

/// The first answer is lost, or comes too late; the repetition under the same token finds no place,
/// which proves that nothing came of the first.
#[test]
fn a_launch_without_an_answer_and_then_no_capacity_goes_on_to_the_next_place() {
    for (seed, call_fault) in (80..).zip([
        CallFault::HangBefore,
        CallFault::HangAfter,
        CallFault::FailBefore,
        CallFault::FailAfter,
    ]) {
        in_virtual_time(async move {
            let system = begin(seed);
            inject(&system, "scaler", "RunTask", call_fault);
            system.fault(Fault::of(FaultKind::NoCapacity).times(1));
            let job = queue_one(&system);
            done(&system, 200, &[job]).await;
            rest(&system, 60).await;
            let runner = system.closed_runners().remove(0);
            assert_eq!(
                (runner.launch.attempt, runner.outcome),
                (2, Some(Outcome::Ran)),
                "{call_fault:?}\n{}",
                story(&system)
            );
            assert_eq!(
                (
                    system.closed_runners().len(),
                    system.launched_and_most_live().0
                ),
                (1, 1),
                "{call_fault:?}"
            );
        });
    }
}

#[tokio::test(start_paused = true)]
async fn launches_that_ecs_takes_its_time_for_are_made_once() {
    for milliseconds in [3_500, 9_000] {
        let system = begin(milliseconds);
        system.fault(Fault {
            milliseconds: Some(milliseconds),
            ..Fault::of(FaultKind::SlowAnswer)
        });
        let jobs = system.queue_jobs(&jobs(10));
        done(&system, 200, &jobs).await;
        rest(&system, 60).await;
        assert_eq!(
            (
                system.ecs_calls(Operation::RunTask),
                system.launched_and_most_live().0
            ),
            (10, 10),
            "{milliseconds}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_capacity_anywhere_waits_and_asks_less_and_less() {
    let system = begin(61);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let jobs = system.queue_jobs(&jobs(30));
    system.pass(3_600).await;
    // Four places for each of five runners, after 0, 1, 3, 7, 15 minutes and so on; from the fifth
    // failure on for one runner at a time.
    let calls = system.ecs_calls(Operation::RunTask);
    assert!(
        (20..=140).contains(&calls),
        "{calls} calls in an hour\n{}",
        story(&system)
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_is_not_pulled_again_and_again() {
    let system = begin(62);
    system.fault(Fault::of(FaultKind::PullFailure));
    let jobs = system.queue_jobs(&jobs(30));
    system.pass(3_600).await;
    let (launched, most_live) = system.launched_and_most_live();
    assert!(
        most_live <= 5 && (5..=12).contains(&launched),
        "{launched} tasks, {most_live} at once"
    );
    assert!(
        outcomes(&system)
            .iter()
            .all(|outcome| *outcome == Outcome::FailedStart)
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
    assert!(system.world.most_rows(&linux()) <= 20);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_end_nobody_told_is_found_by_the_sweep() {
    let system = begin(63);
    system.fault(Fault {
        last_status: Some("STOPPED".to_owned()),
        ..Fault::of(FaultKind::EventLost)
    });
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 90).await;
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn events_that_come_twice_late_and_in_the_wrong_order_tell_the_same_story() {
    for (seed, kind) in (64..).zip([
        FaultKind::EventRepeated,
        FaultKind::EventLate,
        FaultKind::EventReordered,
        FaultKind::EventLost,
    ]) {
        crate::start::in_thread(move || {
            crate::start::in_virtual_time(async move {
                let system = begin(seed);
                system.fault(Fault {
                    milliseconds: Some(45_000),
                    copies: Some(3),
                    ..Fault::of(kind)
                });
                let jobs = system.queue_jobs(&jobs(4));
                done(&system, 300, &jobs).await;
                rest(&system, 200).await;
                assert_eq!(outcomes(&system), [Outcome::Ran; 4], "{kind:?}");
            });
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_start_in_time_is_given_up_and_another_one_serves() {
    let system = begin(70);
    system.fault(Fault {
        milliseconds: Some(1_200_000),
        ..Fault::of(FaultKind::SlowStart).times(1)
    });
    let job = queue_one(&system);
    system.pass(590).await;
    assert_eq!(
        system
            .runners()
            .iter()
            .filter(|runner| runner.stop.is_some())
            .count(),
        0
    );
    until(&system, 130, "it is marked", |system| {
        system.runners().iter().any(|runner| runner.stop.is_some())
    })
    .await;
    // Sweeper itself stops the task of what it marks, and leaves that to no later look.
    system.pass(5).await;
    let by_sweeper = ("sweeper".to_owned(), "ECS StopTask".to_owned());
    assert!(
        system.world.calls().contains_key(&by_sweeper),
        "{}",
        story(&system)
    );
    done(&system, 300, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(
        outcomes(&system),
        [Outcome::FailedStart, Outcome::Ran],
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_dies_before_it_asks_is_a_failed_start() {
    let system = begin(71);
    system.fault(Fault {
        exit_code: Some(127),
        ..Fault::of(FaultKind::DiesBeforeAsking).times(1)
    });
    let job = queue_one(&system);
    done(&system, 600, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(outcomes(&system), [Outcome::FailedStart, Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn a_runner_killed_at_work_fails_its_job_and_nothing_else() {
    let system = begin(72);
    let spot = Start::seeded(72)
        .pools(&pool_with("max = 4\ncapacity = \"spot\""))
        .begin()
        .unwrap();
    drop(system);
    spot.fault(Fault {
        milliseconds: Some(10_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let job = queue_one(&spot);
    until(&spot, 120, "the job is over", |system| {
        system
            .at_github(job)
            .is_some_and(|(status, _)| status == mayfly_github_model::jobs::Status::Completed)
    })
    .await;
    rest(&spot, 120).await;
    assert_eq!(
        (outcomes(&spot), spot.launched_and_most_live().0),
        (vec![Outcome::Ran], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn throttled_launches_are_made_later() {
    let system = begin(73);
    system.fault(Fault {
        percent: 60,
        ..Fault::of(FaultKind::Throttled)
    });
    let jobs = system.queue_jobs(&jobs(20));
    done(&system, 900, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(system.launched_and_most_live().0, 20);
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_ecs_refuses_for_good_is_tried_only_now_and_then() {
    let system = begin(74);
    system.fault(Fault {
        code: Some("AccessDeniedException".to_owned()),
        ..Fault::of(FaultKind::Refused)
    });
    let job = queue_one(&system);
    system.pass(3_600).await;
    let calls = system.ecs_calls(Operation::RunTask);
    assert!((3..=8).contains(&calls), "{calls} calls in an hour");
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 2_400, &[job]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn an_image_whose_runner_fails_after_its_registration_is_probed_and_its_jobs_are_not_blamed()
{
    for (seed, code, launches) in [(75, 7, 1..=10), (76, 1, 1..=40)] {
        let system = begin(seed);
        system.world.image_is(Some(BadImage::Ends(code)));
        let jobs = system.queue_jobs(&jobs(10));
        system.pass(3_600).await;
        let (launched, _) = system.launched_and_most_live();
        assert!(
            launches.contains(&launched),
            "exit code {code}: {launched} tasks in an hour\n{}",
            story(&system)
        );
        assert!(
            outcomes(&system)
                .iter()
                .all(|outcome| *outcome == Outcome::FailedStart),
            "exit code {code}\n{}",
            story(&system)
        );
        assert!(
            system.waiting().iter().all(|job| job.attempts == 0),
            "exit code {code}\n{}",
            story(&system)
        );
        system.world.image_is(None);
        done(&system, 3_600, &jobs).await;
        rest(&system, 300).await;
    }
}

/// A pool of 60 whose runners start, and then, with 300 jobs waiting, start no more for half an
/// hour.
async fn gone_bad(seed: u64, fault: Fault) -> System {
    let system = Start::seeded(seed)
        .pools(&pool_with("max = 60"))
        .begin()
        .unwrap();
    let first = queue_one(&system);
    done(&system, 200, &[first]).await;
    system.fault(fault);
    system.queue_jobs(&jobs(300));
    system.pass(1_800).await;
    system
}

#[tokio::test(start_paused = true)]
async fn an_image_that_worked_and_goes_bad_costs_one_wave_and_a_few_tasks_more() {
    for (seed, fault) in [
        (
            85,
            Fault {
                milliseconds: Some(2_000),
                ..Fault::of(FaultKind::DiesBeforeAsking)
            },
        ),
        (86, Fault::of(FaultKind::PullFailure)),
    ] {
        let kind = fault.kind;
        let system = gone_bad(seed, fault).await;
        let (launched, most_live) = system.launched_and_most_live();
        // The wave that was on its way when the first one failed; after that five at a time, four
        // times, then one at a time.
        assert!(
            (50..=61 + 30).contains(&launched) && most_live <= 60,
            "{kind:?}: {launched} tasks, {most_live} at once"
        );
        system.world.with_ecs(|ecs, _| ecs.clear_faults());
        until(&system, 2_400, "they start again, all at once", |system| {
            system.runners().len() == 60
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_bad_starts_do_not_slow_a_burst_of_an_image_that_works() {
    let system = Start::seeded(87)
        .pools(&pool_with("max = 60"))
        .begin()
        .unwrap();
    let first = queue_one(&system);
    done(&system, 200, &[first]).await;
    system.fault(Fault {
        milliseconds: Some(1_000),
        ..Fault::of(FaultKind::DiesBeforeAsking).times(4)
    });
    let jobs = system.queue_jobs(&jobs(60));
    done(&system, 240, &jobs).await;
    assert!(
        system.launched_and_most_live().1 >= 56,
        "{:?}",
        system.launched_and_most_live()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_person_must_correct_rings_once_and_what_passes_does_not() {
    let (errors, _guard) = Errors::listen();
    let system = begin(88);
    let transient = [
        "Timeout waiting for network interface provisioning to complete.",
        "CannotPullContainerError: 429 Too Many Requests: toomanyrequests",
    ];
    for reason in transient {
        system.fault(Fault {
            reason: Some(reason.to_owned()),
            ..Fault::of(FaultKind::PullFailure).times(3)
        });
        let jobs = system.queue_jobs(&jobs(6));
        done(&system, 900, &jobs).await;
        rest(&system, 120).await;
        assert_eq!(errors.heard(), Vec::<String>::new(), "{reason}");
    }
    let wrong = "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'.";
    for times in 1..=2 {
        system.fault(Fault {
            reason: Some(wrong.to_owned()),
            ..Fault::of(FaultKind::PullFailure)
        });
        let jobs = system.queue_jobs(&jobs(6));
        system.pass(1_200).await;
        let heard = errors.heard();
        assert_eq!(heard.len(), times, "{heard:#?}");
        let told = heard.last().unwrap();
        assert!(
            told.contains(wrong)
                && told.contains("docker buildx --platform")
                && told.contains("pool.name=linux"),
            "{told}"
        );
        system.world.with_ecs(|ecs, _| ecs.clear_faults());
        done(&system, 3_600, &jobs).await;
    }
}

/// A launch that ECS refuses for good is one line, too, however many jobs wait for it.
#[tokio::test(start_paused = true)]
async fn launches_that_ecs_refuses_ring_once() {
    let (errors, _guard) = Errors::listen();
    let system = begin(89);
    let refused = |code: &str, reason: &str| Fault {
        code: Some(code.to_owned()),
        reason: Some(reason.to_owned()),
        ..Fault::of(FaultKind::Refused)
    };
    system.fault(refused(
        "InvalidParameterException",
        "The subnet ID 'subnet-1' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
    ));
    let jobs = system.queue_jobs(&jobs(12));
    system.pass(1_800).await;
    let heard = errors.heard();
    assert_eq!(heard.len(), 1, "{heard:#?}");
    assert!(heard[0].contains("subnet-1"), "{heard:#?}");
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &jobs).await;
}

/// ECS asks EC2 about each launch's subnets, and a burst of launches is throttled there: a throttle
/// like ECS's own.
#[tokio::test(start_paused = true)]
async fn launches_that_ec2_throttles_inside_ecs_are_made_a_moment_later() {
    let (errors, _guard) = Errors::listen();
    let system = begin(90);
    let reason = "Error retrieving subnet information for [subnet-0a1b2c3d]: Rate exceeded (ErrorCode: Throttling)";
    let fault = Fault {
        code: Some("InvalidParameterException".to_owned()),
        reason: Some(reason.to_owned()),
        ..Fault::of(FaultKind::Refused).times(24)
    };
    system.fault(fault);
    let jobs = system.queue_jobs(&jobs(12));
    done(&system, 150, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(
        (outcomes(&system), errors.heard()),
        (vec![Outcome::Ran; 12], Vec::new()),
        "{}",
        story(&system)
    );
}

/// No call of this operation is carried out from now on.
fn fail_each(system: &System, operation: &'static str) {
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            (call.operation == operation).then_some(CallFault::FailBefore)
        }));
}

/// A stop that ECS did not carry out is repeated, whether or not sweeper comes by: the task is paid
/// for until it asks.
#[tokio::test(start_paused = true)]
async fn a_task_that_could_not_be_stopped_is_stopped_at_a_later_look() {
    let system = Start::seeded(84)
        .pools(&pool_with("max = 4"))
        .tasks_start_in(3_600)
        .without_sweeps()
        .begin()
        .unwrap();
    let job = queue_one(&system);
    until(&system, 30, "its task exists", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.pass(5).await;
    fail_each(&system, "StopTask");
    system.cancel(job);
    system.pass(40).await;
    assert_eq!(
        system.live_tasks().len(),
        1,
        "it could not be stopped\n{}",
        story(&system)
    );
    system.world.clear_fault_injector();
    system.wake(&linux());
    rest(&system, 60).await;
    assert_eq!(outcomes(&system), [Outcome::Surplus], "{}", story(&system));
}

/// ECS honours a client token for an hour. Sent again after that, a launch whose task was never
/// heard of would be a second one.
#[tokio::test(start_paused = true)]
async fn a_launch_without_an_answer_is_not_sent_again_once_its_token_may_be_forgotten() {
    let system = Start::seeded(85)
        .pools(&pool_with("max = 1"))
        .without_sweeps()
        .begin()
        .unwrap();
    done(&system, 120, &[queue_one(&system)]).await;
    system.pass(60).await;
    fail_each(&system, "RunTask");
    queue_one(&system);
    let sent = |system: &System| {
        let calls = system.world.calls();
        calls
            .iter()
            .filter(|((who, what), _)| who == "scaler" && what.ends_with("RunTask"))
            .map(|(_, count)| *count)
            .sum::<u64>()
    };
    for _ in 0..104 {
        system.wake(&linux());
        system.pass(30).await;
    }
    let before = sent(&system);
    assert!(before > 100, "{before} times");
    for _ in 0..20 {
        system.wake(&linux());
        system.pass(30).await;
    }
    assert_eq!(
        (sent(&system), system.runners().len()),
        (before, 1),
        "{}",
        story(&system)
    );
}

/// What passes by itself is no affair of a person's, but for as long as it lasts.
#[tokio::test(start_paused = true)]
async fn what_should_pass_and_lasts_rings_once() {
    for (seed, fault) in [
        (
            91,
            Fault {
                reason: Some(
                    "Timeout waiting for network interface provisioning to complete.".to_owned(),
                ),
                ..Fault::of(FaultKind::PullFailure)
            },
        ),
        (92, Fault::of(FaultKind::NoCapacity)),
    ] {
        let (errors, _guard) = Errors::listen();
        let system = begin(seed);
        let kind = fault.kind;
        system.fault(fault);
        let jobs = system.queue_jobs(&jobs(12));
        system.pass(600).await;
        assert_eq!(
            errors.heard(),
            Vec::<String>::new(),
            "{kind:?}: ten minutes may pass"
        );
        system.pass(2 * 3_600).await;
        let heard = errors.heard();
        assert_eq!(heard.len(), 1, "{kind:?}: {heard:#?}");
        assert!(
            heard[0].contains("5 times in a row") && heard[0].contains("What to do"),
            "{heard:#?}"
        );
        system.world.with_ecs(|ecs, _| ecs.clear_faults());
        done(&system, 3_600, &jobs).await;
        assert_eq!(errors.heard().len(), 1);
    }
}

/// Each is taken up by a write before it is sent. One after the other they would take longer than a
/// run has, and no run would come to send any.
#[tokio::test(start_paused = true)]
async fn launches_without_an_answer_are_sent_again_though_the_table_is_slow() {
    let system = Start::seeded(95)
        .pools(&pool_with("max = 150"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .set_fault_injector(Box::new(|call: &PortCall, _| {
            (call.operation == "RunTask").then_some(CallFault::FailBefore)
        }));
    let jobs = system.queue_jobs(&jobs(120));
    until(&system, 300, "no launch is answered", |system| {
        system.runners().len() == 120
    })
    .await;
    let slow = Duration::from_millis(200);
    let writes = move |call: &PortCall, _: Timestamp| {
        (call.who == "scaler" && call.port == Port::Table && call.operation == "PutItem")
            .then_some(CallFault::Slow(slow))
    };
    system.world.set_fault_injector(Box::new(writes));
    done(&system, 300, &jobs).await;
    rest(&system, 300).await;
}

/// GitHub gives nothing to runners of a version that is too old, and says nothing of it. Twenty new
/// jobs an hour.
#[tokio::test(start_paused = true)]
async fn runners_that_github_gives_nothing_cost_one_wave_and_a_few_on_trial() {
    let (errors, _guard) = Errors::listen();
    let system = Start::seeded(93)
        .pools(&pool_with("max = 50"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .with_github(|github, _| github.faults.too_old = 1.0);
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(system.queue_jobs(&jobs(20)));
        system.pass(3_600).await;
    }
    let launched = system.launched_and_most_live().0;
    assert!(
        (20..=50).contains(&launched),
        "{launched} tasks for 100 jobs in five hours\n{}",
        story(&system)
    );
    let heard = errors.heard();
    assert_eq!(heard.len(), 1, "{heard:#?}");
    assert!(
        heard[0].contains("acme/app")
            && heard[0].contains("runner group")
            && heard[0].contains("version"),
        "{heard:#?}"
    );
    let held = system
        .waiting()
        .iter()
        .filter(|job| matches!(job.hold, Some(HoldReason::NotAssigned(_))))
        .count();
    assert!(held >= 50, "{held} jobs say why they wait");
    system
        .world
        .with_github(|github, _| github.faults.too_old = 0.0);
    done(&system, 5_400, &all).await;
    rest(&system, 600).await;
    assert_eq!(errors.heard().len(), 1);
}

/// The same in a pool with an idle floor, which is refilled for each runner that leaves it.
#[tokio::test(start_paused = true)]
async fn idle_runners_of_a_floor_are_not_spent_on_jobs_that_github_gives_to_none() {
    let system = Start::seeded(98)
        .pools(&pool_with("max = 50\nmin_idle = 5"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .with_github(|github, _| github.faults.too_old = 1.0);
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(system.queue_jobs(&jobs(20)));
        system.pass(3_600).await;
    }
    let launched = system.launched_and_most_live().0;
    assert!(
        (20..=60).contains(&launched),
        "{launched} tasks for 100 jobs in five hours\n{}",
        story(&system)
    );
    system
        .world
        .with_github(|github, _| github.faults.too_old = 0.0);
    done(&system, 5_400, &all).await;
}

/// Jobs are cancelled while their runners wait for them, and no delivery tells: their runners look
/// given nothing, until GitHub is asked about the jobs.
#[tokio::test(start_paused = true)]
async fn runners_of_jobs_that_were_cancelled_untold_do_not_hold_up_the_next_jobs() {
    let (errors, _guard) = Errors::listen();
    let system = Start::seeded(94)
        .pools(&pool_with("max = 50"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 100_000.0);
    let gone = NewJob {
        deliveries: JobDeliveries {
            lost: vec![Action::Completed],
            ..JobDeliveries::default()
        },
        ..jobs(12)
    };
    let cancelled = system.queue_jobs(&gone);
    let registered = |system: &System| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.registered_at.is_some())
            .count()
    };
    until(&system, 300, "all are registered", |system| {
        registered(system) == 12
    })
    .await;
    for job in cancelled {
        system.cancel(job);
    }
    system
        .world
        .with_github(|github, _| github.faults.deliveries.lost = 1.0);
    let unassigned = |system: &System| {
        outcomes(system)
            .iter()
            .filter(|outcome| **outcome == Outcome::NeverAssigned)
            .count()
    };
    until(&system, 600, "their runners look given nothing", |system| {
        unassigned(system) >= 6
    })
    .await;
    system.world.with_github(|github, _| {
        (github.faults.deliveries.lost, github.settings.assign_after) = (0.0, 0.0)
    });
    let next = system.queue_jobs(&jobs(20));
    done(&system, 200, &next).await;
    assert_eq!(errors.heard(), Vec::<String>::new());
}
