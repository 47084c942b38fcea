//! retry: a job counts as never tried, or GitHub is asked about it.

use mayfly_cli::commands::retry::{Asked, Done, Retried, in_words, retry};
use mayfly_cli::input::job_arg::JobArg;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_github_model::faults::Refusal;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_simulator::system::{Start, System};

use crate::stories::changing::{Bell, active_pools, ledger};
use crate::stories::fixture::{holds, holds_json};
use crate::stories::told::{begin, done, job, pool_with, queue_one, rest, until};

async fn run_retry(system: &System, job: &JobArg) -> Retried {
    let (ledger, bell, pools) = (ledger(system), Bell::new(system), active_pools(system));
    let asked = Asked {
        by: "user/alice",
        pools: pools.as_ref(),
        now: system.world.clock.now(),
    };
    retry(&ledger, &bell, job, asked).await.unwrap()
}

async fn retry_id(system: &System, id: JobId) -> Retried {
    run_retry(
        system,
        &JobArg {
            id,
            repository: None,
        },
    )
    .await
}

fn last_told(system: &System, job: JobId) -> String {
    system
        .job(job)
        .unwrap()
        .story
        .iter()
        .map(|note| note.event.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// GitHub refuses its runners for good until someone mends that.
async fn given_up(system: &System) -> JobId {
    system.world.with_github(|github, _| {
        github.faults.refused.insert(
            "acme/app".to_owned(),
            Refusal {
                status: 403,
                message: Some("archived".to_owned()),
            },
        );
    });
    let job = queue_one(system);
    until(system, 3_600, "it was tried three times", |system| {
        system
            .waiting()
            .first()
            .is_some_and(|row| row.attempts >= 3)
    })
    .await;
    system
        .world
        .with_github(|github, _| github.faults.refused.clear());
    job
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_its_next_try_is_tried_at_once() {
    let system = begin(440);
    let job = given_up(&system).await;
    let waits = system
        .waiting()
        .remove(0)
        .not_before
        .unwrap()
        .since(system.world.clock.now());
    assert!(waits.as_secs() > 120, "{waits:?}");
    let retried = retry_id(&system, job).await;
    assert_eq!(
        (
            retried.done,
            retried.pool.as_ref().map(|pool| pool.as_str())
        ),
        (Done::BackoffReset, Some("linux"))
    );
    holds(&system, "retry", &in_words(&retried));
    holds_json(&system, "retry_json", &retried);
    assert!(last_told(&system, job).contains("retried by user/alice"));
    assert_eq!(system.job(job).unwrap().reason, None);
    done(&system, 110, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(retry_id(&system, job).await.done, Done::Over);
}

#[tokio::test(start_paused = true)]
async fn a_job_with_a_runner_on_its_way_is_left_to_it() {
    let system = begin(441);
    let job = system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|record| record.state == JobState::Running)
    })
    .await;
    let retried = retry_id(&system, job).await;
    assert_eq!(retried.done, Done::HasRunner);
    assert!(
        retried.told.starts_with("runner linux/"),
        "{}",
        retried.told
    );
    done(&system, 400, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_only_waits_for_room_wakes_its_pool_and_changes_nothing() {
    let system = Start::seeded(442)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..job()
    })[0];
    let second = queue_one(&system);
    until(&system, 30, "the second one waits", |system| {
        system
            .waiting()
            .iter()
            .any(|row| row.id == second && row.hold.is_some())
    })
    .await;
    let before = system.job(second);
    let retried = retry_id(&system, second).await;
    assert_eq!((retried.done, system.job(second)), (Done::Woken, before));
    done(&system, 900, &[first, second]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_no_pool_took_goes_to_the_pool_that_takes_it_now() {
    let system = begin(443);
    let request = NewJob {
        labels: ["self-hosted", "linux", "gpu"].map(str::to_owned).to_vec(),
        ..job()
    };
    let job = system.queue_jobs(&request)[0];
    until(&system, 20, "it is written down", |system| {
        system
            .job(job)
            .is_some_and(|record| record.state == JobState::Unplaced)
    })
    .await;
    let retried = retry_id(&system, job).await;
    assert_eq!(retried.done, Done::Unplaced);
    assert!(
        retried.told.contains("does not offer gpu"),
        "{}",
        retried.told
    );
    system
        .world
        .parameters
        .put_pools(&pool_with("max = 2").replace("\"mayfly\"", "\"mayfly\", \"gpu\""));
    let retried = retry_id(&system, job).await;
    assert_eq!(
        (retried.done, retried.told.as_str()),
        (Done::Placed, "goes to pool linux now")
    );
    done(&system, 300, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_a_gate_holds_back_is_asked_about() {
    let system = begin(444);
    let request = NewJob {
        gate: Some(mayfly_github_model::jobs::Gate::Environment),
        ..job()
    };
    let job = system.queue_jobs(&request)[0];
    until(&system, 60, "it is held back", |system| {
        system
            .job(job)
            .is_some_and(|record| record.state == JobState::Blocked)
    })
    .await;
    assert_eq!(retry_id(&system, job).await.done, Done::GithubAsked);
    let follow_up = mayfly_domain::model::outbox::FollowUp::CheckJob(job);
    let open = ledger(&system)
        .outbox_entry(&follow_up)
        .await
        .unwrap()
        .unwrap();
    assert!(
        open.due(system.world.clock.now()),
        "asked in the next sweep, not ten minutes from now"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_told_of_is_looked_for_in_its_repository() {
    let system = begin(445);
    let first = queue_one(&system);
    done(&system, 200, &[first]).await;
    system.pass(120).await;
    let untold = JobDeliveries {
        never_made: vec![Action::Queued],
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries: untold,
        ..job()
    })[0];
    system.pass(150).await;
    assert_eq!(system.job(job), None);
    assert_eq!(
        retry_id(&system, job).await.done,
        Done::Unknown,
        "an id alone says nothing of where to ask"
    );
    let url: JobArg = format!("https://github.com/ACME/App/actions/runs/1/job/{job}")
        .parse()
        .unwrap();
    assert_eq!(run_retry(&system, &url).await.done, Done::GithubAsked);
    done(&system, 240, &[job]).await;
    let elsewhere: JobArg = format!(
        "https://github.com/acme/never/actions/runs/1/job/{}",
        job.0 + 1
    )
    .parse()
    .unwrap();
    let retried = run_retry(&system, &elsewhere).await;
    assert_eq!(retried.done, Done::Unknown);
    assert!(
        retried.told.contains("is the App installed there?"),
        "{}",
        retried.told
    );
    holds(&system, "retry_unknown", &in_words(&retried));
    holds_json(&system, "retry_unknown_json", &retried);
}
