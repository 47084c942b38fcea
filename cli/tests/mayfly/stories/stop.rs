//! stop: a runner ends, GitHub first, and its job is none the worse for it.

use mayfly_cli::commands::stop::{Outcomes, Stopped, in_words, say, wait};
use mayfly_cli::input::runner_arg::{Found, find};
use mayfly_cli::terminal::progress::Progress;
use mayfly_cli::terminal::text_format::cut_middle;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Outcome, Runner, RunnerState};
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_fargate_model::Operation;
use mayfly_github_model::jobs::{Action, Conclusion, JobDeliveries, NewJob, Status};
use mayfly_simulator::system::{Start, System};

use crate::stories::changing::{Bell, active_pools, ledger};
use crate::stories::fixture::{all_jobs, explained, holds, holds_json, jobs};
use crate::stories::told::{begin, done, job, outcomes, pool_with, queue_one, rest, story, until};

async fn stop(system: &System, runner: &Runner, force: bool) -> Stopped {
    let (ledger, bell) = (ledger(system), Bell::new(system));
    let request = StopRequest {
        at: system.world.clock.now(),
        by: "user/alice".to_owned(),
        force,
    };
    let begun = say(&ledger, &bell, runner, &request).await.unwrap();
    if begun.outcome == Outcomes::Stopping {
        wait(&ledger, begun, force, &mut Progress::default())
            .await
            .unwrap()
    } else {
        begun
    }
}

fn the_one(system: &System) -> Runner {
    let mut all = system.runners();
    assert_eq!(all.len(), 1, "{}", story(system));
    all.remove(0)
}

async fn found(system: &System, named: &str) -> Found {
    find(
        &ledger(system),
        active_pools(system).as_ref(),
        named,
        system.world.clock.now(),
    )
    .await
    .unwrap()
}

async fn works(system: &System, job: JobId) -> Runner {
    until(system, 200, "the job runs and is known to", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.work.as_ref().and_then(|work| work.job) == Some(job))
    })
    .await;
    the_one(system)
}

#[tokio::test(start_paused = true)]
async fn a_parked_runner_is_stopped_at_once_and_the_floor_refilled() {
    let system = Start::seeded(420)
        .pools(&pool_with("max = 4\nmin_idle = 1"))
        .begin()
        .unwrap();
    let parked = |system: &System| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Parked && runner.stop.is_none())
    };
    until(&system, 180, "a runner is parked", parked).await;
    let runner = the_one(&system);
    let begun = system.world.clock.elapsed();
    let stopped = stop(&system, &runner, false).await;
    assert_eq!(
        (stopped.outcome, stopped.told.as_str()),
        (Outcomes::Stopped, "it is gone: stopped by user/alice")
    );
    assert!(
        (system.world.clock.elapsed() - begun).as_secs() < 20,
        "at once, not at the next tick"
    );
    assert_eq!(outcomes(&system), [Outcome::Surplus]);
    until(&system, 200, "another one is parked", parked).await;
    assert_ne!(the_one(&system).id, runner.id);
    holds(&system, "stop", &in_words(&stopped));
    holds_json(&system, "stop_json", &stopped);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_starts_is_stopped_and_its_job_gets_the_next_one() {
    let system = begin(421);
    let job = queue_one(&system);
    until(&system, 20, "its task is on its way", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    let runner = the_one(&system);
    assert_eq!(
        stop(&system, &runner, false).await.outcome,
        Outcomes::Stopped
    );
    done(&system, 300, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(outcomes(&system), [Outcome::Surplus, Outcome::Ran]);
    assert!(system.job(job).unwrap().reason.is_none());
}

/// A runner that is registered, and that GitHub gives nothing for a long time.
async fn registered(system: &System) -> (Runner, JobId) {
    system
        .world
        .with_github(|github, _| github.settings.assign_after = 500.0);
    let job = queue_one(system);
    until(system, 120, "it is registered", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Registered)
    })
    .await;
    (the_one(system), job)
}

