//! Registrations that GitHub still has of runners that have ended.

use mayfly_domain::model::runner::RunnerState;
use mayfly_dynamodb_model::{self as dynamodb, Operation, What, When};
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::jobs::{NewJob, Status};
use mayfly_simulator::system::System;

use crate::start::{begin, done, job, queue_one, rest, story, until};

/// What sweeper has yet to see to.
fn follow_ups(system: &System) -> Vec<String> {
    system
        .world
        .table
        .dump()
        .into_keys()
        .filter(|key| key.starts_with("outbox "))
        .collect()
}

async fn nothing_to_do(system: &System, seconds: u64) {
    until(system, seconds, "no follow-up is left", |system| {
        follow_ups(system).is_empty()
    })
    .await;
}

fn calls(system: &System, what: &str) -> u64 {
    system
        .world
        .calls()
        .get(&("sweeper".to_owned(), format!("GitHub {what}")))
        .copied()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_job_leaves_nothing_to_see_to() {
    let system = begin(210);
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    system.pass(600).await;
    assert_eq!(
        (
            calls(&system, "list-runners"),
            calls(&system, "delete-runner"),
            follow_ups(&system)
        ),
        (0, 0, Vec::new())
    );
}

/// Registrar dies between GitHub's answer and the mark, again and again: each time a registration
/// is left.
#[tokio::test(start_paused = true)]
async fn every_name_of_a_runner_is_taken_away() {
    let system = begin(211);
    let dies = dynamodb::Fault::once(When::Before, What::Hangs)
        .of("registrar")
        .on(Operation::PutItem)
        .times(3);
    system.world.table.add_fault(dies);
    let job = queue_one(&system);
    done(&system, 400, &[job]).await;
    assert!(system.registrations().len() >= 3, "{}", story(&system));
    rest(&system, 300).await;
    nothing_to_do(&system, 120).await;
    assert!(
        calls(&system, "list-runners") <= 2,
        "one list for all names"
    );
    assert!(
        system.closed_runners()[0]
            .story
            .iter()
            .any(|note| note.event == mayfly_domain::model::story::StoryEvent::RegistrationsRemoved)
    );
}

/// GitHub believes for ten minutes that a killed runner works on.
#[tokio::test(start_paused = true)]
async fn what_github_still_takes_for_busy_is_asked_about_again() {
    let system = begin(212);
    let job = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..job()
    })[0];
    until(&system, 120, "it works", |system| {
        system
            .runners()
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    system.fault(Fault::of(FaultKind::EventLost));
    let task = mayfly_fargate_model::TaskId::of(&system.runners()[0].arn.as_ref().unwrap().0);
    system.world.with_ecs(|ecs, at| ecs.interrupt(&task, at));
    until(&system, 2_400, "GitHub has noticed", |system| {
        system
            .at_github(job)
            .is_some_and(|(status, _)| status == Status::Completed)
    })
    .await;
    rest(&system, 1_200).await;
    nothing_to_do(&system, 3_600).await;
}

/// The App may not see the repository any more: GitHub removes what is left there by itself, after
/// a day.
#[tokio::test(start_paused = true)]
async fn what_github_does_not_show_is_given_up_after_a_day() {
    let system = begin(213);
    let dies = dynamodb::Fault::once(When::Before, What::Hangs)
        .of("registrar")
        .on(Operation::PutItem);
    system.world.table.add_fault(dies);
    let job = queue_one(&system);
    done(&system, 400, &[job]).await;
    system
        .world
        .with_github(|github, now| github.accounts_mut().uninstall(ACME, now));
    system.pass(7_200).await;
    assert!(
        follow_ups(&system)
            .iter()
            .any(|key| key.contains("deregister_runner")),
        "{}",
        story(&system)
    );
    let before = calls(&system, "list-runners");
    system.pass(3_600).await;
    assert!(
        calls(&system, "list-runners") - before <= 6,
        "asked less and less"
    );
    system.pass(24 * 3_600).await;
    assert_eq!(
        (system.registrations(), follow_ups(&system)),
        (Vec::new(), Vec::new()),
        "GitHub removed it, and nobody asks any more"
    );
}
