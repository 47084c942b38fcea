//! A job's life, gates and cancellations included, and what the App hears of it.

use crate::world::{LABELS, World, job, message};
use mayfly_github_model::jobs::{Conclusion, Gate, NewJob, Status};
use mayfly_github_model::model::Interrupted;
use mayfly_github_model::runners::Removal;
use serde_json::json;

fn gated(gate: Gate) -> NewJob {
    NewJob {
        gate: Some(gate),
        ..job()
    }
}

#[test]
fn a_job_is_queued_runs_and_is_over_and_its_runner_gone() {
    let mut world = World::new();
    let (session, id) = world.busy();
    world.model.step(&session, "Build", world.now).unwrap();
    world.model.complete(&session, None, world.now).unwrap();
    assert_eq!(
        world.ended(id),
        (Status::Completed, Some(Conclusion::Success))
    );
    assert_eq!(world.job(id).steps.len(), 1);
    assert_eq!(
        world.runner("busy").removed.map(|(_, why)| why),
        Some(Removal::JobDone)
    );
    assert_eq!(
        world.told(),
        [
            "queued/queued",
            "in_progress/in_progress",
            "completed/completed"
        ]
    );
}

#[test]
fn a_runner_decides_how_its_job_ends() {
    let mut world = World::new();
    let (session, id) = world.busy();
    world
        .model
        .complete(&session, Some(Conclusion::Failure), world.now)
        .unwrap();
    assert_eq!(world.ended(id).1, Some(Conclusion::Failure));
}

#[test]
fn an_environment_says_queued_waiting_and_queued_again_for_one_id() {
    let mut world = World::new();
    let id = world.queue(&gated(Gate::Environment));
    world.online("one", &LABELS);
    assert_eq!(
        (world.job(id).status, world.runner_of(id)),
        (Status::Waiting, None)
    );
    assert!(world.model.approve(id, world.now));
    assert_eq!(world.runner_of(id).as_deref(), Some("one"));
    assert_eq!(
        world.told(),
        ["queued/queued", "waiting/waiting", "queued/queued"]
    );
    assert!(!world.model.approve(id, world.now));
}

#[test]
fn an_environment_may_say_queued_while_it_waits() {
    let mut world = World::new();
    let id = world.queue(&gated(Gate::Deployment));
    world.model.approve(id, world.now);
    assert_eq!(world.told(), ["queued/waiting", "queued/queued"]);
}

#[test]
fn a_concurrency_group_says_pending() {
    let mut world = World::new();
    let id = world.queue(&gated(Gate::Concurrency));
    assert_eq!(world.job(id).status, Status::Pending);
    world.model.approve(id, world.now);
    assert_eq!(world.told(), ["queued/pending", "queued/queued"]);
}

#[test]
fn a_rejected_job_never_runs() {
    let mut world = World::new();
    let id = world.queue(&gated(Gate::Environment));
    assert!(world.model.reject(id, world.now));
    assert_eq!(
        world.ended(id),
        (Status::Completed, Some(Conclusion::Failure))
    );
}

#[test]
fn a_waiting_job_is_cancelled_at_once_without_in_progress() {
    let mut world = World::new();
    let id = world.queue(&NewJob {
        cancel_after: Some(5.0),
        ..job()
    });
    world.wait(4.9);
    assert_eq!(world.job(id).status, Status::Queued);
    world.wait(0.1);
    assert_eq!(
        world.ended(id),
        (Status::Completed, Some(Conclusion::Cancelled))
    );
    assert_eq!(world.told(), ["queued/queued", "completed/completed"]);
}

#[test]
fn a_job_that_is_cancelled_before_it_begins_sets_its_runner_free() {
    let mut world = World::new();
    let id = world.queue(&job());
    let session = world.online("one", &LABELS);
    world.model.cancel(id, world.now);
    assert_eq!(
        world.model.start(&session, world.now),
        Err(Interrupted::NoJob)
    );
    let next = world.queue(&job());
    assert_eq!(world.runner_of(next).as_deref(), Some("one"));
}

#[test]
fn the_runner_of_a_cancelled_job_is_told_and_may_not_go_on() {
    let mut world = World::new();
    let (session, id) = world.busy();
    world.model.cancel(id, world.now);
    assert_eq!(
        world.model.heartbeat(&session, world.now),
        Err(Interrupted::Cancelled)
    );
    assert_eq!(
        world.model.step(&session, "Build", world.now),
        Err(Interrupted::Cancelled)
    );
    world
        .model
        .complete(&session, Some(Conclusion::Success), world.now)
        .unwrap();
    assert_eq!(
        (world.ended(id).1, world.job(id).steps.len()),
        (Some(Conclusion::Cancelled), 0)
    );
}

#[test]
fn a_cancelled_job_whose_runner_does_not_listen_is_ended_by_github() {
    let mut world = World::new();
    world.model.settings.lost_after = 10_000.0;
    let (_, id) = world.busy();
    world.model.cancel(id, world.now);
    world.wait(299.0);
    assert_eq!(world.job(id).status, Status::InProgress);
    world.wait(1.0);
    assert_eq!(world.ended(id).1, Some(Conclusion::Cancelled));
}

#[test]
fn a_job_that_nobody_takes_in_a_day_is_cancelled() {
    let mut world = World::new();
    let id = world.queue(&job());
    world.wait(86_399.0);
    assert_eq!(world.job(id).status, Status::Queued);
    world.wait(1.0);
    assert_eq!(world.ended(id).1, Some(Conclusion::Cancelled));
}