#[tokio::test(start_paused = true)]
async fn a_registered_runner_is_taken_away_at_github_before_its_task_is_stopped() {
    let system = begin(422);
    let (runner, job) = registered(&system).await;
    assert_eq!(system.registrations().len(), 1);
    let stops = system.ecs_calls(Operation::StopTask);
    let ledger = ledger(&system);
    let request = StopRequest {
        at: system.world.clock.now(),
        by: "user/alice".to_owned(),
        force: false,
    };
    let begun = say(&ledger, &Bell::new(&system), &runner, &request)
        .await
        .unwrap();
    assert!(
        begun
            .told
            .starts_with("it is removed at GitHub within a minute"),
        "{begun:?}"
    );
    let untouched = |system: &System| system.ecs_calls(Operation::StopTask) == stops;
    until(&system, 70, "GitHub knows it no longer", |system| {
        let gone = !system.registrations().contains(&runner.name().to_string());
        assert!(gone || untouched(system), "its task was stopped first");
        gone
    })
    .await;
    let stopped = wait(&ledger, begun, false, &mut Progress::default())
        .await
        .unwrap();
    assert_eq!(
        (stopped.outcome, stopped.told.as_str()),
        (Outcomes::Stopped, "it is gone: stopped by user/alice")
    );
    let record = system.closed_runners().remove(0);
    let told: Vec<String> = record
        .story
        .iter()
        .map(|note| note.event.to_string())
        .collect();
    let place = |text: &str| {
        told.iter()
            .position(|told| told.starts_with(text))
            .unwrap_or_else(|| panic!("{text}: {told:?}"))
    };
    assert!(
        place("stop requested by user/alice") < place("deregistered at GitHub")
            && place("deregistered at GitHub") < place("ended")
    );
    // Its job is not to blame, and gets the next runner.
    assert_eq!(
        system
            .waiting()
            .iter()
            .map(|row| (row.id, row.attempts, row.needs_check))
            .collect::<Vec<_>>(),
        [(job, 0, false)]
    );
    done(&system, 1_200, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_runner_at_work_is_refused_and_goes_on() {
    let system = begin(423);
    let job = system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..job()
    })[0];
    let runner = works(&system, job).await;
    let refused = stop(&system, &runner, false).await;
    assert_eq!(
        (refused.outcome, refused.told.contains("--force")),
        (Outcomes::Busy, true)
    );
    holds(&system, "stop_busy", &in_words(&refused));
    holds_json(&system, "stop_busy_json", &refused);
    done(&system, 600, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(outcomes(&system), [Outcome::Ran]);
    assert_eq!(stop(&system, &runner, false).await.outcome, Outcomes::Gone);
}

#[tokio::test(start_paused = true)]
async fn by_force_a_runner_at_work_is_stopped_and_its_job_fails() {
    let system = begin(424);
    let job = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..job()
    })[0];
    let runner = works(&system, job).await;
    let stopped = stop(&system, &runner, true).await;
    assert_eq!(
        stopped.outcome,
        Outcomes::Stopped,
        "{stopped:?}\n{}",
        story(&system)
    );
    assert!(
        stopped.told.contains("stopped by user/alice"),
        "{}",
        stopped.told
    );
    until(
        &system,
        1_800,
        "the job failed",
        |system| matches!(system.at_github(job), Some((Status::Completed, Some(conclusion))) if conclusion != Conclusion::Success),
    )
    .await;
    rest(&system, 1_800).await;
    assert_eq!(outcomes(&system), [Outcome::Ran]);
    let report = explained(&system, job).await;
    assert!(
        report
            .summary
            .contains("because its runner was stopped by user/alice (mayfly stop --force)"),
        "{}",
        report.summary
    );
    assert_eq!(report.help, None);
    let listed = jobs(&system, &all_jobs(&system))
        .await
        .jobs
        .remove(0)
        .because
        .unwrap_or_default();
    assert_eq!(
        listed,
        "its runner was stopped by user/alice (mayfly stop --force)"
    );
}

