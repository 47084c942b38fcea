//! Jobs that GitHub did not show for so long that they were given up, or nearly so.

use mayfly_domain::model::job::JobState;
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::id;
use mayfly_github_model::jobs::{Gate, NewJob};
use mayfly_simulator::system::System;

use crate::start::{begin, done, job, queue_one, rest, story, until};

const HOUR: u64 = 3_600;

/// The App is suspended on acme, or is not any more.
fn suspend(system: &System, suspended: bool) {
    system.world.with_github(|github, now| {
        let accounts = github.accounts_mut();
        if suspended {
            accounts.suspend(ACME, now);
        } else {
            accounts.resume(ACME, now);
        }
    });
}

fn state(system: &System, job: mayfly_domain::model::id::JobId) -> JobState {
    system.job(job).unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_job_behind_a_gate_runs_when_the_gate_opens_however_long_the_app_was_suspended_meanwhile()
{
    let system = begin(911);
    let job = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    system.pass(300).await;
    suspend(&system, true);
    system.pass(60 * HOUR).await;
    assert_eq!(state(&system, job), JobState::Blocked, "{}", story(&system));
    suspend(&system, false);
    system.pass(600).await;
    system
        .world
        .with_github(|github, now| github.approve(id::JobId(job.0), now));
    done(&system, 600, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_given_up_and_waits_after_all_is_found_by_the_round_over_repositories() {
    let system = begin(912);
    // Nothing is launched, so that it waits; GitHub does not cancel it, as it should after a day.
    system
        .world
        .with_github(|github, _| github.settings.queue_limit = 10.0 * 86_400.0);
    done(&system, 300, &[queue_one(&system)]).await;
    system.put_pools(&crate::start::pool_with("max = 1"));
    system.pass(120).await;
    let other = system.queue_jobs(&NewJob {
        seconds: 40.0 * 3_600.0,
        ..job()
    })[0];
    until(&system, 120, "the only runner is at work", |system| {
        system.runner_at_github(other).is_some()
    })
    .await;
    let job = queue_one(&system);
    system.pass(300).await;
    suspend(&system, true);
    system.pass(27 * HOUR).await;
    assert!(system.job(job).unwrap().given_up, "{}", story(&system));
    suspend(&system, false);
    until(&system, 2 * HOUR, "it waits again", |system| {
        state(system, job) == JobState::Queued
    })
    .await;
    done(&system, 24 * HOUR, &[job]).await;
    rest(&system, 1_200).await;
}
