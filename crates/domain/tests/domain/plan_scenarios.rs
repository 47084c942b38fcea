//! The plan in scenes that happen: what is waiting and who is there, and what is done about it.

use mayfly_domain::model::assignment::Assignment;
use mayfly_domain::model::id::{JobId, RepositoryId};
use mayfly_domain::model::job::{RefusalScope, WaitingJob};
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::{PoolHealth, StartHealth};
use mayfly_domain::model::story::Reason;
use mayfly_domain::transitions::plan::Plan;

use crate::fixture::builders::{
    DEFINITION, OLD, OWN, ago, broken, busy, health, installation, job, job_of, later, limits,
    marked, parked, pool, verified,
};
use crate::fixture::builders::{registered, registering, requested, silent, target};
use crate::fixture::snapshots::Look;

fn fixture(
    jobs: impl IntoIterator<Item = WaitingJob>,
    runners: impl IntoIterator<Item = Runner>,
) -> Look {
    let (jobs, runners) = (jobs.into_iter().collect(), runners.into_iter().collect());
    Look {
        pool: pool(),
        health: verified(),
        jobs,
        runners,
        limits: limits(),
    }
}

fn with_floor(min_idle: u32) -> Pool {
    Pool { min_idle, ..pool() }
}

/// A requested runner that was started for this job.
fn started_for(number: u64, job: i64) -> Runner {
    Runner {
        intended: Some(JobId(job)),
        repository: Some(RepositoryId(1)),
        ..requested(number)
    }
}

/// The plan, one line each: launches in order, stops in order, jobs that are held.
fn told(snapshot: &Look) -> String {
    let Plan {
        launch,
        stop,
        holds: hold,
    } = snapshot.plan();
    let size = |size: Size| if size == OWN { "" } else { " of the old size" };
    let mut lines = Vec::new();
    for start in launch {
        lines.push(match start.job {
            Some(job) => format!("launch for job {job}{}", size(start.size)),
            None => format!("launch for the floor{}", size(start.size)),
        });
    }
    lines.extend(stop.iter().map(|stop| {
        format!(
            "stop {}: {}",
            stop.runner.as_str().trim_start_matches('0'),
            stop.reason
        )
    }));
    lines.extend(
        hold.iter()
            .map(|(job, hold)| format!("hold job {job}: {hold:?}")),
    );
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("\n")
    }
}

