//! Which runner gets which job.

use crate::world::{LABELS, World, job};
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_github_model::jobs::{NewJob, Status};
use mayfly_github_model::model::{Interrupted, JitConfigRequest};
use proptest::prelude::{any, prop, proptest};

fn labelled(labels: &[&str]) -> NewJob {
    NewJob {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..NewJob::default()
    }
}

#[test]
fn a_runner_gets_a_job_whose_labels_it_covers_whatever_their_case() {
    let mut world = World::new();
    let id = world.queue(&labelled(&["Self-Hosted", "MAYFLY"]));
    world.online("one", &["self-hosted", "mayfly", "more"]);
    assert_eq!(world.runner_of(id).as_deref(), Some("one"));
}

#[test]
fn a_runner_without_one_of_the_labels_gets_nothing() {
    let mut world = World::new();
    let id = world.queue(&labelled(&["self-hosted", "mayfly", "gpu"]));
    world.online("one", &LABELS);
    assert_eq!(world.runner_of(id), None);
}

#[test]
fn the_oldest_job_goes_first_and_each_runner_gets_one() {
    let mut world = World::new();
    let first = world.queue(&job());
    world.wait(1.0);
    let second = world.queue(&job());
    world.online("one", &LABELS);
    assert_eq!(
        (world.runner_of(first).as_deref(), world.runner_of(second)),
        (Some("one"), None)
    );
    world.online("two", &LABELS);
    assert_eq!(world.runner_of(second).as_deref(), Some("two"));
}

#[test]
fn a_waiting_runner_gets_the_next_job_that_fits() {
    let mut world = World::new();
    world.online("one", &LABELS);
    let id = world.queue(&job());
    assert_eq!(world.runner_of(id).as_deref(), Some("one"));
}

#[test]
fn a_job_may_go_to_a_runner_that_was_made_for_another() {
    let mut world = World::new();
    let intended = world.queue(&labelled(&["self-hosted", "mayfly", "big"]));
    world.wait(1.0);
    let thief = world.queue(&NewJob {
        thief: true,
        ..labelled(&["mayfly"])
    });
    world.online("big-1", &["self-hosted", "mayfly", "big"]);
    assert_eq!(
        (world.runner_of(intended), world.runner_of(thief).as_deref()),
        (None, Some("big-1"))
    );
}

#[test]
fn when_runners_are_stolen_the_newest_job_goes_first() {
    let mut world = World::new();
    world.model.faults.stolen = 1.0;
    let old = world.queue(&job());
    world.wait(1.0);
    let new = world.queue(&job());
    world.online("one", &LABELS);
    assert_eq!(
        (world.runner_of(old), world.runner_of(new).as_deref()),
        (None, Some("one"))
    );
}

#[test]
fn a_runner_of_another_repository_gets_nothing() {
    let mut world = World::new();
    let id = world.queue(&job());
    let other = world.repository("acme/other");
    world.online_in(other, "one", &LABELS);
    assert_eq!(world.runner_of(id), None);
}

#[test]
fn a_runner_of_the_organization_serves_its_private_repositories() {
    let mut world = World::new();
    let public = world.queue(&NewJob {
        repository: "acme/site".to_owned(),
        private: Some(false),
        ..job()
    });
    let strange = world.queue(&NewJob {
        repository: "globex/app".to_owned(),
        ..job()
    });
    let private = world.queue(&job());
    let acme = world.organization("acme");
    for name in ["one", "two", "three"] {
        world.online_in(acme, name, &LABELS);
    }
    assert!(world.runner_of(private).is_some());
    // Silently, and for ever.
    assert_eq!(
        (world.runner_of(public), world.runner_of(strange)),
        (None, None)
    );
}

#[test]
fn a_group_serves_whom_it_is_for() {
    let mut world = World::new();
    let group = world.model.accounts_mut().add_group(
        ACME,
        "fargate",
        Visibility::Selected(["shop".to_owned()].into()),
        true,
    );
    let refused = world.queue(&job());
    let served = world.queue(&NewJob {
        repository: "acme/shop".to_owned(),
        private: Some(false),
        ..job()
    });
    let wanted = JitConfigRequest {
        name: "one".to_owned(),
        runner_group_id: group.0,
        labels: LABELS.map(str::to_owned).to_vec(),
        work_folder: "_work".to_owned(),
    };
    let acme = world.organization("acme");
    let id = world
        .model
        .generate_jit_config(acme, &wanted, world.now)
        .unwrap();
    let registration = world.model.runner(id).unwrap().registration.clone();
    world.model.open_session(&registration, world.now).unwrap();
    assert_eq!(
        (world.runner_of(refused), world.runner_of(served).as_deref()),
        (None, Some("one"))
    );
}

#[test]
fn a_job_without_labels_needs_its_group() {
    let mut world = World::new();
    let lost = world.queue(&labelled(&[]));
    let grouped = world.queue(&NewJob {
        runner_group: Some("default".to_owned()),
        ..labelled(&[])
    });
    let acme = world.organization("acme");
    world.online_in(acme, "one", &LABELS);
    world.online_in(acme, "two", &LABELS);
    assert!(world.runner_of(grouped).is_some());
    assert_eq!(world.runner_of(lost), None);
}

#[test]
fn a_job_that_is_not_begun_within_a_minute_is_queued_again() {
    let mut world = World::new();
    world.model.settings.lost_after = 1_000.0;
    let id = world.queue(&job());
    let slow = world.online("slow", &LABELS);
    world.wait(59.0);
    assert_eq!(world.runner_of(id).as_deref(), Some("slow"));
    // The job is taken away before anyone else is there, then given to anyone who is free.
    world.wait(1.0);
    assert_eq!(world.job(id).assigned_at, Some(world.now));
    let _ = world.model.start(&slow, world.now);
    assert_eq!(world.job(id).status, Status::InProgress);
}

#[test]
fn a_runner_that_dies_before_it_begins_gives_its_job_back() {
    let mut world = World::new();
    let id = world.queue(&job());
    let dead = world.online("dead", &LABELS);
    world.wait(15.0);
    assert_eq!(
        (world.runner_of(id), world.job(id).status),
        (None, Status::Queued)
    );
    world.online("next", &LABELS);
    assert_eq!(world.runner_of(id).as_deref(), Some("next"));
    assert_eq!(world.model.start(&dead, world.now), Err(Interrupted::NoJob));
}

proptest! {
    /// However jobs and runners come, no runner has two jobs, no job has two runners, and what fits
    /// is given.
    #[test]
    fn jobs_and_runners_are_paired(moves in prop::collection::vec((any::<bool>(), prop::sample::subsequence(vec!["a", "b", "c"], 1..=3)), 1..24)) {
        let mut world = World::new();
        world.model.faults.stolen = 0.3;
        for (number, (queue, labels)) in moves.into_iter().enumerate() {
            world.wait(0.1);
            if queue {
                world.queue(&labelled(&labels));
            } else {
                world.online(&format!("runner-{number}"), &labels);
            }
        }
        let mut names: Vec<_> = world.model.jobs().filter_map(|job| world.runner_of(job.id)).collect();
        let given = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), given);
        for runner in world.model.runners().filter(|runner| runner.is_idle()) {
            assert!(world.model.jobs().filter(|job| job.is_waiting()).all(|job| !world.model.fits(runner, job)));
        }
    }
}
