//! Deliveries that are never made: sweeper asks GitHub, and what it says is what counts.

use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::runner::{Outcome, RunnerState};
use mayfly_dynamodb_model as dynamodb;
use mayfly_fargate_model::{Fault, FaultKind, Operation};
use mayfly_github_model::id;
use mayfly_github_model::jobs::{Action, Conclusion, Gate, JobDeliveries, NewJob, Status};
use mayfly_simulator::system::{Start, System};

use crate::start::{begin, done, job, outcomes, pool_with, queue_one, rest, story, until};

/// A job of which GitHub never makes these deliveries.
fn untold(never_made: impl Into<Vec<Action>>) -> NewJob {
    NewJob {
        deliveries: JobDeliveries {
            never_made: never_made.into(),
            ..JobDeliveries::default()
        },
        ..job()
    }
}

/// Does something of which GitHub makes no delivery.
fn silently<T>(system: &System, act: impl FnOnce(&System) -> T) -> T {
    system
        .world
        .with_github(|github, _| github.faults.deliveries.never_made = 1.0);
    let result = act(system);
    system
        .world
        .with_github(|github, _| github.faults.deliveries.never_made = 0.0);
    result
}

fn approve(system: &System, job: JobId) -> bool {
    system
        .world
        .with_github(|github, now| github.approve(id::JobId(job.0), now))
}

fn state(system: &System, job: JobId) -> Option<JobState> {
    system.job(job).map(|job| job.state)
}

async fn until_state(system: &System, seconds: u64, job: JobId, wanted: JobState) {
    until(system, seconds, &format!("it is {wanted:?}"), |system| {
        state(system, job) == Some(wanted)
    })
    .await;
}

/// True if a line of the job's story says so.
fn tells(system: &System, job: JobId, text: &str) -> bool {
    system.job(job).is_some_and(|job| {
        job.story
            .iter()
            .any(|note| note.event.to_string().contains(text))
    })
}