#[test]
fn a_burst_over_max_launches_the_oldest_and_holds_the_rest() {
    let mut snapshot = fixture((1..=4).rev().map(job), [busy(1, 50, 7, Some(50))]);
    snapshot.pool.max = 3;
    insta::assert_snapshot!(told(&snapshot), @r"
    launch for job 1
    launch for job 2
    hold job 3: PoolMax(3)
    hold job 4: PoolMax(3)
    ");
}

#[test]
fn a_job_that_had_its_turn_in_vain_comes_after_those_that_waited_when_it_could_be_tried_again() {
    let tried = |id, seconds| WaitingJob {
        attempts: 3,
        not_before: Some(ago(seconds)),
        ..job(id)
    };
    let mut snapshot = fixture([tried(1, 1), tried(2, 70), job(3), job(4)], []);
    snapshot.pool.max = 3;
    insta::assert_snapshot!(told(&snapshot), @r"
    launch for job 2
    launch for job 3
    launch for job 4
    hold job 1: PoolMax(3)
    ");
}

#[test]
fn more_rows_than_max_after_a_pools_change_launch_and_stop_nothing_that_is_needed() {
    let mut snapshot = fixture((1..=3).map(job), (1..=3).map(requested));
    snapshot.pool.max = 2;
    insta::assert_snapshot!(told(&snapshot), @"nothing");
}

#[test]
fn a_cancelled_job_stops_the_newest_runner_that_is_on_its_way() {
    let snapshot = fixture([job(2)], [started_for(1, 1), started_for(2, 2)]);
    insta::assert_snapshot!(told(&snapshot), @"stop 2: the job it was started for no longer needs it");
}

#[test]
fn a_stopping_runner_counts_under_max_and_covers_nothing() {
    let mut snapshot = fixture([job(1)], [marked(requested(1))]);
    snapshot.pool.max = 1;
    insta::assert_snapshot!(told(&snapshot), @"hold job 1: PoolMax(1)");
}

#[test]
fn a_stolen_job_has_the_other_one_launched_for() {
    // Runner 1 was registered for job 1 and took job 2: job 1 needs another.
    let snapshot = fixture([job(1)], [busy(1, 1, 1002, Some(2))]);
    insta::assert_snapshot!(told(&snapshot), @"launch for job 1");
}

#[test]
fn a_job_whose_runner_was_admitted_but_not_yet_named_is_covered() {
    let snapshot = fixture([job(1), job(2)], [busy(1, 1, 1001, None)]);
    insta::assert_snapshot!(told(&snapshot), @"launch for job 2");
}

#[test]
fn a_runner_that_github_calls_busy_covers_what_it_holds_in_reserve() {
    let snapshot = fixture(
        [job(1), job(2)],
        [Runner {
            work: None,
            ..busy(1, 2, 0, None)
        }],
    );
    insta::assert_snapshot!(told(&snapshot), @"launch for job 1");
}

#[test]
fn a_runner_whose_job_was_refused_covers_nothing() {
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..busy(1, 1, 1001, None)
    };
    insta::assert_snapshot!(told(&fixture([job(1)], [refused])), @"launch for job 1");
}

#[test]
fn registered_runners_cover_their_target_only_and_are_never_stopped() {
    let snapshot = fixture(
        [job_of(1, 1, "gpu")],
        [
            registered(1, 9, target(1, "mayfly")),
            registering(2, 9, target(2, "gpu")),
        ],
    );
    insta::assert_snapshot!(told(&snapshot), @"launch for job 1");
}

#[test]
fn a_runner_that_was_taken_away_at_github_keeps_the_job_in_its_reserve_until_it_has_ended_and_covers_no_other()
 {
    let away = |number| Runner {
        retired_at: Some(ago(2)),
        reserved: Some(JobId(1)),
        ..registered(number, 1, target(1, "mayfly"))
    };
    let hold = WaitingJob {
        runner: Some(away(1).id),
        ..job(1)
    };
    insta::assert_snapshot!(told(&fixture([hold.clone(), job(2)], [away(1)])), @"launch for job 2");
    // Someone else holds the job by now.
    insta::assert_snapshot!(told(&fixture([hold], [away(2)])), @"launch for job 1");
}

#[test]
fn a_runner_that_fell_silent_is_replaced_and_stopped() {
    let snapshot = fixture([job(1)], [silent(1)]);
    insta::assert_snapshot!(told(&snapshot), @"
    launch for job 1
    stop 1: it stopped asking for a registration
    ");
}

#[test]
fn the_idle_floor_is_filled_up_once_a_job_takes_from_it() {
    let mut snapshot = fixture([job(1)], [parked(1), parked(2)]);
    snapshot.pool = with_floor(2);
    insta::assert_snapshot!(told(&snapshot), @"launch for the floor");
}

#[test]
fn the_idle_floor_keeps_parked_runners_before_those_on_their_way_and_the_oldest() {
    let mut snapshot = fixture([], [requested(1), parked(3), parked(2), requested(4)]);
    snapshot.pool = with_floor(2);
    insta::assert_snapshot!(told(&snapshot), @"
    stop 4: beyond the idle floor
    stop 1: beyond the idle floor
    ");
}

#[test]
fn a_job_that_cannot_be_served_now_takes_nothing_from_the_floor() {
    let mut snapshot = fixture((1..=3).map(|id| job_of(id, 3, "mayfly")), [parked(1)]);
    snapshot.pool = with_floor(1);
    snapshot.limits.github.insert(installation(3), later(600));
    insta::assert_snapshot!(told(&snapshot), @"
    hold job 1: GithubLimit(Timestamp(1800000600000))
    hold job 2: GithubLimit(Timestamp(1800000600000))
    hold job 3: GithubLimit(Timestamp(1800000600000))
    ");
    snapshot.limits = limits();
    snapshot.pool.max_per_repository = Some(1);
    snapshot.runners.push(Runner {
        repository: Some(RepositoryId(3)),
        ..busy(2, 9, 7, Some(9))
    });
    insta::assert_snapshot!(told(&snapshot), @"
    hold job 1: RepositoryMax(1)
    hold job 2: RepositoryMax(1)
    hold job 3: RepositoryMax(1)
    ");
}

#[test]
fn an_open_breaker_sends_one_probe_and_waits_for_it() {
    let open = health([(OWN, broken(5, FailureKind::Transient))]);
    let snapshot = Look {
        health: open.clone(),
        ..fixture([job(1), job(2)], [])
    };
    insta::assert_snapshot!(told(&snapshot), @"
    launch for job 1
    hold job 2: Unverified(1)
    ");
    let probed = Look {
        health: open,
        ..fixture([job(1), job(2)], [started_for(1, 1)])
    };
    insta::assert_snapshot!(told(&probed), @"hold job 2: Unverified(1)");
}

#[test]
fn where_runners_fail_after_their_registration_a_probe_lasts_until_it_has_a_job() {
    let late = StartHealth {
        failed_definition: Some(DEFINITION.into()),
        after_registration: true,
        ..broken(1, FailureKind::Configuration)
    };
    let snapshot = |runner: Runner| Look {
        health: health([(OWN, late.clone())]),
        ..fixture([job(1), job(2), job(3)], [runner])
    };
    // The probe has its registration, for job 1, and may yet fail as those before it.
    insta::assert_snapshot!(told(&snapshot(registered(1, 1, target(1, "mayfly")))), @"
    hold job 2: Unverified(1)
    hold job 3: Unverified(1)
    ");
    // It has a job, and was launched after the newest failure: the size works, and nothing waits
    // for its end.
    let mut works = busy(1, 9, 7, Some(9));
    insta::assert_snapshot!(told(&snapshot(works.clone())), @"
    launch for job 1
    launch for job 2
    launch for job 3
    ");
    // One that was launched before shows nothing of what is wrong since.
    works.launch.first_sent_at = ago(601);
    insta::assert_snapshot!(told(&snapshot(works)), @"
    launch for job 1
    hold job 2: Unverified(1)
    hold job 3: Unverified(1)
    ");
}

#[test]
fn a_wait_after_a_failed_start_holds_jobs_and_floor_alike() {
    let waits = health([(
        OWN,
        StartHealth {
            not_before: Some(later(1)),
            ..broken(1, FailureKind::Transient)
        },
    )]);
    let mut snapshot = Look {
        health: waits,
        ..fixture([job(1)], [])
    };
    snapshot.pool = with_floor(1);
    insta::assert_snapshot!(told(&snapshot), @"hold job 1: FailedStarts(Timestamp(1800000001000))");
}

#[test]
fn a_size_that_nobody_has_seen_work_is_tried_five_at_a_time() {
    let snapshot = Look {
        health: PoolHealth::default(),
        ..fixture((1..=7).map(job), [started_for(1, 1)])
    };
    insta::assert_snapshot!(told(&snapshot), @"
    launch for job 2
    launch for job 3
    launch for job 4
    launch for job 5
    hold job 6: Unverified(5)
    hold job 7: Unverified(5)
    ");
}

#[test]
fn after_a_pools_change_each_job_gets_a_runner_of_its_own_size() {
    let old = |id| WaitingJob {
        size: OLD,
        ..job(id)
    };
    let mut snapshot = fixture(
        [old(1), job(2), old(3)],
        [
            Runner {
                size: OLD,
                ..requested(1)
            },
            parked(4),
        ],
    );
    snapshot.pool = with_floor(1);
    insta::assert_snapshot!(told(&snapshot), @"
    launch for job 3 of the old size
    launch for the floor
    ");
}

#[test]
fn a_registered_runner_leaves_the_job_of_the_other_size_to_the_runner_that_fits_it() {
    let old = WaitingJob {
        size: OLD,
        ..job(1)
    };
    let snapshot = fixture(
        [old, job(2)],
        [
            registered(1, 2, target(1, "mayfly")),
            Runner {
                size: OLD,
                ..requested(2)
            },
        ],
    );
    insta::assert_snapshot!(told(&snapshot), @"nothing");
}

#[test]
fn idle_runners_of_a_size_that_the_pool_no_longer_has_are_stopped() {
    let mut snapshot = fixture(
        [],
        [
            Runner {
                size: OLD,
                ..parked(1)
            },
            parked(2),
        ],
    );
    snapshot.pool = with_floor(1);
    insta::assert_snapshot!(told(&snapshot), @"stop 1: beyond the idle floor");
}

#[test]
fn a_job_that_github_must_be_asked_about_starts_no_runner_and_keeps_none() {
    let ask = WaitingJob {
        needs_check: true,
        attempts: 1,
        ..job(1)
    };
    let wait = WaitingJob {
        not_before: Some(later(60)),
        ..job(2)
    };
    let snapshot = fixture([ask, wait], [started_for(1, 1)]);
    insta::assert_snapshot!(told(&snapshot), @"
    stop 1: the job it was started for no longer needs it
    hold job 1: Job
    hold job 2: Job
    ");
}

/// One job for all of them, the one that was refused last; what else of the pool's runners is there
/// for them has nothing to do.
#[test]
fn jobs_of_a_repository_for_which_github_refuses_every_runner_have_one_runner_at_a_time() {
    let refused = |id, wait| WaitingJob {
        refused: Some(RefusalScope::Repository),
        attempts: 1,
        not_before: Some(wait),
        ..job(id)
    };
    let others = [job(2), job_of(4, 2, "mayfly")];
    let waits = [
        refused(1, later(30)),
        refused(3, later(60)),
        others[0].clone(),
        others[1].clone(),
    ];
    insta::assert_snapshot!(told(&fixture(waits, [parked(1), parked(2), started_for(3, 2)])), @"
    stop 3: the job it was started for no longer needs it
    stop 2: beyond the idle floor
    hold job 2: Refused(Timestamp(1800000060000))
    hold job 1: Job
    hold job 3: Job
    ");
    let tried = [refused(1, ago(30)), refused(3, ago(1)), others[0].clone()];
    insta::assert_snapshot!(told(&fixture(tried.clone(), [])), @"
    launch for job 3
    hold job 2: Refused(Timestamp(1799999999000))
    hold job 1: Refused(Timestamp(1799999999000))
    ");
    insta::assert_snapshot!(told(&fixture(tried, [started_for(1, 3)])), @"
    hold job 2: Refused(Timestamp(1799999999000))
    hold job 1: Refused(Timestamp(1799999999000))
    ");
}

/// The same where GitHub refuses the request itself: what has other labels, or is of another size,
/// has its own turn.
#[test]
fn jobs_of_a_target_for_which_github_refuses_every_runner_have_one_runner_at_a_time() {
    let refused = WaitingJob {
        refused: Some(RefusalScope::Target),
        attempts: 1,
        not_before: Some(later(30)),
        ..job(1)
    };
    let large = WaitingJob {
        size: OLD,
        ..job(4)
    };
    let waits = [refused.clone(), job(2), job_of(3, 1, "gpu"), large];
    insta::assert_snapshot!(told(&fixture(waits, [parked(1), parked(2)])), @"
    launch for job 4 of the old size
    stop 2: beyond the idle floor
    hold job 2: Refused(Timestamp(1800000030000))
    hold job 1: Job
    ");
    let due = WaitingJob {
        not_before: Some(ago(1)),
        ..refused
    };
    insta::assert_snapshot!(told(&fixture([due, job(2)], [parked(1), parked(2)])), @"
    stop 2: beyond the idle floor
    hold job 2: Refused(Timestamp(1799999999000))
    ");
}

/// One job of a repository that GitHub refuses, one of a target: each is tried for its own, and
/// neither waits for the other.
#[test]
fn a_job_that_is_tried_for_others_waits_for_no_one() {
    let refused = |id, scope, at| WaitingJob {
        refused: Some(scope),
        attempts: 1,
        not_before: Some(at),
        ..job(id)
    };
    let waits = [
        refused(1, RefusalScope::Repository, ago(2)),
        refused(2, RefusalScope::Target, ago(1)),
        job(3),
    ];
    insta::assert_snapshot!(told(&fixture(waits, [])), @"
    launch for job 1
    launch for job 2
    hold job 3: Refused(Timestamp(1799999999000))
    ");
}

/// GitHub gives the runners of a repository nothing: one of the floor is tried when its time has
/// come, and the others stay where they are.
#[test]
fn the_idle_floor_spends_one_runner_at_a_time_on_a_repository_that_gets_no_jobs() {
    let in_doubt = |not_before| {
        let mut look = fixture(
            (1..=3).map(|id| WaitingJob {
                attempts: 1,
                ..job(id)
            }),
            [parked(1), parked(2)],
        );
        look.pool = with_floor(2);
        look.health.assignments = vec![Assignment {
            repository: RepositoryId(1),
            definition: DEFINITION.to_owned(),
            jobs: (1..=5).map(JobId).collect(),
            probes: 2,
            at: ago(600),
            not_before: Some(not_before),
        }];
        look
    };
    insta::assert_snapshot!(told(&in_doubt(later(60))), @"
    hold job 1: NotAssigned(Timestamp(1800000060000))
    hold job 2: NotAssigned(Timestamp(1800000060000))
    hold job 3: NotAssigned(Timestamp(1800000060000))
    ");
    let due = in_doubt(ago(1));
    insta::assert_snapshot!(told(&due), @"
    launch for the floor
    hold job 2: NotAssigned(Timestamp(1799999999000))
    hold job 3: NotAssigned(Timestamp(1799999999000))
    ");
    let tried = Look {
        runners: vec![registered(1, 1, target(1, "mayfly")), parked(2), parked(3)],
        ..due
    };
    insta::assert_snapshot!(told(&tried), @"
    hold job 2: NotAssigned(Timestamp(1799999999000))
    hold job 3: NotAssigned(Timestamp(1799999999000))
    ");
    // A changed image is tried at once.
    let mut changed = in_doubt(later(60));
    for runner in &mut changed.runners {
        runner.launch.definition = "changed".to_owned();
    }
    insta::assert_snapshot!(told(&changed), @"
    launch for the floor
    launch for the floor
    hold job 3: NotAssigned(Timestamp(1800000060000))
    ");
}

#[test]
fn a_run_that_can_send_no_more_leaves_the_rest_to_the_next() {
    let snapshot = Look {
        limits: Limits {
            launches: 1,
            ..limits()
        },
        ..fixture([job(1), job(2)], [])
    };
    insta::assert_snapshot!(told(&snapshot), @"
    launch for job 1
    hold job 2: ThisRun
    ");
}

#[test]
fn a_pool_that_is_gone_launches_nothing_and_lets_its_busy_runners_finish() {
    let snapshot = Look {
        pool: Pool::removed(pool().name, OWN),
        ..fixture([job(1)], [busy(1, 9, 7, Some(9)), parked(2), requested(3)])
    };
    insta::assert_snapshot!(told(&snapshot), @"stop 3: beyond the idle floor");
    assert_eq!(
        snapshot.health.of(&OWN).verified_definition.as_deref(),
        Some(DEFINITION)
    );
}
