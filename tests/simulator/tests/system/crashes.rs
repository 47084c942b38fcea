//! Functions are killed and answers are lost at the worst moments.

use std::time::Duration;

use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_dynamodb_model::{Fault, Operation, What, When};
use mayfly_fargate_model::{self as fargate, FaultKind};
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{CallFault, Start, System};

use crate::start::{
    begin, done, in_thread, in_virtual_time, jobs, outcomes, pool_with, queue_one, rest, story,
    until,
};

/// The fault struck: else the story tells nothing.
fn struck(system: &System) {
    assert!(
        !system.world.table.clear_faults(),
        "the fault did not strike\n{}",
        story(system)
    );
}

#[tokio::test(start_paused = true)]
async fn scaler_killed_between_commit_and_send_leaves_rows_that_the_next_run_sends() {
    let system = begin(40);
    system.world.table.add_fault(
        Fault::once(When::After, What::Hangs)
            .of("scaler")
            .on(Operation::TransactWriteItems),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    struck(&system);
    assert_eq!(
        (system.launched_and_most_live().0, outcomes(&system)),
        (1, vec![Outcome::Ran])
    );
    let runner = system.closed_runners().remove(0);
    assert_eq!(runner.launch.attempt, 1);
    let waited = runner
        .timeline
        .created
        .unwrap()
        .since(runner.requested_at)
        .as_secs();
    assert!(
        (25..=90).contains(&waited),
        "sent after {waited} s\n{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn scaler_killed_between_runtask_and_the_arn_starts_no_second_task() {
    let system = begin(41);
    system.world.table.add_fault(
        Fault::once(When::Before, What::Hangs)
            .of("scaler")
            .on(Operation::PutItem),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    struck(&system);
    assert_eq!(
        (system.launched_and_most_live().0, outcomes(&system)),
        (1, vec![Outcome::Ran]),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_launches_once() {
    let system = begin(42);
    system.world.table.add_fault(
        Fault::once(When::After, What::Fails)
            .of("scaler")
            .on(Operation::TransactWriteItems),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    struck(&system);
    assert_eq!(
        (system.launched_and_most_live().0, outcomes(&system)),
        (1, vec![Outcome::Ran])
    );
}

#[tokio::test(start_paused = true)]
async fn registrar_killed_between_githubs_answer_and_the_mark_registers_again_under_another_name() {
    let system = begin(43);
    system.world.table.add_fault(
        Fault::once(When::Before, What::Hangs)
            .of("registrar")
            .on(Operation::PutItem),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    until(
        &system,
        60,
        "only the first registration is left",
        |system| system.left_over().len() == 1,
    )
    .await;
    struck(&system);
    let runner = system.closed_runners().remove(0);
    assert_eq!(
        (
            runner.registration_attempt,
            runner.attempt_outcome_unknown,
            runner.outcome
        ),
        (2, true, Some(Outcome::Ran))
    );
    assert_eq!(
        system.registrations(),
        [format!("mayfly-linux-{}-1", runner.id)]
    );
    // No one can use it, and sweeper takes it away.
    rest(&system, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_was_marked_and_not_handed_out_is_not_handed_out_later() {
    let system = begin(44);
    system.world.table.add_fault(
        Fault::once(When::After, What::Hangs)
            .of("registrar")
            .on(Operation::PutItem),
    );
    let job = queue_one(&system);
    done(&system, 900, &[job]).await;
    rest(&system, 300).await;
    struck(&system);
    assert_eq!(
        outcomes(&system),
        [Outcome::NeverAssigned, Outcome::Ran],
        "{}",
        story(&system)
    );
    assert!(
        system
            .world
            .answers()
            .contains(&("/registration".to_owned(), 409))
    );
}

#[tokio::test(start_paused = true)]
async fn an_admission_whose_answer_is_lost_is_asked_for_again() {
    let system = begin(45);
    system.world.with_github(|github, _| {
        let faults = &mut github.faults.deliveries;
        (faults.late, faults.late_by, faults.actions) = (1.0, 10.0, vec!["in_progress".to_owned()]);
    });
    // The first plain write is the registration's mark, the second the admission's.
    system.world.table.add_fault(
        Fault::once(When::After, What::Fails)
            .of("registrar")
            .on(Operation::PutItem)
            .after(1),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    struck(&system);
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn observer_killed_before_it_closes_the_row_is_invoked_again() {
    let system = begin(46);
    system.world.table.add_fault(
        Fault::once(When::Before, What::Hangs)
            .of("observer")
            .on(Operation::TransactWriteItems),
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 120).await;
    struck(&system);
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn a_wake_that_was_not_sent_is_made_up_for_by_the_tick() {
    let system = begin(47);
    system.pass(10).await;
    system.world.queue.refuse(1);
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn runtasks_answer_lost_is_one_task() {
    let system = begin(48);
    system.fault(fargate::Fault::of(FaultKind::NoAnswerAfter).times(1));
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(
        (system.launched_and_most_live().0, outcomes(&system)),
        (1, vec![Outcome::Ran])
    );
}

#[tokio::test(start_paused = true)]
async fn runtask_that_never_answers_is_one_task_whose_runner_is_known_by_its_request() {
    let system = begin(49);
    system.fault(fargate::Fault::of(FaultKind::NoAnswerAfter).times(3));
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(
        (system.launched_and_most_live().0, outcomes(&system)),
        (1, vec![Outcome::Ran]),
        "{}",
        story(&system)
    );
}

/// One job, with one fault. What went wrong, if anything did.
fn one_job_with(seed: u64, fault: Fault) -> Option<String> {
    in_thread(move || {
        in_virtual_time(async move {
            let system = begin(seed);
            system.world.table.add_fault(fault);
            let job = queue_one(&system);
            let done = system
                .until(1_200, |system| {
                    system.all_done(&[job]) && system.runners().is_empty()
                })
                .await;
            (!done || !system.waiting().is_empty() || system.launched_and_most_live().1 > 1)
                .then(|| story(&system))
        })
    })
}

#[test]
fn every_operation_of_every_function_may_fail_once_at_every_place() {
    let functions = ["webhook", "scaler", "registrar", "observer", "sweeper"];
    for (seed, function) in (50..).zip(functions) {
        for skipped in 0..7 {
            for when in [When::Before, When::After] {
                let fault = Fault::once(when, What::Fails).of(function).after(skipped);
                // A delivery that was not recorded is asked for again by sweeper's second part; one
                // that was, and answered 503, is here.
                let recorded = Fault {
                    operation: Some(Operation::TransactWriteItems),
                    when: When::After,
                    ..fault.clone()
                };
                let wrong = one_job_with(
                    seed,
                    if function == "webhook" {
                        recorded
                    } else {
                        fault
                    },
                );
                assert_eq!(wrong, None, "{function} {when:?} after {skipped}");
            }
        }
    }
}

#[test]
fn every_function_may_be_killed_at_every_place() {
    for (seed, function) in (60..).zip(["scaler", "registrar", "observer", "sweeper"]) {
        for skipped in 0..7 {
            for when in [When::Before, When::After] {
                let wrong = one_job_with(
                    seed,
                    Fault::once(when, What::Hangs).of(function).after(skipped),
                );
                assert_eq!(wrong, None, "{function} {when:?} after {skipped}");
            }
        }
    }
}

#[test]
fn every_plain_write_may_meet_itself() {
    for (seed, function) in (70..).zip(["scaler", "registrar", "observer", "sweeper"]) {
        for skipped in 0..4 {
            let fault = Fault::once(When::After, What::Conflicts)
                .of(function)
                .on(Operation::PutItem)
                .after(skipped);
            assert_eq!(
                one_job_with(seed, fault),
                None,
                "{function} after {skipped}"
            );
        }
    }
}

#[test]
fn every_write_may_lose_a_race() {
    for (seed, function) in (80..).zip(["webhook", "scaler", "registrar", "observer", "sweeper"]) {
        for skipped in 0..4 {
            for operation in [
                Operation::TransactWriteItems,
                Operation::PutItem,
                Operation::TransactGetItems,
            ] {
                let fault = Fault::once(When::Before, What::Conflicts)
                    .of(function)
                    .on(operation)
                    .after(skipped);
                assert_eq!(
                    one_job_with(seed, fault),
                    None,
                    "{function} {operation} after {skipped}"
                );
            }
        }
    }
}

/// A row whose first launch got no answer and whose repetition is refused may have a task all the
/// same: it closes only when ECS says that it has none.
#[tokio::test(start_paused = true)]
async fn a_refused_repetition_closes_no_row_whose_first_launch_made_a_task() {
    let system = Start::seeded(950)
        .pools(&pool_with("max = 1"))
        .tasks_start_in(300)
        .without_sweeps()
        .begin()
        .unwrap();
    crate::start::inject(
        &system,
        "scaler",
        "RunTask",
        mayfly_simulator::system::CallFault::CrashAfter,
    );
    system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..jobs(2)
    });
    until(&system, 20, "its task exists", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.fault(fargate::Fault {
        code: Some("AccessDeniedException".into()),
        ..fargate::Fault::of(FaultKind::Refused)
    });
    system.fault(fargate::Fault::of(FaultKind::EventLost));
    system.pass(40).await;
    queue_one(&system);
    system.pass(20).await;
    assert_eq!(
        (system.runners().len(), system.live_tasks().len()),
        (1, 1),
        "{}",
        story(&system)
    );
}

/// It is not sent again either, which would put off the day when ECS's word about it counts: its
/// slot is the pool's only one.
#[tokio::test(start_paused = true)]
async fn a_refused_repetition_whose_first_launch_made_no_task_frees_its_slot_within_minutes() {
    let system = Start::seeded(951)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    system.fault(fargate::Fault::of(FaultKind::NoAnswerBefore).times(3));
    let job = queue_one(&system);
    until(&system, 60, "its launch has no answer", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.launch.outcome_unknown)
    })
    .await;
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    // ECS says the same of each repetition.
    let started_by = Some(system.runners()[0].address().to_string());
    let code = Some("AccessDeniedException".into());
    system.fault(fargate::Fault {
        code,
        started_by,
        ..fargate::Fault::of(FaultKind::Refused)
    });
    until(&system, 120, "it was sent again, and refused", |system| {
        system.runners().iter().any(|runner| runner.launch.given_up)
    })
    .await;
    done(&system, 900, &[job]).await;
    rest(&system, 120).await;
}

/// `mayfly stop` on a runner whose RunTask is under way; its wake is lost, and no tick makes up for
/// it.
async fn stopped_while_it_is_launched(seed: u64) -> System {
    let system = Start::seeded(seed).without_sweeps().begin().unwrap();
    crate::start::inject(
        &system,
        "scaler",
        "RunTask",
        CallFault::Slow(Duration::from_secs(4)),
    );
    queue_one(&system);
    until(&system, 20, "its row is there", |system| {
        !system.runners().is_empty()
    })
    .await;
    let ledger = system.world.table.ledger("test");
    let wish = StopRequest {
        at: system.world.clock.now(),
        by: "a person".to_owned(),
        force: false,
    };
    ledger
        .request_stop(&system.runners()[0].address(), &wish)
        .await
        .unwrap();
    system
}

fn stops(system: &System) -> u64 {
    system.ecs_calls(fargate::Operation::StopTask)
}

/// The task's events are lost as well.
#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_wants_when_its_launch_is_answered_is_stopped_at_once() {
    let system = stopped_while_it_is_launched(952).await;
    system.fault(fargate::Fault::of(FaultKind::EventLost));
    until(&system, 20, "the task is stopped", |system| {
        stops(system) == 1
    })
    .await;
}

/// ECS carries out no stop while the task starts, and registrar has no table to look into. Lambda
/// hands the event over again: no one waits for a sweep.
#[tokio::test(start_paused = true)]
async fn a_task_that_observer_could_not_stop_is_stopped_when_lambda_tries_again() {
    let system = stopped_while_it_is_launched(954).await;
    let operations = vec![fargate::Operation::StopTask];
    system.fault(fargate::Fault {
        operations,
        ..fargate::Fault::of(FaultKind::ServerErrorBefore)
    });
    system.world.table.add_fault(
        Fault::once(When::Before, What::Fails)
            .of("registrar")
            .times(u32::MAX),
    );
    until(&system, 20, "scaler tries", |system| stops(system) > 0).await;
    system.pass(10).await;
    let scalers = stops(&system);
    until(&system, 60, "observer tries", |system| {
        stops(system) > scalers
    })
    .await;
    system.pass(10).await;
    assert_eq!(system.live_tasks().len(), 1, "{}", story(&system));
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    until(&system, 80, "it is stopped", |system| {
        system.closed_runners().len() == 1
    })
    .await;
}