/// No one told that the job began: the row says registered, GitHub says busy.
#[tokio::test(start_paused = true)]
async fn a_runner_of_which_only_github_knows_that_it_works_is_left_alone() {
    let system = begin(425);
    let request = NewJob {
        seconds: 900.0,
        deliveries: JobDeliveries {
            lost: vec![Action::InProgress],
            ..JobDeliveries::default()
        },
        ..job()
    };
    let job = system.queue_jobs(&request)[0];
    until(&system, 120, "it is registered", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state >= RunnerState::Registered)
    })
    .await;
    let runner = the_one(&system);
    let stopped = stop(&system, &runner, false).await;
    assert_eq!(
        stopped.outcome,
        Outcomes::Busy,
        "{stopped:?}\n{}",
        story(&system)
    );
    done(&system, 1_500, &[job]).await;
    rest(&system, 300).await;
    assert_eq!(outcomes(&system), [Outcome::Ran]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_nobody_carries_out_is_told_as_under_way() {
    let system = Start::seeded(426).without_sweeps().begin().unwrap();
    let (runner, _) = registered(&system).await;
    let stopped = stop(&system, &runner, false).await;
    assert_eq!(stopped.outcome, Outcomes::Stopping);
    let request = StopRequest {
        at: system.world.clock.now(),
        by: "user/bob".to_owned(),
        force: false,
    };
    let again = say(&ledger(&system), &Bell::new(&system), &runner, &request)
        .await
        .unwrap();
    assert_eq!(
        (again.outcome, again.told.as_str()),
        (Outcomes::Stopping, "it is stopping already")
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_is_found_by_whatever_people_see_of_it() {
    let system = begin(427);
    let jobs = system.queue_jobs(&NewJob {
        count: 2,
        seconds: 100.0,
        ..job()
    });
    until(&system, 200, "two runners work", |system| {
        system
            .runners()
            .iter()
            .filter(|runner| runner.state == RunnerState::Busy)
            .count()
            == 2
    })
    .await;
    let (one, other) = (system.runners().remove(0), system.runners().remove(1));
    let common: String = one
        .id
        .as_str()
        .chars()
        .zip(other.id.as_str().chars())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect();
    assert!(common.len() >= 4);
    let beginning = &one.id.as_str()[..=common.len()];
    for named in [
        one.id.as_str(),
        &one.id.as_str().to_ascii_uppercase(),
        beginning,
        &one.address().to_string(),
        &one.name().to_string(),
    ] {
        let Found::One(found) = found(&system, named).await else {
            panic!("{named}")
        };
        assert_eq!(found.id, one.id, "{named}");
    }
    let Found::Several(both) = found(&system, &common).await else {
        panic!("{common}")
    };
    assert_eq!(both.len(), 2);
    for named in [
        "",
        "0",
        "01",
        "zzzz",
        "linux",
        "mayfly-linux-01jd0000000000000000000000-1",
        "linux/01jd0000000000000000000000",
        "🦟🦟🦟🦟",
    ] {
        assert_eq!(found(&system, named).await, Found::None, "{named}");
    }
    done(&system, 400, &jobs).await;
    rest(&system, 60).await;
    let Found::One(closed) = found(&system, one.id.as_str()).await else {
        panic!("its record")
    };
    assert!(closed.closed_at.is_some());
    // As a narrow table shows it.
    let Found::One(closed) = found(&system, &cut_middle(one.id.as_str(), 15)).await else {
        panic!("its record, by what is shown of its id")
    };
    assert_eq!(closed.id, one.id);
    assert_eq!(
        found(&system, &one.id.as_str()[..9]).await,
        Found::None,
        "too short to tell when it was made"
    );
}
