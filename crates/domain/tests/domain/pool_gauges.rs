//! What a look at a pool shows, in numbers.

use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::{PoolHealth, StartHealth};
use mayfly_domain::transitions::pool_gauges::PoolGauges;

use crate::fixture::builders::{
    DEFINITION, NOW, OLD, OWN, ago, broken, busy, health, job, limits, marked, parked, pool,
    registered, requested, target, verified,
};

fn gauges(health: &PoolHealth, jobs: &[WaitingJob], holds: &[(JobId, HoldReason)]) -> PoolGauges {
    PoolGauges::of(&pool(), (health, jobs, &[]), &limits(), holds, NOW)
}

fn of_runners(runners: &[Runner]) -> (usize, usize, usize) {
    let all = PoolGauges::of(&pool(), (&verified(), &[], runners), &limits(), &[], NOW);
    (all.starting, all.idle, all.running)
}

#[test]
fn runners_start_idle_and_work() {
    let done = Runner {
        done_at: Some(ago(1)),
        ..busy(5, 5, 1005, Some(5))
    };
    let runners = [
        requested(1),
        parked(2),
        registered(3, 3, target(1, "mayfly")),
        busy(4, 4, 1004, Some(4)),
        done,
        marked(requested(6)),
    ];
    assert_eq!(of_runners(&runners), (1, 2, 1));
}

#[test]
fn the_oldest_job_counts_unless_the_pool_is_paused() {
    let old = WaitingJob {
        queued_at: ago(900),
        ..job(1)
    };
    let jobs = [job(2), old];
    let all = gauges(&verified(), &jobs, &[]);
    assert_eq!(
        (all.waiting, all.oldest),
        (2, Some(Duration::from_secs(900)))
    );
    let paused = Pool { max: 0, ..pool() };
    let all = PoolGauges::of(&paused, (&verified(), &jobs, &[]), &limits(), &[], NOW);
    assert_eq!((all.waiting, all.oldest), (2, None));
    assert_eq!(gauges(&verified(), &[], &[]).oldest, None);
}

#[test]
fn a_breaker_is_open_while_a_person_must_act_and_what_passes_only_while_a_job_waits() {
    let with = |health: StartHealth| StartHealth {
        failed_definition: Some(DEFINITION.into()),
        ..health
    };
    let wrong = with(broken(1, FailureKind::Configuration));
    let full = with(broken(5, FailureKind::Transient));
    let open = |size, of: &StartHealth, jobs: &[WaitingJob]| {
        gauges(&health([(size, of.clone())]), jobs, &[]).open_breakers
    };
    assert_eq!(open(OWN, &wrong, &[]), 1);
    assert_eq!((open(OWN, &full, &[job(1)]), open(OWN, &full, &[])), (1, 0));
    // A job of another size says nothing.
    assert_eq!(open(OLD, &full, &[job(1)]), 0);
    assert_eq!(
        open(OWN, &with(broken(4, FailureKind::Transient)), &[job(1)]),
        0
    );
    // Another image has not failed yet.
    let other = StartHealth {
        failed_definition: Some("another".into()),
        ..wrong
    };
    assert_eq!(open(OWN, &other, &[job(1)]), 0);
    let held = [(JobId(1), HoldReason::NotAssigned(NOW))];
    assert_eq!(gauges(&verified(), &[job(1)], &held).open_breakers, 1);
}

#[test]
fn held_jobs_are_counted_by_reason() {
    let holds = [
        (JobId(1), HoldReason::PoolMax(10)),
        (JobId(2), HoldReason::PoolMax(10)),
        (JobId(3), HoldReason::GithubLimit(NOW)),
    ];
    let all = gauges(&verified(), &[], &holds);
    assert_eq!(
        (
            all.held_for("pool_max"),
            all.held_for("github_limit"),
            all.held_for("refused")
        ),
        (Some(2), Some(1), None)
    );
}
