//! `mayfly jobs` and `mayfly runners`.

use mayfly_cli::commands::jobs;
use mayfly_cli::commands::jobs::report::{Filter, State};
use mayfly_cli::commands::runners as runners_command;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_github_model::jobs::{Gate, NewJob};
use mayfly_simulator::system::{Start, System};

use crate::stories::fixture::{all_jobs, holds, holds_json, jobs, now, runners};
use crate::stories::told::{begin, done, job, pool_with, queue_one, rest, until};

async fn ids(system: &System, filter: &Filter) -> Vec<JobId> {
    jobs(system, filter)
        .await
        .jobs
        .into_iter()
        .map(|line| line.job)
        .collect()
}

/// One job of each state: done, at work, waiting, held back, without a pool; and one of someone
/// else's.
async fn one_of_each(seed: u64) -> (System, [JobId; 5]) {
    let system = Start::seeded(seed)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let over = queue_one(&system);
    done(&system, 120, &[over]).await;
    rest(&system, 60).await;
    let running = system.queue_jobs(&NewJob {
        seconds: 900.0,
        repository: "acme/web".to_owned(),
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(running)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    let waiting = queue_one(&system);
    let gated = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    let labels = ["self-hosted", "gpu"].map(str::to_owned).to_vec();
    let unplaced = system.queue_jobs(&NewJob { labels, ..job() })[0];
    system.queue_jobs(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        ..job()
    });
    let settled = |system: &System| {
        system
            .job(gated)
            .is_some_and(|job| job.state == JobState::Blocked)
            && system.job(unplaced).is_some()
            && system.job(waiting).is_some()
    };
    until(&system, 60, "they are written down", settled).await;
    system.pass(20).await;
    (system, [over, running, waiting, gated, unplaced])
}

#[tokio::test(start_paused = true)]
async fn every_open_job_is_listed_whatever_leads_to_it() {
    let (system, all) = one_of_each(330).await;
    let answer = jobs(&system, &all_jobs(&system)).await;
    assert_eq!(
        answer.jobs.iter().map(|line| line.job).collect::<Vec<_>>(),
        all
    );
    assert!(!answer.more);
    holds(&system, "jobs", &jobs::text::text(&answer, None));
    holds_json(&system, "jobs_json", &answer);
}

#[tokio::test(start_paused = true)]
async fn filters_leave_out_all_others() {
    let (system, [over, running, waiting, gated, unplaced]) = one_of_each(331).await;
    let all = all_jobs(&system);
    let of = |state| Filter {
        state: Some(state),
        ..all.clone()
    };
    for (state, expected) in [
        (State::Closed, vec![over]),
        (State::Running, vec![running]),
        (State::Queued, vec![waiting]),
        (State::Blocked, vec![gated]),
        (State::Unplaced, vec![unplaced]),
        (State::Open, vec![running, waiting, gated, unplaced]),
    ] {
        assert_eq!(ids(&system, &of(state)).await, expected, "{state:?}");
    }
    let repository = Filter {
        repository: Some(RepositoryPattern("ACME/w*".to_owned())),
        ..all.clone()
    };
    assert_eq!(ids(&system, &repository).await, [running]);
    let pool = Filter {
        pool: Some("linux".parse().unwrap()),
        ..all.clone()
    };
    assert_eq!(ids(&system, &pool).await, [over, running, waiting, gated]);
    let other = Filter {
        pool: Some("other".parse().unwrap()),
        ..all.clone()
    };
    assert!(ids(&system, &other).await.is_empty());
    let since = Filter {
        since: now(&system),
        ..all.clone()
    };
    assert_eq!(
        ids(&system, &since).await,
        [running, waiting, gated, unplaced]
    );
}

#[tokio::test(start_paused = true)]
async fn the_newest_are_kept_and_it_is_said_that_there_are_more() {
    let (system, all) = one_of_each(332).await;
    let answer = jobs(
        &system,
        &Filter {
            limit: 2,
            ..all_jobs(&system)
        },
    )
    .await;
    assert_eq!(
        (
            answer.jobs.iter().map(|line| line.job).collect::<Vec<_>>(),
            answer.more
        ),
        (all[3..].to_vec(), true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_runner_is_gone_is_listed_until_github_tells_its_end() {
    let system = begin(333);
    let job = system.queue_jobs(&NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    let task = system.runners()[0].arn.clone().unwrap();
    system.kill_container(task.task_id());
    until(&system, 60, "its runner is gone", |system| {
        system.runners().is_empty()
    })
    .await;
    let answer = jobs(&system, &all_jobs(&system)).await;
    assert_eq!(
        answer
            .jobs
            .iter()
            .map(|line| (line.job, line.state))
            .collect::<Vec<_>>(),
        [(job, JobState::Running)]
    );
}

#[tokio::test(start_paused = true)]
async fn runners_are_listed_open_and_ended() {
    let (system, [_, running, ..]) = one_of_each(334).await;
    let open = runners(
        &system,
        &runners_command::report::Filter {
            limit: 10,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(
        open.runners.iter().map(|line| line.job).collect::<Vec<_>>(),
        [Some(running)]
    );
    let since = Some(all_jobs(&system).since);
    let all = runners(
        &system,
        &runners_command::report::Filter {
            since,
            limit: 10,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(all.runners.len(), 2);
    holds(&system, "runners", &runners_command::text::text(&all, None));
    holds_json(&system, "runners_json", &all);
    let of = |state| runners_command::report::Filter {
        state: Some(state),
        since,
        limit: 10,
        ..Default::default()
    };
    for (state, count) in [
        (runners_command::report::State::Busy, 1),
        (runners_command::report::State::Closed, 1),
        (runners_command::report::State::Idle, 0),
    ] {
        assert_eq!(
            runners(&system, &of(state)).await.runners.len(),
            count,
            "{state:?}"
        );
    }
    let elsewhere = runners_command::report::Filter {
        repository: Some(RepositoryPattern("acme/web".to_owned())),
        since,
        limit: 10,
        ..Default::default()
    };
    assert_eq!(runners(&system, &elsewhere).await.runners.len(), 1);
}