#[test]
fn a_job_whose_runner_falls_silent_has_failed() {
    let mut world = World::new();
    let (session, id) = world.busy();
    world.wait(14.0);
    world.model.heartbeat(&session, world.now).unwrap();
    world.wait(14.0);
    assert_eq!(world.job(id).status, Status::InProgress);
    world.wait(1.0);
    assert_eq!(
        world.ended(id),
        (Status::Completed, Some(Conclusion::Failure))
    );
    assert_eq!(
        world.runner("busy").removed.map(|(_, why)| why),
        Some(Removal::Lost)
    );
}

#[test]
fn a_runner_that_says_goodbye_fails_its_job_but_stays_registered_if_it_had_none() {
    let mut world = World::new();
    let (busy, id) = world.busy();
    let idle = world.online("idle", &LABELS);
    world.model.close_session(&busy, world.now).unwrap();
    world.model.close_session(&idle, world.now).unwrap();
    assert_eq!(world.ended(id).1, Some(Conclusion::Failure));
    assert!(world.runner("idle").removed.is_none());
    let next = world.queue(&job());
    assert_eq!(world.runner_of(next), None);
}

#[test]
fn a_rerun_is_a_new_job_of_the_next_attempt() {
    let mut world = World::new();
    let (session, id) = world.busy();
    assert_eq!(world.model.rerun(id, world.now), None);
    world
        .model
        .complete(&session, Some(Conclusion::Failure), world.now)
        .unwrap();
    let again = world.model.rerun(id, world.now).unwrap();
    assert_ne!(again, id);
    assert_eq!(
        (world.job(again).run, world.job(again).attempt),
        (world.job(id).run, 2)
    );
}

#[test]
fn a_label_may_hold_the_runs_id() {
    let mut world = World::new();
    let id = world.queue(&NewJob {
        labels: vec!["run={run_id}".to_owned()],
        ..job()
    });
    assert_eq!(
        world.job(id).wish.labels,
        [format!("run={}", world.job(id).run)]
    );
}

#[test]
fn jobs_on_githubs_machines_run_by_themselves_and_are_told_about_too() {
    let mut world = World::new();
    let id = world.queue(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        seconds: 2.0,
        ..job()
    });
    world.wait(0.5);
    assert_eq!(world.runner_of(id).as_deref(), Some("GitHub Actions 5"));
    world.wait(2.0);
    assert_eq!(world.ended(id).1, Some(Conclusion::Success));
    assert_eq!(world.told().len(), 3);
}

#[test]
fn jobs_and_runs_can_be_looked_up() {
    let mut world = World::new();
    let (_, id) = world.busy();
    let waiting = world.queue(&job());
    let run = world.job(waiting).run;
    let seen = world
        .call(
            "GET",
            &format!("/repos/acme/app/actions/jobs/{id}"),
            &json!({}),
        )
        .body
        .unwrap();
    assert_eq!(
        (seen["status"].as_str(), seen["runner_name"].as_str()),
        (Some("in_progress"), Some("busy"))
    );
    let queued = world
        .call(
            "GET",
            "/repos/acme/app/actions/runs?status=queued",
            &json!({}),
        )
        .body
        .unwrap();
    assert_eq!(
        (
            queued["total_count"].as_u64(),
            queued["workflow_runs"][0]["id"].as_i64()
        ),
        (Some(1), Some(run.0))
    );
    let jobs = world
        .call(
            "GET",
            &format!("/repos/acme/app/actions/runs/{run}/attempts/1/jobs"),
            &json!({}),
        )
        .body
        .unwrap();
    assert_eq!(jobs["jobs"][0]["id"].as_i64(), Some(waiting.0));
    assert_eq!(
        world
            .call(
                "GET",
                &format!("/repos/acme/app/actions/runs/{run}/attempts/2/jobs"),
                &json!({})
            )
            .status,
        404
    );
    assert_eq!(
        world
            .call("GET", "/repos/acme/app/actions/jobs/1", &json!({}))
            .status,
        404
    );
    world.repository("acme/other");
    assert_eq!(
        world
            .call(
                "GET",
                &format!("/repos/acme/other/actions/jobs/{id}"),
                &json!({})
            )
            .status,
        404
    );
}

#[test]
fn a_run_from_a_fork_has_another_head_repository() {
    let mut world = World::new();
    let id = world.queue(&NewJob {
        fork: true,
        event: "pull_request".to_owned(),
        ..job()
    });
    let run = world.job(id).run;
    let seen = world
        .call(
            "GET",
            &format!("/repos/acme/app/actions/runs/{run}"),
            &json!({}),
        )
        .body
        .unwrap();
    assert_ne!(seen["repository"]["id"], seen["head_repository"]["id"]);
}

#[test]
fn the_app_may_not_rerun_jobs_it_has_no_permission_for() {
    let mut world = World::new();
    let (session, id) = world.busy();
    world.model.complete(&session, None, world.now).unwrap();
    let answer = world.call(
        "POST",
        &format!("/repos/acme/app/actions/jobs/{id}/rerun"),
        &json!({}),
    );
    assert_eq!(
        (answer.status, message(&answer)),
        (403, "Resource not accessible by integration")
    );
}