#[tokio::test(start_paused = true)]
async fn cancelled_jobs_of_which_nobody_told_cost_one_runner_each() {
    let system = begin(301);
    let jobs = system.queue_jobs(&NewJob {
        count: 4,
        ..untold([Action::Completed])
    });
    until(&system, 20, "each has a task", |system| {
        system.launched_and_most_live().0 == 4
    })
    .await;
    for job in &jobs {
        system.cancel(*job);
    }
    // The first of their runners that has ended wakes the pool, while the others are on their way
    // to their ends.
    for job in jobs {
        until_state(&system, 900, job, JobState::Closed).await;
    }
    rest(&system, 60).await;
    assert_eq!(system.launched_and_most_live().0, 4, "{}", story(&system));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_of_which_nobody_told_is_found_while_it_waits() {
    let system = begin(300);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = system.queue_jobs(&untold([Action::Completed]))[0];
    system.pass(60).await;
    system.cancel(job);
    system.pass(1_500).await;
    assert_eq!(
        state(&system, job),
        Some(JobState::Queued),
        "asked too early: a delivery may still come"
    );
    until_state(&system, 600, job, JobState::Closed).await;
    assert_eq!(
        system.job(job).unwrap().conclusion.as_deref(),
        Some("cancelled")
    );
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_hours_is_asked_about_twice_an_hour_and_keeps_waiting() {
    let system = begin(301);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = queue_one(&system);
    system.pass(4 * 3_600).await;
    let asked = system
        .world
        .calls()
        .iter()
        .filter(|((_, what), _)| what == "GitHub get-job")
        .map(|(_, count)| *count)
        .sum::<u64>();
    assert!((6..=8).contains(&asked), "asked {asked} times");
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 2_400, &[job]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_github_forgot_when_its_run_ended_is_closed_after_a_day_and_costs_nothing_from_then_on()
 {
    let system = begin(305);
    let job = queue_one(&system);
    system
        .world
        .with_github(|github, _| github.end_run_of(id::JobId(job.0), Conclusion::StartupFailure));
    system.pass(24 * 3_600 - 60).await;
    assert_eq!(
        state(&system, job),
        Some(JobState::Queued),
        "GitHub itself ends what waits for a day: until then it is given time"
    );
    until_state(&system, 2 * 3_600, job, JobState::Closed).await;
    assert_eq!(
        system.job(job).unwrap().conclusion.as_deref(),
        Some("startup_failure")
    );
    assert!(tells(&system, job, "its run is over"), "{}", story(&system));
    system.pass(1_200).await;
    let launched = system.launched_and_most_live().0;
    system.pass(3 * 3_600).await;
    assert_eq!(
        system.launched_and_most_live().0,
        launched,
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_opened_untold_is_found_open() {
    let system = begin(302);
    let job = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    until_state(&system, 60, job, JobState::Blocked).await;
    system.pass(60).await;
    assert!(silently(&system, |system| approve(system, job)));
    done(&system, 900, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(
        (state(&system, job), outcomes(&system).last()),
        (Some(JobState::Closed), Some(&Outcome::Ran)),
        "{}",
        story(&system)
    );
    assert!(tells(&system, job, "nothing holds it back"));
}

/// What one sweep has no calls left for, the next ones ask.
#[tokio::test(start_paused = true)]
async fn twenty_gates_that_open_untold_are_all_found_open() {
    let system = Start::seeded(330)
        .pools(&pool_with("max = 20"))
        .begin()
        .unwrap();
    // Each for a runner of its own, so that no found one's runner serves another one.
    let labels: Vec<String> = ["self-hosted", "mayfly", "run={run_id}"]
        .map(str::to_owned)
        .to_vec();
    let gated = NewJob {
        gate: Some(Gate::Environment),
        labels,
        ..job()
    };
    let jobs: Vec<JobId> = (0..20).flat_map(|_| system.queue_jobs(&gated)).collect();
    system.pass(120).await;
    silently(&system, |system| {
        jobs.iter().for_each(|job| assert!(approve(system, *job)))
    });
    done(&system, 1_800, &jobs).await;
    rest(&system, 200).await;
}

/// Follow-up work shares its installation with runners that register: what GitHub says to one
/// question holds for all that are still to be asked.
#[tokio::test(start_paused = true)]
async fn once_github_tells_an_installation_to_wait_sweeper_asks_nothing_more() {
    let system = begin(331);
    let jobs = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        count: 6,
        ..job()
    });
    system.pass(120).await;
    system.world.with_github(|github, _| {
        github.faults.api.secondary_limit = 1.0;
        github.faults.api.retry_after = 1_200;
        github.faults.api.operations = vec!["actions/get-job-for-workflow-run".to_owned()];
        github.faults.api.budget = Some(1);
    });
    system.world.forget_calls();
    system.pass(1_200).await;
    let asked: u64 = system
        .world
        .calls()
        .iter()
        .filter(|((_, what), _)| what == "GitHub get-job")
        .map(|(_, count)| *count)
        .sum();
    assert_eq!(asked, 1, "of {} jobs", jobs.len());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_stays_shut_for_hours_is_asked_about_less_and_less() {
    let system = begin(303);
    let job = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    system.pass(12 * 3_600).await;
    let asked: u64 = system
        .world
        .calls()
        .iter()
        .filter(|((_, what), _)| what == "GitHub get-job")
        .map(|(_, count)| *count)
        .sum();
    assert!((12..=16).contains(&asked), "asked {asked} times");
    assert_eq!(
        (state(&system, job), system.waiting().len()),
        (Some(JobState::Blocked), 0)
    );
    approve(&system, job);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_closed_untold_costs_one_runner_at_most() {
    let system = begin(304);
    let gated = NewJob {
        gate: Some(Gate::Environment),
        ..untold([Action::Waiting])
    };
    let job = system.queue_jobs(&gated)[0];
    until_state(&system, 600, job, JobState::Blocked).await;
    rest(&system, 120).await;
    assert_eq!(
        (outcomes(&system), system.launched_and_most_live().0),
        (vec![Outcome::NeverAssigned], 1),
        "{}",
        story(&system)
    );
    assert!(tells(&system, job, "held back"));
    system.pass(3_600).await;
    assert_eq!(system.launched_and_most_live().0, 1);
    approve(&system, job);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_which_nobody_told_after_its_queued_is_closed_all_the_same() {
    let system = begin(305);
    system.fault(Fault {
        last_status: Some("STOPPED".to_owned()),
        ..Fault::of(FaultKind::EventLost)
    });
    let job = system.queue_jobs(&untold([Action::InProgress, Action::Completed]))[0];
    done(&system, 120, &[job]).await;
    until_state(&system, 300, job, JobState::Closed).await;
    rest(&system, 60).await;
    assert_eq!(
        (outcomes(&system), system.launched_and_most_live().0),
        (vec![Outcome::Ran], 1),
        "{}",
        story(&system)
    );
    assert_eq!(
        system.job(job).unwrap().conclusion.as_deref(),
        Some("success")
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_stays_after_a_job_whose_end_nobody_told_is_stopped() {
    for never_made in [
        vec![Action::Completed],
        vec![Action::InProgress, Action::Completed],
    ] {
        let system = begin(306);
        system.world.let_containers_hang();
        let job = system.queue_jobs(&untold(never_made.clone()))[0];
        done(&system, 120, &[job]).await;
        system.pass(480).await;
        assert_eq!(
            system.live_tasks().len(),
            1,
            "stopped before anybody said that its job is over"
        );
        rest(&system, 600).await;
        assert_eq!(
            (state(&system, job), outcomes(&system)),
            (Some(JobState::Closed), vec![Outcome::Ran]),
            "{never_made:?}\n{}",
            story(&system)
        );
        assert_eq!(system.launched_and_most_live().0, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_job_of_which_nobody_told_is_left_alone() {
    for never_made in [
        vec![Action::Completed],
        vec![Action::InProgress, Action::Completed],
    ] {
        let system = begin(307);
        let job = system.queue_jobs(&NewJob {
            seconds: 20_000.0,
            ..untold(never_made)
        })[0];
        done(&system, 20_200, &[job]).await;
        until_state(&system, 300, job, JobState::Closed).await;
        rest(&system, 120).await;
        assert_eq!(
            (
                system.ecs_calls(Operation::StopTask),
                system.launched_and_most_live().0
            ),
            (0, 1),
            "{}",
            story(&system)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_github_queues_again_when_its_runner_died_gets_another_one() {
    let system = begin(308);
    let job = system.queue_jobs(&NewJob {
        seconds: 600.0,
        ..job()
    })[0];
    until_state(&system, 120, job, JobState::Running).await;
    assert!(
        system
            .world
            .with_github(|github, now| github.queue_again(id::JobId(job.0), now))
    );
    done(&system, 1_500, &[job]).await;
    rest(&system, 120).await;
    let record = system.job(job).unwrap();
    assert_eq!(
        (
            record.state,
            record.epoch,
            system.launched_and_most_live().0
        ),
        (JobState::Closed, 1, 2),
        "{}",
        story(&system)
    );
    assert_eq!(record.runner, Some(system.closed_runners()[1].id.clone()));
}

/// The App is taken off the repository for a while: that GitHub shows no such runner says nothing
/// of a runner that works.
#[tokio::test(start_paused = true)]
async fn a_job_runs_on_while_the_app_may_not_see_its_repository() {
    let system = begin(332);
    let job = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..job()
    })[0];
    until_state(&system, 120, job, JobState::Running).await;
    let install = |installed: bool| {
        system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention("acme/app", now);
            github
                .accounts_mut()
                .repository_mut(id)
                .map(|repository| repository.installed = installed)
        })
    };
    assert!(install(false).is_some());
    system.pass(1_800).await;
    assert_eq!(system.live_tasks().len(), 1, "{}", story(&system));
    install(true);
    done(&system, 1_800, &[job]).await;
    rest(&system, 300).await;
    assert_eq!(
        (system.at_github(job), system.ecs_calls(Operation::StopTask)),
        (Some((Status::Completed, Some(Conclusion::Success))), 0)
    );
}

/// The row is open for as long as the task stays, and says by then that the job is over: it leads
/// no one to the job any more.
#[tokio::test(start_paused = true)]
async fn a_job_that_github_queues_again_gets_another_runner_though_the_task_that_had_it_stays() {
    let system = begin(333);
    system.world.let_containers_hang();
    let job = system.queue_jobs(&NewJob {
        seconds: 60.0,
        ..untold([Action::Completed])
    })[0];
    until_state(&system, 120, job, JobState::Running).await;
    assert!(
        system
            .world
            .with_github(|github, now| github.queue_again(id::JobId(job.0), now))
    );
    system.pass(120).await;
    assert_eq!(system.live_tasks().len(), 1, "{}", story(&system));
    system.world.let_containers_end();
    done(&system, 2_400, &[job]).await;
    rest(&system, 300).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_runner_was_taken_away_is_closed_though_nobody_told_of_its_end() {
    let system = Start::seeded(309)
        .pools(&pool_with("max = 4\ncapacity = \"spot\""))
        .begin()
        .unwrap();
    system.fault(Fault {
        milliseconds: Some(60_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let job = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..untold([Action::Completed])
    })[0];
    until_state(&system, 120, job, JobState::Running).await;
    until_state(&system, 600, job, JobState::Closed).await;
    rest(&system, 60).await;
    assert_eq!(
        system.job(job).unwrap().conclusion.as_deref(),
        Some("failure"),
        "{}",
        story(&system)
    );
    assert_eq!(
        (
            system.launched_and_most_live().0,
            system.job(job).unwrap().epoch
        ),
        (1, 0)
    );
}

/// The thief's deliveries are never made and its admission cannot be asked for: only GitHub's
/// refusal to delete the runner tells.
#[tokio::test(start_paused = true)]
async fn a_job_whose_runner_works_on_another_one_untold_gets_the_next_runner() {
    let system = begin(310);
    let victim = queue_one(&system);
    let nothing = [Action::Queued, Action::InProgress, Action::Completed];
    let thief = system.queue_jobs(&NewJob {
        thief: true,
        seconds: 3_000.0,
        ..untold(nothing)
    })[0];
    // Between its registration and its admission are some milliseconds.
    while !system
        .runners()
        .iter()
        .any(|runner| runner.state == RunnerState::Registered)
    {
        assert!(
            system.world.clock.elapsed().as_secs() < 120,
            "it does not register\n{}",
            story(&system)
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    system.world.table.add_fault(
        dynamodb::Fault::once(dynamodb::When::Before, dynamodb::What::Fails)
            .of("registrar")
            .times(500),
    );
    until(&system, 60, "the thief has it", |system| {
        system
            .at_github(thief)
            .is_some_and(|(status, _)| status == Status::InProgress)
    })
    .await;
    system.pass(90).await;
    system.world.table.clear_faults();
    done(&system, 900, &[victim]).await;
    assert_eq!(
        system.at_github(thief).unwrap().0,
        Status::InProgress,
        "the runner that worked was stopped"
    );
    let at_work = system
        .runners()
        .into_iter()
        .find(|runner| runner.github.is_some() && runner.work.is_none())
        .unwrap();
    assert!(
        at_work.reserved.is_none()
            && at_work
                .story
                .iter()
                .any(|note| note.event.to_string().contains("another job than the one")),
        "{}",
        story(&system)
    );
    done(&system, 3_000, &[thief]).await;
    rest(&system, 300).await;
    assert_eq!(
        (outcomes(&system), system.launched_and_most_live().0),
        (vec![Outcome::Ran, Outcome::Ran], 2),
        "{}",
        story(&system)
    );
}

fn pool_called(name: &str) -> String {
    pool_with("max = 4").replace("[pools.linux]", &format!("[pools.{name}]"))
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_renamed_pool_move_to_the_one_that_takes_them() {
    let system = Start::seeded(311)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    system.fault(Fault::of(FaultKind::NoCapacity));
    let jobs = system.queue_jobs(&NewJob { count: 3, ..job() });
    let gated = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    system.pass(90).await;
    system.world.parameters.put_pools(&pool_called("renamed"));
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 600, &jobs).await;
    let renamed: PoolName = "renamed".parse().unwrap();
    for job in &jobs {
        assert_eq!(
            system.job(*job).unwrap().pool,
            Some(renamed.clone()),
            "{}",
            story(&system)
        );
        assert!(tells(&system, *job, "since pool linux is gone"));
    }
    // Long after its pool was forgotten.
    system.pass(2 * 3_600).await;
    approve(&system, gated);
    done(&system, 300, &[gated]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_opens_at_once_after_its_pool_was_renamed_leaves_no_job_behind() {
    let system = Start::seeded(312)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    let gated = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    until_state(&system, 60, gated, JobState::Blocked).await;
    system.world.parameters.put_pools(&pool_called("renamed"));
    system.pass(130).await;
    approve(&system, gated);
    done(&system, 300, &[gated]).await;
    rest(&system, 120).await;
}

/// Anyone who asks about it is shown where it will run.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_held_back_when_its_pool_is_renamed_moves_and_runs_when_its_gate_opens_untold()
 {
    let system = Start::seeded(334)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    let gated = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    until_state(&system, 60, gated, JobState::Blocked).await;
    system.world.parameters.put_pools(&pool_called("renamed"));
    system.pass(3 * 3_600).await;
    let record = system.job(gated).unwrap();
    assert_eq!(
        (record.state, record.pool),
        (JobState::Blocked, Some("renamed".parse().unwrap())),
        "{}",
        story(&system)
    );
    assert!(silently(&system, |system| approve(system, gated)));
    done(&system, 2 * 3_600, &[gated]).await;
    rest(&system, 120).await;
}

/// A pool that is gone is kept for as long as a job waits in it, whatever keeps the job from being
/// moved.
#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_moved_for_hours_is_moved_when_it_can() {
    let system = Start::seeded(335)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = queue_one(&system);
    system.pass(120).await;
    let fails = dynamodb::Fault::once(dynamodb::When::Before, dynamodb::What::Fails)
        .of("sweeper")
        .on(dynamodb::Operation::TransactWriteItems);
    system
        .world
        .table
        .add_fault(fails.about(&format!("job#{job}")).times(u32::MAX));
    system.world.parameters.put_pools(&pool_called("renamed"));
    until(&system, 600, "nothing is launched for it", |system| {
        system.runners().is_empty()
    })
    .await;
    system.pass(3 * 3_600).await;
    assert!(
        system.world.table.clear_faults()
            && system
                .job(job)
                .is_some_and(|job| job.pool == Some("linux".parse().unwrap()))
    );
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 600, &[job]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_pool_that_is_gone_for_good_are_unplaced_with_the_reason_until_another_one_takes_them()
 {
    let system = Start::seeded(313)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    system.fault(Fault::of(FaultKind::NoCapacity));
    let jobs = system.queue_jobs(&NewJob { count: 2, ..job() });
    system.pass(60).await;
    system
        .world
        .parameters
        .put_pools(&pool_called("gpu").replace("\"mayfly\"", "\"gpu\""));
    for job in &jobs {
        until_state(&system, 180, *job, JobState::Unplaced).await;
        let reason = system.job(*job).unwrap().reason.unwrap().to_string();
        assert!(
            reason.contains("pool linux is gone") && reason.contains("does not offer mayfly"),
            "{reason}"
        );
    }
    rest(&system, 120).await;
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    system.world.parameters.put_pools(&pool_called("linux"));
    done(&system, 300, &jobs).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn an_unplaced_job_is_placed_when_a_pool_comes_that_takes_it() {
    let system = Start::seeded(314)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    let gpu = NewJob {
        labels: ["self-hosted", "gpu"].map(str::to_owned).to_vec(),
        ..job()
    };
    let young = system.queue_jobs(&gpu)[0];
    until_state(&system, 60, young, JobState::Unplaced).await;
    system
        .world
        .parameters
        .put_pools(&pool_called("gpu").replace("\"mayfly\"", "\"gpu\""));
    done(&system, 300, &[young]).await;
    rest(&system, 120).await;
    assert!(tells(&system, young, "goes to pool gpu"));
}

#[tokio::test(start_paused = true)]
async fn github_is_asked_about_an_old_unplaced_job_before_money_is_spent_on_it() {
    let system = Start::seeded(315)
        .pools(&pool_called("linux"))
        .begin()
        .unwrap();
    let gpu = NewJob {
        labels: ["self-hosted", "gpu"].map(str::to_owned).to_vec(),
        ..untold([Action::Completed])
    };
    let (cancelled, alive) = (system.queue_jobs(&gpu)[0], system.queue_jobs(&gpu)[0]);
    system.pass(900).await;
    system.cancel(cancelled);
    system
        .world
        .parameters
        .put_pools(&pool_called("gpu").replace("\"mayfly\"", "\"gpu\""));
    done(&system, 400, &[alive]).await;
    until_state(&system, 300, cancelled, JobState::Closed).await;
    rest(&system, 120).await;
    assert_eq!(
        (system.launched_and_most_live().0, state(&system, cancelled)),
        (1, Some(JobState::Closed)),
        "{}",
        story(&system)
    );
    assert_eq!(
        system.at_github(cancelled),
        Some((Status::Completed, Some(Conclusion::Cancelled)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_the_app_may_not_see_is_named_as_the_reason_until_it_may_again() {
    let system = begin(316);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = queue_one(&system);
    system.pass(60).await;
    let account = system
        .world
        .with_github(|github, _| {
            github
                .accounts()
                .account_by_login("acme")
                .map(|account| account.id)
        })
        .unwrap();
    system
        .world
        .with_github(|github, now| github.accounts_mut().uninstall(account, now));
    system.pass(2_400).await;
    let reason = system
        .job(job)
        .unwrap()
        .reason
        .map(|reason| reason.to_string())
        .unwrap_or_default();
    assert!(
        reason.contains("cannot see repository acme/app"),
        "{reason:?}\n{}",
        story(&system)
    );
    system
        .world
        .with_github(|github, now| github.accounts_mut().install(account, now));
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &[job]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_change_nothing_in_the_end() {
    for seed in 317..321 {
        let system = begin(seed);
        system.world.with_github(|github, _| {
            github.faults.api.stale = 0.5;
            github.faults.deliveries.never_made = 0.2;
            // Without it no one here knows of the job.
            github.faults.deliveries.actions = vec![
                "waiting".to_owned(),
                "in_progress".to_owned(),
                "completed".to_owned(),
            ];
        });
        let mut jobs = system.queue_jobs(&NewJob {
            count: 6,
            seconds: 60.0,
            ..job()
        });
        let gated = system.queue_jobs(&NewJob {
            gate: Some(Gate::Environment),
            ..job()
        })[0];
        system.pass(1_800).await;
        approve(&system, gated);
        jobs.push(gated);
        done(&system, 3_600, &jobs).await;
        system.pass(1_800).await;
        // Half of all answers: as many as one likes in a row.
        system
            .world
            .with_github(|github, _| github.faults.api.stale = 0.0);
        let closed = |system: &System| {
            jobs.iter()
                .all(|job| state(system, *job) == Some(JobState::Closed))
        };
        until(&system, 4_000, "all jobs are closed", closed).await;
        until(&system, 1_800, "no job waits, no task is left", |system| {
            system.waiting().is_empty() && system.live_tasks().is_empty()
        })
        .await;
    }
}

/// GitHub lists all jobs of a run in a call for every hundred; one by one they would take the
/// better part of an hour.
#[tokio::test(start_paused = true)]
async fn a_cancelled_matrix_that_nobody_told_of_is_forgotten_minutes_after_it_is_asked_about() {
    let system = Start::seeded(430)
        .pools(&pool_with("max = 0"))
        .begin()
        .unwrap();
    let deliveries = JobDeliveries {
        never_made: vec![Action::Completed],
        ..JobDeliveries::default()
    };
    let mut matrix = system.queue_jobs(&NewJob {
        deliveries: deliveries.clone(),
        ..job()
    });
    until(&system, 60, "it waits", |system| {
        system.waiting().len() == 1
    })
    .await;
    let run_id = Some(id::RunId(system.waiting()[0].run.0));
    matrix.extend(system.queue_jobs(&NewJob {
        count: 199,
        run_id,
        deliveries,
        ..job()
    }));
    until(&system, 60, "all wait", |system| {
        system.waiting().len() == 200
    })
    .await;
    for job in matrix {
        system.cancel(job);
    }
    system.pass(28 * 60).await;
    assert_eq!(system.waiting().len(), 200, "GitHub was asked about none");
    until(&system, 5 * 60, "no row of them is left", |system| {
        system.waiting().is_empty()
    })
    .await;
    let calls = system.world.calls();
    let asked = |what: &str| {
        calls
            .get(&("sweeper".to_owned(), format!("GitHub {what}")))
            .copied()
            .unwrap_or_default()
    };
    assert!(
        asked("get-job") <= 10,
        "{} jobs were asked about one by one",
        asked("get-job")
    );
}
