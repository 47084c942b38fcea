//! Several pools, pools files that change, and what sweeper does to runners that stay.

use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::runner::{Outcome, RunnerState};
use mayfly_domain::model::target::TargetScope;
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::{Fault, What, When};
use mayfly_fargate_model::Operation;
use mayfly_github_model::accounts::Visibility;
use mayfly_github_model::jobs::{Action, Conclusion, JobDeliveries, NewJob, Status};
use mayfly_simulator::system::{CallFault, PortCall, Start, System};

use crate::start::{
    begin, done, in_virtual_time, job, outcomes, pool_with, queue_one, rest, story, until,
};

fn two_pools() -> String {
    let small = r#"
        [pools.small]
        labels = ["self-hosted", "linux", "x64", "small"]
        cpu = 0.25
        memory = "512 MiB"
        max = 2
    "#;
    pool_with("max = 4") + small
}

fn of_small() -> NewJob {
    NewJob {
        labels: ["self-hosted", "small"].map(str::to_owned).to_vec(),
        ..job()
    }
}

#[tokio::test(start_paused = true)]
async fn each_pool_serves_its_own_jobs_up_to_its_own_max() {
    let system = Start::seeded(120).pools(&two_pools()).begin().unwrap();
    let mut all = system.queue_jobs(&NewJob { count: 8, ..job() });
    all.extend(system.queue_jobs(&NewJob {
        count: 6,
        ..of_small()
    }));
    done(&system, 1_200, &all).await;
    rest(&system, 120).await;
    let small: PoolName = "small".parse().unwrap();
    assert_eq!(
        (
            system.world.most_rows(&crate::start::linux()),
            system.world.most_rows(&small)
        ),
        (4, 2)
    );
    assert_eq!(system.launched_and_most_live().0, 14);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_rows_cannot_be_read_does_not_hold_up_the_other() {
    let system = Start::seeded(121).pools(&two_pools()).begin().unwrap();
    system.world.table.add_fault(
        Fault::once(When::Before, What::Fails)
            .of("scaler")
            .about("pool#small")
            .times(10_000),
    );
    let stuck = system.queue_jobs(&of_small())[0];
    let served = queue_one(&system);
    done(&system, 120, &[served]).await;
    assert_eq!(system.at_github(stuck).unwrap().0, Status::Queued);
    system.world.table.clear_faults();
    done(&system, 240, &[stuck]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_pools_file_leaves_the_last_good_one_in_force() {
    let system = begin(122);
    let first = queue_one(&system);
    done(&system, 120, &[first]).await;
    system
        .world
        .parameters
        .put_pools("[pools.linux]\nlabels = 7");
    system.pass(120).await;
    let second = queue_one(&system);
    done(&system, 240, &[second]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn cold_functions_that_find_a_broken_pools_file_go_on_with_the_newest_good_version() {
    let system = begin(128);
    system.world.parameters.put_pools(&pool_with("max = 2"));
    system
        .world
        .parameters
        .put_pools("[pools.linux]\nlabels = 7");
    let jobs = system.queue_jobs(&NewJob { count: 5, ..job() });
    done(&system, 600, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(
        (
            system.job(jobs[0]).unwrap().pools_version,
            system.launched_and_most_live().1
        ),
        (2, 2)
    );
    system.world.parameters.put_pools(&pool_with("max = 1"));
    system.pass(90).await;
    let mended = queue_one(&system);
    done(&system, 240, &[mended]).await;
    assert_eq!(system.job(mended).unwrap().pools_version, 4);
}

#[tokio::test(start_paused = true)]
async fn a_larger_max_is_used_without_a_deployment() {
    let system = Start::seeded(123)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let jobs = system.queue_jobs(&NewJob {
        count: 6,
        seconds: 300.0,
        ..job()
    });
    system.pass(30).await;
    system.world.parameters.put_pools(&pool_with("max = 6"));
    until(&system, 150, "six tasks", |system| {
        system.live_tasks().len() == 6
    })
    .await;
    done(&system, 600, &jobs).await;
    rest(&system, 120).await;
}

/// `max = 0` pauses a pool: what runs runs on, what comes is recorded and told why it waits,
/// nothing is started, and no idle runner is kept or paid for.
#[tokio::test(start_paused = true)]
async fn a_pool_with_max_0_takes_jobs_and_starts_nothing_until_it_is_raised() {
    let floor = "min_idle = 2\nmax_per_repository = 3";
    let system = Start::seeded(129)
        .pools(&pool_with(&format!("max = 6\n{floor}")))
        .begin()
        .unwrap();
    let long = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(
        &system,
        240,
        "it runs, and two runners are parked",
        |system| {
            let parked = system
                .runners()
                .iter()
                .filter(|runner| runner.state == RunnerState::Parked && runner.stop.is_none())
                .count();
            system.runner_at_github(long).is_some() && parked == 2
        },
    )
    .await;
    system
        .world
        .parameters
        .put_pools(&pool_with(&format!("max = 0\n{floor}")));
    until(&system, 240, "the floor is gone", |system| {
        system.runners().len() == 1
    })
    .await;
    let (launched, _) = system.launched_and_most_live();
    let waiting = system.queue_jobs(&NewJob { count: 3, ..job() });
    done(&system, 1_000, &[long]).await;
    system.pass(5_400).await;
    assert_eq!(
        (system.launched_and_most_live().0, system.live_tasks().len()),
        (launched, 0),
        "{}",
        story(&system)
    );
    for job in &waiting {
        assert_eq!(
            (
                system.at_github(*job).unwrap().0,
                system.job(*job).unwrap().state
            ),
            (Status::Queued, JobState::Queued)
        );
    }
    let held: Vec<_> = system.waiting().into_iter().map(|row| row.hold).collect();
    assert_eq!(
        held,
        [Some(HoldReason::PoolMax(0)); 3],
        "{}",
        story(&system)
    );
    system.world.parameters.put_pools(&pool_with("max = 6"));
    done(&system, 400, &waiting).await;
    rest(&system, 120).await;
}

/// GitHub keeps jobs of public repositories from runners of a group that admits none, and says so
/// to no one. Once the pool registers its runners at repositories, the job that waits is served
/// there, not tried in the group hour after hour.
#[tokio::test(start_paused = true)]
async fn a_job_that_its_group_keeps_out_is_served_once_its_pool_registers_at_repositories() {
    let public = |scope: &str| pool_with(&format!("max = 5\npublic = true\n{scope}"));
    let system = Start::seeded(130)
        .pools(&public(
            "scope = \"organization\"\nrunner_group = \"closed\"",
        ))
        .begin()
        .unwrap();
    system.world.with_github(|github, _| {
        let account = github
            .accounts()
            .account_by_login("acme")
            .map(|account| account.id)
            .unwrap();
        github
            .accounts_mut()
            .add_group(account, "closed", Visibility::All, false);
    });
    let kept_out = system.queue_jobs(&NewJob {
        private: Some(false),
        ..job()
    })[0];
    system.pass(1_800).await;
    assert_eq!(
        system.at_github(kept_out).unwrap().0,
        Status::Queued,
        "{}",
        story(&system)
    );
    system.world.parameters.put_pools(&public(""));
    done(&system, 420, &[kept_out]).await;
    assert!(matches!(
        system.job(kept_out).unwrap().target.unwrap().scope,
        TargetScope::Repository { .. }
    ));
    rest(&system, 600).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_image_is_used_for_the_next_runner() {
    let system = begin(124);
    let first = queue_one(&system);
    done(&system, 120, &[first]).await;
    system
        .world
        .parameters
        .put_pools(&pool_with("max = 4\nimage = \"registry.test/own:2\""));
    system.pass(90).await;
    let second = queue_one(&system);
    done(&system, 240, &[second]).await;
    assert_eq!(system.ecs_calls(Operation::RegisterTaskDefinition), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_stays_when_its_job_is_over_is_stopped_after_two_minutes() {
    let system = begin(125);
    system.world.let_containers_hang();
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    let over = system.world.clock.elapsed();
    rest(&system, 300).await;
    let waited = (system.world.clock.elapsed() - over).as_secs();
    assert!(
        (120..=190).contains(&waited) && system.ecs_calls(Operation::StopTask) >= 1,
        "{waited} s\n{}",
        story(&system)
    );
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn a_runner_ends_at_its_max_lifetime_whatever_it_does() {
    let system = Start::seeded(126)
        .pools(&pool_with("max = 2\nmax_lifetime = \"10m\""))
        .begin()
        .unwrap();
    let job = system.queue_jobs(&NewJob {
        seconds: 7_200.0,
        ..job()
    })[0];
    system.pass(600).await;
    assert_eq!(system.at_github(job).unwrap().0, Status::InProgress);
    rest(&system, 200).await;
    assert_eq!(
        system.at_github(job),
        Some((Status::Completed, Some(Conclusion::Failure)))
    );
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn a_long_job_is_left_alone() {
    let system = begin(127);
    let job = system.queue_jobs(&NewJob {
        seconds: 20_000.0,
        ..job()
    })[0];
    done(&system, 20_200, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(
        (
            system.ecs_calls(Operation::StopTask),
            system.launched_and_most_live().0
        ),
        (0, 1)
    );
}

/// I9: bounded while faults last, and settled by itself when they stop.
#[test]
fn when_everything_goes_wrong_for_a_while_the_system_settles_by_itself() {
    for seed in 130..136 {
        in_virtual_time(Box::pin(async move {
            let max = 3 + usize::try_from(seed % 5).unwrap();
            let system = Start::seeded(seed)
                .pools(&pool_with(&format!("max = {max}")))
                .begin()
                .unwrap();
            everything_goes_wrong(&system, seed);
            let mut jobs = Vec::new();
            for burst in 1..=5 {
                jobs.extend(system.queue_jobs(&NewJob {
                    count: burst,
                    seconds: f64::from(burst) * 15.0,
                    ..job()
                }));
                system.pass(20 * u64::from(burst)).await;
            }
            system.pass(300).await;
            system.world.table.clear_faults();
            system.world.with_ecs(|ecs, _| ecs.clear_faults());
            system
                .world
                .with_github(|github, _| github.faults = Default::default());
            done(&system, 7_200, &jobs).await;
            // A registration that no one answered for may be left: sweeper's second part takes it
            // away.
            until(
                &system,
                600,
                "no job waits, no task is left but one that still registers",
                |system| {
                    system.waiting().is_empty()
                        && system
                            .runners()
                            .iter()
                            .all(|runner| runner.attempt_outcome_unknown)
                },
            )
            .await;
            assert!(
                system.world.most_rows(&crate::start::linux()) <= max
                    && system.launched_and_most_live().1 <= max,
                "seed {seed}"
            );
        }));
    }
}

fn everything_goes_wrong(system: &System, seed: u64) {
    use mayfly_fargate_model::{self as fargate, FaultKind};
    use mayfly_github_model::faults::DeliveryFaults;
    system.world.with_github(|github, _| {
        github.faults.stolen = 0.5;
        github.faults.deliveries = DeliveryFaults {
            repeated: 0.3,
            reordered: 0.5,
            window: 40.0,
            late: 0.1,
            late_by: 100.0,
            ..DeliveryFaults::default()
        };
        (
            github.faults.api.server_error,
            github.faults.api.answer_lost,
            github.faults.api.secondary_limit,
        ) = (0.1, 0.1, 0.03);
    });
    let kinds = [
        FaultKind::NoCapacity,
        FaultKind::Throttled,
        FaultKind::ServerErrorAfter,
        FaultKind::NoAnswerBefore,
        FaultKind::NoAnswerAfter,
        FaultKind::SlowStart,
        FaultKind::DiesBeforeAsking,
        FaultKind::EventLost,
        FaultKind::EventRepeated,
        FaultKind::EventLate,
        FaultKind::EventReordered,
    ];
    for kind in kinds {
        system.fault(fargate::Fault {
            percent: 8,
            milliseconds: Some(60_000),
            ..fargate::Fault::of(kind)
        });
    }
    let mut draws = fastrand::Rng::with_seed(seed);
    for function in ["scaler", "registrar", "observer", "sweeper"] {
        for what in [What::Fails, What::Hangs].repeat(5) {
            let when = if draws.bool() {
                When::Before
            } else {
                When::After
            };
            system
                .world
                .table
                .add_fault(Fault::once(when, what).of(function).after(draws.u32(..60)));
        }
    }
}

/// Functions keep the pools file for a minute. Its first job must not wait for that, nor be taken
/// for another fleet's.
#[tokio::test(start_paused = true)]
async fn a_new_pools_first_job_is_served_by_functions_that_still_have_the_file_before() {
    let system = Start::seeded(129)
        .pools(&pool_with("max = 4"))
        .without_sweeps()
        .begin()
        .unwrap();
    let first = queue_one(&system);
    until(&system, 60, "a task", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.world.parameters.put_pools(&two_pools());
    system.pass(5).await;
    let job = system.queue_jobs(&of_small())[0];
    done(&system, 120, &[first, job]).await;
    assert_eq!(system.job(job).unwrap().pool.unwrap().as_str(), "small");
}

/// The end of a runner is the only news that its place is free.
#[tokio::test(start_paused = true)]
async fn at_its_max_a_pool_is_woken_by_the_end_of_a_runner() {
    let system = Start::seeded(130)
        .pools(&pool_with("max = 1"))
        .without_sweeps()
        .begin()
        .unwrap();
    let jobs = system.queue_jobs(&NewJob { count: 2, ..job() });
    done(&system, 300, &jobs).await;
}

/// Of runners that no start has proven yet only five are on their way. The first job that starts
/// proves them, and the others' runners begin then, not at the next tick.
#[tokio::test(start_paused = true)]
async fn the_jobs_beyond_the_first_five_of_a_new_definition_have_tasks_once_a_job_has_started() {
    let system = Start::seeded(132)
        .pools(&pool_with("max = 20"))
        .tasks_start_in(20)
        .without_sweeps()
        .begin()
        .unwrap();
    // Of one run: whichever runner is given which, it is one of its own run's, and wakes nothing. Nor
    // does a delivery: what registrar is asked is all that tells.
    let jobs = system.queue_jobs(&NewJob {
        count: 12,
        seconds: 300.0,
        deliveries: JobDeliveries {
            never_made: vec![Action::InProgress],
            ..JobDeliveries::default()
        },
        run_id: Some(mayfly_github_model::id::RunId(19_000_000_779)),
        ..job()
    });
    system.pass(15).await;
    assert_eq!(system.live_tasks().len(), 5);
    until(&system, 30, "each has a task", |system| {
        system.live_tasks().len() == 12
    })
    .await;
    done(&system, 600, &jobs).await;
}

/// What comes while a look is under way may not be in it: its wake counts.
#[tokio::test(start_paused = true)]
async fn a_job_that_comes_during_a_look_has_a_look_of_its_own() {
    let system = Start::seeded(131)
        .pools(&pool_with("max = 4"))
        .without_sweeps()
        .begin()
        .unwrap();
    done(&system, 120, &[queue_one(&system)]).await;
    system.pass(60).await;
    system
        .world
        .set_fault_injector(Box::new(|call: &PortCall, _: Timestamp| {
            (call.operation == "RunTask").then_some(CallFault::Slow(Duration::from_secs(8)))
        }));
    let first = queue_one(&system);
    system.pass(3).await;
    let second = queue_one(&system);
    until(&system, 30, "each has a task", |system| {
        system.live_tasks().len() == 2
    })
    .await;
    done(&system, 120, &[first, second]).await;
}
