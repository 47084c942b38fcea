//! What happens when nothing goes wrong.

use mayfly_domain::model::job::JobState;
use mayfly_domain::model::runner::{Outcome, RunnerState};
use mayfly_github_model::jobs::{Conclusion, NewJob, Status};
use mayfly_simulator::system::System;

use crate::start::{begin, check_counts, done, job, outcomes, queue_one, rest, story, until};

#[tokio::test(start_paused = true)]
async fn one_queued_job_becomes_one_runner() {
    let system = begin(1);
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    let closed = system.closed_runners();
    assert_eq!(
        closed
            .iter()
            .map(|runner| (runner.outcome, runner.intended))
            .collect::<Vec<_>>(),
        [(Some(Outcome::Ran), Some(job))]
    );
    let record = system.job(job).unwrap();
    assert_eq!(
        (record.state, record.runner.as_ref()),
        (JobState::Closed, Some(&closed[0].id)),
        "{}",
        story(&system)
    );
    assert_eq!(system.launched_and_most_live(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_runners_record_tells_its_whole_story() {
    let system = begin(2);
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    let runner = system.closed_runners().remove(0);
    let times = [
        Some(runner.requested_at),
        runner.timeline.created,
        runner.timeline.pull_started,
        runner.timeline.pull_stopped,
        runner.first_polled_at,
        runner.registered_at,
        runner.done_at,
        runner.timeline.stopped,
        runner.closed_at,
    ];
    assert!(
        times.iter().all(Option::is_some) && times.is_sorted(),
        "{times:?}"
    );
    assert!(runner.cost.is_some_and(|cost| cost.0 > 0) && runner.exit_code == Some(0));
}

#[tokio::test(start_paused = true)]
async fn cancelled_job_stops_the_runner_started_for_it() {
    let system = begin(3);
    let job = queue_one(&system);
    until(&system, 20, "its task is on its way", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.cancel(job);
    rest(&system, 30).await;
    assert_eq!(outcomes(&system), [Outcome::Surplus]);
    assert_eq!(
        system.job(job).unwrap().conclusion.as_deref(),
        Some("cancelled")
    );
}

#[tokio::test(start_paused = true)]
async fn stolen_job_gets_the_next_runner() {
    let system = begin(4);
    let victim = queue_one(&system);
    until(&system, 20, "a runner is started for it", |system| {
        !system.runners().is_empty()
    })
    .await;
    let thief = system.queue_jobs(&NewJob {
        thief: true,
        ..job()
    })[0];
    done(&system, 240, &[victim, thief]).await;
    rest(&system, 60).await;
    let first = &system.closed_runners()[0];
    assert_eq!(
        (
            first.intended,
            first.work.as_ref().and_then(|work| work.job)
        ),
        (Some(victim), Some(thief)),
        "{}",
        story(&system)
    );
    check_counts(&system, 20, 2);
}

#[tokio::test(start_paused = true)]
async fn a_gated_job_runs_once_it_is_approved() {
    use mayfly_github_model::id;
    use mayfly_github_model::jobs::Gate;
    let system = begin(5);
    let job = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    until(&system, 60, "it is known to be held back", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Blocked)
            && system.is_at_rest()
    })
    .await;
    system
        .world
        .with_github(|github, now| github.approve(id::JobId(job.0), now));
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_someone_elses_starts_nothing() {
    let system = begin(6);
    let hosted = system.queue_jobs(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        ..job()
    })[0];
    system.queue_jobs(&NewJob {
        repository: "globex/app".to_owned(),
        ..job()
    });
    system.pass(120).await;
    assert_eq!(
        system.at_github(hosted),
        Some((Status::Completed, Some(Conclusion::Success)))
    );
    assert_eq!(
        (system.launched_and_most_live(), system.job(hosted)),
        ((0, 0), None)
    );
}

#[tokio::test(start_paused = true)]
async fn runners_register_with_exactly_the_labels_of_their_job() {
    let system = begin(7);
    let job = system.queue_jobs(&NewJob {
        labels: vec!["Self-Hosted".to_owned(), "MAYFLY".to_owned()],
        ..job()
    })[0];
    done(&system, 120, &[job]).await;
    let labels = system.world.with_github(|github, _| {
        github
            .runners()
            .map(|runner| runner.labels.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(labels, [["MAYFLY", "Self-Hosted"]]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    let tell = || {
        crate::start::in_virtual_time(async {
            let system = begin(8);
            let jobs = system.queue_jobs(&crate::start::jobs(12));
            done(&system, 300, &jobs).await;
            rest(&system, 60).await;
            (
                system.world.table.dump(),
                system.world.calls(),
                system.world.clock.elapsed(),
            )
        })
    };
    let first = std::thread::spawn(tell).join().unwrap();
    let second = std::thread::spawn(tell).join().unwrap();
    assert_eq!(first.2, second.2);
    assert_eq!(first.1, second.1);
    assert!(first.0 == second.0);
}

/// Whatever state a runner is in, the ledger's open rows and ECS agree once the story rests.
#[tokio::test(start_paused = true)]
async fn no_runner_is_busy_without_its_job() {
    let system = begin(9);
    let jobs = system.queue_jobs(&crate::start::jobs(5));
    let idle = |system: &System| {
        let runners = system.runners();
        runners
            .iter()
            .all(|runner| (runner.state == RunnerState::Busy) == runner.work.is_some())
    };
    while !system.all_done(&jobs) {
        assert!(idle(&system), "{}", story(&system));
        system.pass(1).await;
    }
    rest(&system, 60).await;
}

/// The first of a process reads the name, the next one knows it.
#[tokio::test(start_paused = true)]
async fn a_task_has_the_name_of_its_jobs_repository_as_a_tag() {
    let system = begin(9);
    for _ in 0..2 {
        let job = queue_one(&system);
        until(&system, 60, "its task is there", |system| {
            !system.live_tasks().is_empty()
        })
        .await;
        let tags = system.live_tasks()[0]["tags"].to_string();
        assert!(
            tags.contains(r#"{"key":"mayfly:repository","value":"acme/app"}"#),
            "{tags}"
        );
        done(&system, 120, &[job]).await;
        rest(&system, 60).await;
    }
}
