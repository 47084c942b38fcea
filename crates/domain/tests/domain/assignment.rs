//! Runners that register and are given nothing: what all jobs of a repository cost then.

use mayfly_domain::model::assignment::Assignment;
use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::{JobId, RepositoryId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::{Plan, plan};

use crate::fixture::builders::{
    DEFINITION, NOW, ago, busy, job, job_of, later, limits, pool, registered, target, verified,
};

/// Six runners of repository 1 were given nothing, the last one ten minutes ago; the next may be
/// tried from then on.
fn given_nothing(probes: u32, not_before: Timestamp) -> PoolHealth {
    let assignment = Assignment {
        repository: RepositoryId(1),
        definition: DEFINITION.to_owned(),
        jobs: (1..=5).map(JobId).collect(),
        probes,
        at: ago(600),
        not_before: Some(not_before),
    };
    PoolHealth {
        assignments: vec![assignment],
        ..verified()
    }
}

/// Jobs that wait, each of which had a runner before that got nothing.
fn tried_before() -> Vec<WaitingJob> {
    let tried = |id| WaitingJob {
        attempts: 1,
        ..job(id)
    };
    (1..=4).map(tried).collect()
}

fn planned(health: &PoolHealth, jobs: &[WaitingJob], runners: &[Runner]) -> Plan {
    plan(&pool(), health, jobs, runners, &limits(), NOW)
}

#[test]
fn one_runner_at_a_time_is_tried_and_only_when_the_wait_is_over() {
    let jobs = tried_before();
    let one = planned(&given_nothing(2, ago(1)), &jobs, &[]);
    assert_eq!((one.launch.len(), one.holds.len()), (1, 3), "{one:?}");
    let none = planned(&given_nothing(2, later(60)), &jobs, &[]);
    assert_eq!(none.launch.len(), 0);
    assert!(
        none.holds
            .iter()
            .all(|(_, hold)| *hold == HoldReason::NotAssigned(later(60))),
        "{none:?}"
    );
    let waits = registered(1, 9, target(1, "gpu"));
    assert_eq!(
        planned(&given_nothing(2, ago(1)), &jobs, &[waits])
            .launch
            .len(),
        0,
        "the one that is tried has not been given anything yet"
    );
}

#[test]
fn other_repositories_and_another_image_are_not_held_back() {
    let jobs: Vec<_> = (1..=4).map(|id| job_of(id, 2, "mayfly")).collect();
    assert_eq!(
        planned(&given_nothing(2, later(60)), &jobs, &[])
            .launch
            .len(),
        4
    );
    let mut health = given_nothing(2, later(60));
    health.assignments[0].definition = "the one before".to_owned();
    assert_eq!(planned(&health, &tried_before(), &[]).launch.len(), 4);
}

#[test]
fn a_runner_that_was_given_a_job_since_ends_it_at_once() {
    let busy_at = |busy_at| Runner {
        busy_at: Some(busy_at),
        ..busy(1, 9, 9, Some(9))
    };
    let health = given_nothing(2, later(60));
    let with = |runner| planned(&health, &tried_before(), &[runner]).launch.len();
    assert_eq!((with(busy_at(ago(599))), with(busy_at(ago(601)))), (4, 0));
    let over = given_nothing(2, ago(1));
    let earlier = planned(&over, &tried_before(), &[busy_at(ago(601))]);
    assert_eq!(
        earlier.launch.len(),
        1,
        "one that has had a job all the while waits for none: the next may be tried"
    );
}

/// Before a second one was tried, it takes GitHub's word that jobs still wait: a runner that was
/// given nothing may have come for a job that was over.
#[test]
fn the_first_time_three_jobs_must_be_known_to_wait() {
    let health = given_nothing(1, later(60));
    let mut jobs = tried_before();
    jobs.push(job(5));
    assert_eq!(planned(&health, &jobs, &[]).launch.len(), 0);
    for job in jobs.iter_mut().skip(2) {
        job.needs_check = true;
    }
    let unsure = planned(&health, &jobs, &[]);
    assert_eq!(
        unsure.launch.len(),
        2,
        "of four that had a runner two are to be asked about: {unsure:?}"
    );
}
