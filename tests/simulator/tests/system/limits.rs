//! The idle floor, pools that go away, runners that no one needs, and GitHub's limits.

use mayfly_domain::model::runner::{Outcome, RunnerState};
use mayfly_dynamodb_model::{Fault, What, When};
use mayfly_fargate_model::Operation;
use mayfly_github_model::faults::Refusal;
use mayfly_github_model::jobs::{Action, Gate, JobDeliveries, NewJob};
use mayfly_simulator::system::{Start, System};

use crate::start::{
    begin, done, job, jobs, linux, outcomes, pool_with, queue_one, rest, story, until,
};

fn parked(system: &System) -> usize {
    system
        .runners()
        .iter()
        .filter(|runner| runner.state == RunnerState::Parked && runner.stop.is_none())
        .count()
}

fn with_floor(seed: u64) -> System {
    Start::seeded(seed)
        .pools(&pool_with("max = 10\nmin_idle = 2"))
        .begin()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_idle_floor_is_filled_and_kept() {
    let system = with_floor(80);
    until(&system, 180, "two runners are parked", |system| {
        parked(system) == 2
    })
    .await;
    system.pass(1_800).await;
    assert_eq!(
        (parked(&system), system.launched_and_most_live()),
        (2, (2, 2)),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_parked_runner_serves_a_job_in_seconds_and_is_replaced() {
    let system = with_floor(81);
    until(&system, 180, "two runners are parked", |system| {
        parked(system) == 2
    })
    .await;
    let job = queue_one(&system);
    until(&system, 12, "the job runs", |system| {
        system.steps_run(job) > 0 || system.runner_at_github(job).is_some()
    })
    .await;
    done(&system, 60, &[job]).await;
    until(&system, 120, "two runners are parked again", |system| {
        parked(system) == 2
    })
    .await;
    assert_eq!(system.launched_and_most_live().0, 3);
}

#[tokio::test(start_paused = true)]
async fn a_parked_runner_leaves_at_the_park_limit_and_is_replaced() {
    let system = Start::seeded(82)
        .pools(&pool_with("max = 10\nmin_idle = 1"))
        .begin()
        .unwrap();
    until(&system, 180, "a runner is parked", |system| {
        parked(system) == 1
    })
    .await;
    system.pass(7 * 3_600).await;
    assert_eq!(
        (parked(&system), system.launched_and_most_live().0),
        (1, 2),
        "{}",
        story(&system)
    );
    assert_eq!(outcomes(&system), [Outcome::Surplus]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_pool_drains_and_what_runs_runs_on() {
    let system = with_floor(83);
    until(&system, 180, "two runners are parked", |system| {
        parked(system) == 2
    })
    .await;
    let job = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 60, "the job runs", |system| {
        system.runner_at_github(job).is_some()
    })
    .await;
    let other = pool_with("max = 10")
        .replace("linux]", "other]")
        .replace("\"mayfly\"", "\"other\"");
    system.world.parameters.put_pools(&other);
    until(&system, 300, "the floor is gone", |system| {
        system.runners().len() == 1
    })
    .await;
    done(&system, 1_000, &[job]).await;
    rest(&system, 120).await;
    assert!(outcomes(&system).contains(&Outcome::Ran));
    system.pass(7_200).await;
    assert!(
        system
            .world
            .table
            .dump()
            .keys()
            .all(|key| key != "pools linux"),
        "forgotten once it is empty"
    );
}

#[tokio::test(start_paused = true)]
async fn a_registered_runner_without_a_job_is_taken_away_at_github_first() {
    let system = begin(84);
    // GitHub takes its time to hand jobs out.
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 100.0);
    let job = queue_one(&system);
    until(&system, 90, "its registration exists", |system| {
        !system.registrations().is_empty()
    })
    .await;
    system.cancel(job);
    let deleted = |system: &System| {
        system
            .world
            .calls()
            .get(&("sweeper".into(), "GitHub delete-runner".into()))
            .copied()
            .unwrap_or(0)
    };
    // A task that was told to stop before GitHub let go of its runner would fail whatever GitHub
    // hands to it meanwhile.
    while system.ecs_calls(Operation::StopTask) == 0
        && system.world.clock.elapsed().as_secs() < 1_200
    {
        system.pass(1).await;
        assert!(
            deleted(&system) > 0 || system.ecs_calls(Operation::StopTask) == 0,
            "{}",
            story(&system)
        );
    }
    rest(&system, 120).await;
    assert_eq!(
        (deleted(&system), outcomes(&system)),
        (1, vec![Outcome::Surplus]),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_github_hands_to_nobody_is_asked_about_and_tried_again() {
    let system = begin(89);
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 500.0);
    let job = queue_one(&system);
    done(&system, 1_200, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(
        outcomes(&system),
        [Outcome::NeverAssigned, Outcome::Ran],
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_is_busy_and_nobody_knows_is_left_alone() {
    let system = begin(85);
    let lost = JobDeliveries {
        never_made: vec![Action::InProgress],
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        seconds: 1_200.0,
        deliveries: lost,
        ..job()
    })[0];
    // Between its registration and its admission are some milliseconds.
    while !system
        .runners()
        .iter()
        .any(|one| one.registered_at.is_some())
    {
        assert!(
            system.world.clock.elapsed().as_secs() < 120,
            "it does not register\n{}",
            story(&system)
        );
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // Admission cannot be asked for: this pool lets the job run.
    system.world.table.add_fault(
        Fault::once(When::Before, What::Fails)
            .of("registrar")
            .times(10_000),
    );
    system.pass(120).await;
    system.world.table.clear_faults();
    assert_eq!(
        system.runners()[0].state,
        RunnerState::Registered,
        "{}",
        story(&system)
    );
    until(&system, 600, "GitHub says that it is busy", |system| {
        system.runners()[0].state == RunnerState::Busy
    })
    .await;
    done(&system, 1_300, &[job]).await;
    rest(&system, 200).await;
    assert_eq!(
        (outcomes(&system), system.ecs_calls(Operation::StopTask)),
        (vec![Outcome::Ran], 0),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn what_github_refuses_for_good_waits_and_the_runner_takes_another_job() {
    let system = Start::seeded(86)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    system.world.with_github(|github, _| {
        github.faults.refused.insert(
            "acme/archived".to_owned(),
            Refusal {
                status: 403,
                message: Some("archived".to_owned()),
            },
        );
    });
    let refused = system.queue_jobs(&NewJob {
        repository: "acme/archived".to_owned(),
        ..job()
    })[0];
    until(&system, 20, "a runner is started", |system| {
        !system.runners().is_empty()
    })
    .await;
    let served = queue_one(&system);
    done(&system, 120, &[served]).await;
    assert_eq!(system.launched_and_most_live().0, 1, "{}", story(&system));
    assert!(
        system
            .job(refused)
            .unwrap()
            .reason
            .unwrap()
            .to_string()
            .contains("archived")
    );
    system
        .world
        .with_github(|github, _| github.faults.refused.clear());
    done(&system, 900, &[refused]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_launched_for_an_installation_that_github_told_to_wait() {
    let system = begin(87);
    system.world.with_github(|github, _| {
        github.faults.api.primary_limit = 1.0;
        github.faults.api.primary_reset = 600;
        github.faults.api.operations =
            vec!["actions/generate-runner-jitconfig-for-repo".to_owned()];
        github.faults.api.budget = Some(1);
    });
    let first = queue_one(&system);
    until(&system, 120, "GitHub says so", |system| {
        !system
            .world
            .with_github(|github, _| github.faults.api.budget == Some(1))
    })
    .await;
    let more = system.queue_jobs(&jobs(5));
    system.pass(300).await;
    assert_eq!(system.launched_and_most_live().0, 1, "{}", story(&system));
    done(&system, 900, &[first]).await;
    done(&system, 900, &more).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_has_no_more_runners_than_its_pool_allows() {
    let system = Start::seeded(88)
        .pools(&pool_with("max = 10\nmax_per_repository = 2"))
        .begin()
        .unwrap();
    let mut all = system.queue_jobs(&jobs(8));
    all.extend(system.queue_jobs(&NewJob {
        repository: "acme/other".to_owned(),
        ..jobs(2)
    }));
    done(&system, 900, &all).await;
    rest(&system, 120).await;
    assert!(system.launched_and_most_live().1 <= 4 && system.world.most_rows(&linux()) <= 4);
}

/// GitHub's limit of points would make this a story about that.
fn without_points(system: &System) {
    system
        .world
        .with_github(|github, _| github.settings.points_per_minute = 1_000_000);
}

fn busy(system: &System) -> usize {
    system
        .runners()
        .iter()
        .filter(|runner| runner.state == RunnerState::Busy)
        .count()
}

/// A hundred questions a minute about runners that are well, and one job that no runner is started
/// for before GitHub was asked about it.
#[tokio::test(start_paused = true)]
async fn a_job_that_must_be_asked_about_does_not_wait_for_questions_about_runners_at_work() {
    let system = Start::seeded(900)
        .pools(&pool_with("max = 990"))
        .begin()
        .unwrap();
    without_points(&system);
    done(&system, 300, &[queue_one(&system)]).await;
    system.queue_jobs(&NewJob {
        seconds: 4.0 * 3_600.0,
        ..jobs(400)
    });
    until(&system, 600, "they all work", |system| busy(system) >= 400).await;
    system.pass(420).await;
    system
        .world
        .with_github(|github, _| github.faults.too_old = 1.0);
    let registered = system.registrations().len();
    let job = queue_one(&system);
    until(&system, 300, "registered", |system| {
        system.registrations().len() > registered
    })
    .await;
    system.pass(5).await;
    system
        .world
        .with_github(|github, _| github.faults.too_old = 0.0);
    done(&system, 700, &[job]).await;
    let questions = system
        .world
        .calls()
        .get(&("sweeper".into(), "GitHub job".into()))
        .copied()
        .unwrap_or_default();
    assert!(questions < 100, "{questions} questions, one by one");
}

#[tokio::test(start_paused = true)]
async fn the_runners_of_a_cancelled_matrix_are_gone_within_two_minutes_of_the_idle_timeout() {
    let system = Start::seeded(908)
        .pools(&pool_with("max = 300"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    without_points(&system);
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 100_000.0);
    let matrix = system.queue_jobs(&jobs(256));
    let registered = |system: &System| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.registered_at.is_some())
            .count()
    };
    until(&system, 300, "all are registered", |system| {
        registered(system) == 256
    })
    .await;
    system
        .world
        .with_github(|github, _| github.settings.points_per_minute = 900);
    for job in matrix {
        system.cancel(job);
    }
    let kept = |system: &System| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.retired_at.is_none())
            .count()
    };
    until(&system, 300 + 120, "all were taken away", |system| {
        kept(system) == 0
    })
    .await;
    rest(&system, 180).await;
}

/// An installation has 5,000 calls in an hour, and registrations need most of them.
#[tokio::test(start_paused = true)]
async fn sixty_gates_that_stay_shut_cost_no_sweep_more_than_its_calls() {
    let system = begin(940);
    let gated = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..jobs(60)
    });
    let (mut most, mut all) = (0, 0);
    for _ in 0..60 {
        system.world.forget_calls();
        system.pass(60).await;
        let asked = |((who, what), count): ((String, String), u64)| {
            (who == "sweeper" && what == "GitHub get-job").then_some(count)
        };
        let asked: u64 = system.world.calls().into_iter().filter_map(asked).sum();
        (most, all) = (most.max(asked), all + asked);
    }
    assert!(
        all >= gated.len() as u64 && most <= 30,
        "{all} questions, {most} of them in a minute"
    );
}

/// More than one transaction can mark.
#[tokio::test(start_paused = true)]
async fn more_runners_than_one_look_can_stop_are_all_stopped_before_they_start() {
    let system = Start::seeded(941)
        .pools(&pool_with("max = 300"))
        .tasks_start_in(240)
        .begin()
        .unwrap();
    done(&system, 600, &[queue_one(&system)]).await;
    let burst = system.queue_jobs(&jobs(150));
    until(&system, 120, "each has a task", |system| {
        system.launched_and_most_live().0 == 151
    })
    .await;
    for job in burst {
        system.cancel(job);
    }
    rest(&system, 120).await;
    assert_eq!(system.registrations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_repository_at_its_limit_gets_no_runner_of_the_idle_floor_either() {
    let system = Start::seeded(938)
        .pools(&pool_with("max = 10\nmax_per_repository = 2\nmin_idle = 3"))
        .begin()
        .unwrap();
    until(&system, 300, "three are parked", |system| {
        parked(system) == 3
    })
    .await;
    let all = system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..jobs(8)
    });
    for _ in 0..600 {
        system.pass(1).await;
        let of_repository = system
            .runners()
            .iter()
            .filter(|runner| runner.target.is_some())
            .count();
        assert!(
            of_repository <= 2,
            "{of_repository} runners of one repository\n{}",
            story(&system)
        );
    }
    done(&system, 1_800, &all).await;
}

/// Its pool has room, but the repository has none.
#[tokio::test(start_paused = true)]
async fn at_its_limit_a_repository_lets_go_of_runners_whose_jobs_were_cancelled() {
    let lines = "max = 10\nmax_per_repository = 2\nidle_timeout = \"60m\"";
    let system = Start::seeded(940).pools(&pool_with(lines)).begin().unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 100_000.0);
    let fewer = vec!["self-hosted".to_owned(), "mayfly".to_owned()];
    let first = system.queue_jobs(&NewJob {
        labels: fewer,
        ..jobs(2)
    });
    let registered = |system: &System| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.registered_at.is_some())
            .count()
    };
    until(&system, 300, "both are registered", |system| {
        registered(system) == 2
    })
    .await;
    for job in first {
        system.cancel(job);
    }
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 0.0);
    let began = system.world.clock.elapsed();
    let other = queue_one(&system);
    done(&system, 300, &[other]).await;
    println!(
        "done {:?} after it came",
        system.world.clock.elapsed() - began
    );
}

#[tokio::test(start_paused = true)]
async fn at_its_max_a_pool_lets_go_of_runners_whose_jobs_were_cancelled() {
    let system = Start::seeded(939)
        .pools(&pool_with("max = 2\nidle_timeout = \"60m\""))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 100_000.0);
    let first = system.queue_jobs(&jobs(2));
    let registered = |system: &System| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.registered_at.is_some())
            .count()
    };
    until(&system, 300, "both are registered", |system| {
        registered(system) == 2
    })
    .await;
    for job in first {
        system.cancel(job);
    }
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 0.0);
    let other = system.queue_jobs(&NewJob {
        repository: "acme/lib".to_owned(),
        ..job()
    });
    done(&system, 300, &other).await;
    assert!(system.launched_and_most_live().1 <= 2);
}

/// That a limit cannot be read says nothing: GitHub may have told the installation to wait.
#[tokio::test(start_paused = true)]
async fn an_installation_whose_limit_cannot_be_read_is_asked_nothing() {
    use mayfly_simulator::system::{CallFault, Port, PortCall};
    let system = begin(960);
    system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..jobs(3)
    });
    let asked = |system: &System| -> u64 {
        let calls = system.world.calls().into_iter();
        let of_sweeper =
            calls.filter(|((who, what), _)| who == "sweeper" && what.starts_with("GitHub get-job"));
        of_sweeper.map(|(_, count)| count).sum()
    };
    system.world.set_fault_injector(Box::new(
        |call: &PortCall, _: mayfly_domain::model::time::Timestamp| {
            let limit = call.port == Port::Table && call.about.contains("limits");
            (call.who == "sweeper" && limit).then_some(CallFault::FailBefore)
        },
    ));
    system.pass(1_800).await;
    assert_eq!(asked(&system), 0);
    system.world.clear_fault_injector();
    until(&system, 300, "GitHub is asked about the gates", |system| {
        asked(system) > 0
    })
    .await;
}
