//! Registration: who a caller is, whose turn it is, which job it gets, and what the ledger says at
//! each step.

use std::collections::BTreeSet;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::{GithubRunnerId, JobId, RepositoryId, RunId, TaskArn};
use mayfly_domain::model::job::{RefusalScope, WaitingJob};
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::{Runner, RunnerState, Timeline};
use mayfly_domain::model::story::{Reason, TaskEnd};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::registration::{
    Caller, Identity, RefusedRegistration, RegistrationStep, ask_again, can_serve, candidate_order,
    identify, may_adopt, refused_for_good, registration_step, reservation_is_void, retry_slot,
};
use mayfly_domain::transitions::time_limits::runners_to_evict;
use proptest::prelude::*;

use crate::fixture::builders::{
    NOW, OLD, ago, arn, busy, job, job_of, later, marked, parked, pool, record_of, registered,
    registering, requested, target,
};

fn mine() -> mayfly_domain::model::target::Target {
    target(1, "mayfly")
}

fn caller(role: &str, session: &str) -> Caller {
    Caller {
        account: "123456789012".into(),
        role: role.into(),
        session: session.into(),
    }
}

fn identity(runner: &Runner, caller: &Caller) -> Identity {
    identify(
        runner,
        caller,
        "123456789012",
        "arn:aws:ecs:eu-west-1:123456789012:cluster/mayfly",
    )
}

#[test]
fn only_the_rows_own_task_with_the_rows_own_role_is_the_runner() {
    let runner = requested(1);
    let (role, session) = ("mayfly-runner", format!("{:032x}", 1));
    assert_eq!(identity(&runner, &caller(role, &session)), Identity::Proven);
    assert_eq!(
        identity(&runner, &caller(role, &format!("{:032x}", 2))),
        Identity::Stranger
    );
    assert_eq!(identity(&runner, &caller(role, "")), Identity::Stranger);
    assert_eq!(
        identity(&runner, &caller("another", &session)),
        Identity::Stranger
    );
    assert_eq!(
        identity(&runner, &caller("tasks/mayfly-runner", &session)),
        Identity::Stranger
    );
    assert_eq!(
        identity(
            &runner,
            &Caller {
                account: "210987654321".into(),
                ..caller(role, &session)
            }
        ),
        Identity::Stranger
    );
    let elsewhere = TaskArn(arn(1).0.replace("/mayfly/", "/other/"));
    assert_eq!(
        identity(
            &Runner {
                arn: Some(elsewhere),
                ..runner.clone()
            },
            &caller(role, &session)
        ),
        Identity::Stranger
    );
    let short = TaskArn(format!("arn:aws:ecs:eu-west-1:123456789012:task/{session}"));
    assert_eq!(
        identity(
            &Runner {
                arn: Some(short),
                ..runner.clone()
            },
            &caller(role, &session)
        ),
        Identity::Stranger
    );
    let unknown = Runner {
        arn: None,
        ..runner
    };
    assert_eq!(
        identity(&unknown, &caller(role, &session)),
        Identity::NoArnYet
    );
    assert_eq!(
        identity(&unknown, &caller("another", &session)),
        Identity::Stranger
    );
}

#[test]
fn only_an_assumed_role_with_a_session_is_a_caller() {
    assert_eq!(
        Caller::from_arn("arn:aws:sts::123456789012:assumed-role/mayfly-runner/abc"),
        Some(caller("mayfly-runner", "abc"))
    );
    assert!(Caller::from_arn("arn:aws-cn:sts::123456789012:assumed-role/r/s").is_some());
    for no in [
        "",
        "arn:aws:iam::123456789012:role/mayfly-runner",
        "arn:aws:iam::123456789012:user/assumed-role/r/s",
        "arn:aws:sts::123456789012:federated-user/r",
        "arn:aws:sts::123456789012:assumed-role/r",
        "arn:aws:sts::123456789012:assumed-role/r/",
        "arn:aws:sts::123456789012:assumed-role//s",
        "arn:aws:sts::123456789012:assumed-role/path/r/s",
        "arn:aws:sts:::assumed-role/r/s",
    ] {
        assert_eq!(Caller::from_arn(no), None, "{no}");
    }
}

#[test]
fn a_runner_is_told_to_end_or_that_it_had_its_registration_before_anything_is_looked_for() {
    for (runner, expected) in [
        (requested(1), RegistrationStep::Serve),
        (parked(1), RegistrationStep::Serve),
        (registering(1, 1, mine()), RegistrationStep::Serve),
        (marked(parked(1)), RegistrationStep::Stopped),
        (
            Runner {
                retired_at: Some(NOW),
                ..registering(1, 1, mine())
            },
            RegistrationStep::Stopped,
        ),
        (registered(1, 1, mine()), RegistrationStep::Registered),
        (busy(1, 1, 7, None), RegistrationStep::Registered),
    ] {
        assert_eq!(registration_step(&runner), expected, "{:?}", runner.state);
    }
}

#[test]
fn a_reservation_holds_only_while_its_holder_is_about_to_serve_that_very_job() {
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..busy(1, 1, 7, None)
    };
    for (holder, expected) in [
        (None, true),
        (Some(requested(1)), true),
        (Some(parked(1)), true),
        (Some(registering(1, 1, mine())), false),
        (Some(registering(1, 2, mine())), true),
        (Some(registered(1, 1, mine())), false),
        (Some(registered(1, 2, mine())), true),
        (Some(busy(1, 1, 7, None)), false),
        (Some(busy(1, 1, 8, None)), true),
        (
            Some(Runner {
                retired_at: Some(NOW),
                ..registered(1, 1, mine())
            }),
            true,
        ),
        (
            Some(Runner {
                work: None,
                ..busy(1, 1, 7, None)
            }),
            false,
        ),
        (Some(busy(1, 1, 7, Some(1))), false),
        (Some(busy(1, 1, 7, Some(2))), true),
        (Some(busy(1, 2, 7, None)), true),
        (Some(refused), true),
    ] {
        let state = holder.as_ref().map(|runner| runner.state);
        let waiting = WaitingJob {
            run: RunId(7),
            attempt: 1,
            ..job(1)
        };
        assert_eq!(
            reservation_is_void(&waiting, holder.as_ref()),
            expected,
            "{state:?}"
        );
    }
}

#[test]
fn a_runner_that_ought_to_have_asked_again_is_silent_after_two_polls_and_a_request() {
    let heard = |seconds: u64, runner: Runner| {
        Runner {
            last_seen_at: Some(ago(seconds)),
            ..runner
        }
        .is_unresponsive(NOW)
    };
    for runner in [parked(1), registering(1, 1, mine())] {
        assert_eq!(
            [3, 45, 46].map(|seconds| heard(seconds, runner.clone())),
            [false, false, true],
            "{:?}",
            runner.state
        );
    }
    for runner in [requested(1), registered(1, 1, mine()), busy(1, 1, 7, None)] {
        assert!(!heard(3600, runner));
    }
}

#[test]
fn a_job_fits_when_its_size_is_the_runners_and_its_time_has_come() {
    assert!(can_serve(&parked(1), &job(1), NOW));
    assert!(!can_serve(
        &parked(1),
        &WaitingJob {
            size: OLD,
            ..job(1)
        },
        NOW
    ));
    assert!(!can_serve(
        &parked(1),
        &WaitingJob {
            needs_check: true,
            ..job(1)
        },
        NOW
    ));
    assert!(!can_serve(
        &parked(1),
        &WaitingJob {
            not_before: Some(later(1)),
            ..job(1)
        },
        NOW
    ));
    assert!(can_serve(
        &parked(1),
        &WaitingJob {
            not_before: Some(NOW),
            ..job(1)
        },
        NOW
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_that_fits_is_tried_once_and_the_own_one_first(
        ids in prop::collection::btree_set(1i64..60, 0..25), intended in prop::option::of(1i64..60), number in 0u64..1000
    ) {
        let runner = Runner { intended: intended.map(JobId), ..parked(number) };
        let tried: Vec<i64> = candidate_order(&runner, ids.iter().map(|id| job(*id)).collect()).iter().map(|job| job.id.0).collect();
        let mut all = tried.clone();
        all.sort_unstable();
        prop_assert_eq!(&all, &ids.iter().copied().collect::<Vec<_>>());
        if let Some(own) = intended.filter(|own| ids.contains(own)) {
            prop_assert_eq!(tried[0], own);
        }
    }
}

#[test]
fn runners_that_ask_at_once_start_at_different_jobs() {
    let first = |number| candidate_order(&parked(number), (1..=25).map(job).collect())[0].id;
    let different: std::collections::BTreeSet<JobId> = (0..25).map(first).collect();
    assert!(different.len() > 8, "{different:?}");
}

#[test]
fn every_call_to_github_has_a_name_of_its_own() {
    let first = parked(1).registering(&record_of(&job(1)), NOW);
    let second = first.registering(&record_of(&job_of(2, 2, "gpu")), NOW);
    assert_eq!(
        [first.name().to_string(), second.name().to_string()]
            .map(|name| name[name.len() - 2..].to_owned()),
        ["-1", "-2"]
    );
    assert_eq!(
        (
            first.attempt_outcome_unknown,
            second.attempt_outcome_unknown
        ),
        (false, true)
    );
    assert_eq!(
        (second.reserved, second.repository, second.target),
        (
            Some(JobId(2)),
            job_of(2, 2, "gpu").repository.into(),
            Some(target(2, "gpu"))
        )
    );
}

#[test]
fn a_registration_is_handed_out_only_under_its_own_mint_and_without_a_mark() {
    let runner = parked(1).registering(&record_of(&job(1)), NOW);
    let done = runner.registered(1, GithubRunnerId(5), NOW).unwrap();
    assert_eq!(
        (done.state, done.github, done.registered_at),
        (RunnerState::Registered, Some(GithubRunnerId(5)), Some(NOW))
    );
    assert!(
        done.registered(1, GithubRunnerId(5), NOW).is_none(),
        "twice"
    );
    assert!(
        runner.registered(2, GithubRunnerId(5), NOW).is_none()
            && runner.registered(0, GithubRunnerId(5), NOW).is_none()
    );
    let retired = Runner {
        retired_at: Some(NOW),
        ..runner.clone()
    };
    assert!(
        retired.registered(1, GithubRunnerId(5), NOW).is_none(),
        "its task is about to be stopped"
    );
    assert!(
        marked(runner)
            .registered(1, GithubRunnerId(5), NOW)
            .is_none()
    );
    assert!(parked(1).registered(0, GithubRunnerId(5), NOW).is_none());
}

#[test]
fn registered_runners_that_nothing_waits_for_are_in_the_way_of_jobs_that_no_runner_covers() {
    let settled = |number: u64| Runner {
        registered_at: Some(ago(61)),
        ..registered(number, 100, target(1, "mayfly"))
    };
    let runners = [
        settled(1),
        settled(2),
        Runner {
            registered_at: Some(ago(59)),
            ..settled(3)
        },
    ];
    let full = Pool { max: 3, ..pool() };
    let of = |jobs: &[WaitingJob]| {
        runners_to_evict(&full, &Limits::default(), jobs, &runners, NOW).len()
    };
    let other = |id| job_of(id, 2, "mayfly");
    assert_eq!(
        runners_to_evict(&pool(), &Limits::default(), &[other(1)], &runners, NOW),
        [],
        "one can be started"
    );
    assert_eq!(of(&[]), 0);
    assert_eq!(of(&[other(1)]), 1);
    assert_eq!(
        of(&[other(1), other(2), other(3)]),
        2,
        "the youngest may be given a job that nothing was told of yet"
    );
    assert_eq!(
        of(&[
            other(1),
            other(2),
            job_of(4, 1, "mayfly"),
            job_of(5, 1, "mayfly")
        ]),
        0,
        "two have jobs of their own, the third is young"
    );
    assert_eq!(
        of(&[WaitingJob {
            needs_check: true,
            ..other(1)
        }]),
        0,
        "it may not be given a runner now"
    );
    let told_to_wait = Limits {
        github: [(other(1).installation, later(60))].into(),
        ..Limits::default()
    };
    assert_eq!(
        runners_to_evict(&full, &told_to_wait, &[other(1)], &runners, NOW),
        [],
        "GitHub would register none for it now"
    );
}

#[test]
fn at_a_repositorys_limit_its_own_idle_runners_are_in_the_way_of_its_jobs_and_no_others_are() {
    let of = |number, repository| {
        let target = target(repository, "mayfly");
        Runner {
            registered_at: Some(ago(100 - number)),
            repository: Some(RepositoryId(repository)),
            ..registered(number, 100, target)
        }
    };
    let runners = [of(1, 2), of(2, 1), of(3, 1)];
    let limited = |max| Pool {
        max,
        max_per_repository: Some(2),
        ..pool()
    };
    let gone = |pool: &Pool, jobs: &[WaitingJob]| {
        runners_to_evict(pool, &Limits::default(), jobs, &runners, NOW)
    };
    // Of repository 1, which has two runners for jobs of other labels.
    let gpu = |id| job_of(id, 1, "gpu");
    assert_eq!(gone(&limited(10), &[gpu(1)]), [runners[1].id.clone()]);
    assert_eq!(
        gone(&limited(3), &[gpu(1), gpu(2), gpu(3)]),
        [runners[1].id.clone(), runners[2].id.clone()],
        "the first makes no room for it"
    );
    assert_eq!(
        gone(&limited(10), &[job_of(1, 2, "gpu")]),
        [],
        "there is room for it"
    );
    assert_eq!(
        gone(&limited(3), &[job_of(1, 2, "gpu")]),
        [runners[0].id.clone()]
    );
    assert_eq!(
        gone(&limited(0), &[gpu(1)]),
        [],
        "a paused pool starts none"
    );
}

#[test]
fn a_refused_registration_frees_the_runner_unless_an_earlier_ones_fate_is_unknown() {
    let runner = parked(1).registering(&record_of(&job(1)), NOW);
    let free = runner.refused_registration(1, "403", NOW).unwrap();
    assert_eq!(
        (free.state, free.reserved, free.target),
        (RunnerState::Parked, None, None)
    );
    assert_eq!(
        free.registration_attempt, 0,
        "nothing is called so: the name is free for the next call"
    );
    let again = runner.registering(&record_of(&job(1)), NOW);
    let bound = again.refused_registration(2, "403", NOW).unwrap();
    assert_eq!(
        (bound.state, bound.reserved),
        (RunnerState::Registering, None)
    );
    assert!(again.refused_registration(1, "403", NOW).is_none());
}

#[test]
fn a_runner_asks_for_the_first_time_once() {
    let asked = requested(1).parked(ago(10));
    let again = asked.parked(NOW);
    assert_eq!(
        (again.state, again.first_polled_at, again.last_seen_at),
        (RunnerState::Parked, Some(ago(10)), Some(NOW))
    );
    let registering = registering(1, 1, mine()).parked(NOW);
    assert_eq!(registering.state, RunnerState::Registering);
}

#[test]
fn a_job_that_github_refuses_waits_twice_as_long_each_time_and_a_quarter_of_an_hour_at_most() {
    for scope in [RefusalScope::Repository, RefusalScope::Target] {
        let (mut row, mut record) = (job(1), record_of(&job(1)));
        let mut waits = Vec::new();
        for _ in 0..9 {
            let changes = refused_for_good(
                &row,
                &record,
                RefusedRegistration {
                    message: "Self-hosted runners are disabled",
                    scope,
                },
                NOW,
            );
            row = changes.row().unwrap().clone();
            record = changes.record.unwrap();
            waits.push(row.not_before.unwrap().since(NOW).as_secs() / 60);
            assert!(
                record
                    .reason
                    .as_ref()
                    .unwrap()
                    .to_string()
                    .contains("Self-hosted runners are disabled")
            );
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15, 15, 15]);
        assert!(!row.needs_check && row.refused == Some(scope));
    }
}

/// Registered all at one moment they would meet GitHub's limit again.
#[test]
fn after_a_limit_each_runner_of_a_pool_registers_at_a_moment_of_its_own() {
    let slots: BTreeSet<_> = (1..=100)
        .map(|number| retry_slot(&parked(number), NOW, 100))
        .collect();
    assert!(slots.len() > 90, "{} moments", slots.len());
    let last = NOW.plus(timeouts::AFTER_LIMIT * 100);
    assert!(slots.iter().all(|slot| (NOW..last).contains(slot)));
    let most = NOW.plus(timeouts::AFTER_LIMIT_MAX);
    assert!((1..=100).all(|number| retry_slot(&parked(number), NOW, 1_000_000) < most));
    assert_eq!(retry_slot(&parked(1), NOW, 0), NOW);
}

#[test]
fn runners_that_are_held_up_come_back_at_different_seconds_and_within_a_poll() {
    let half = timeouts::POLL_MAX / 2;
    for wait in [half, timeouts::LONGEST_WAIT] {
        let waits: BTreeSet<_> = (1..=50)
            .map(|number| ask_again(&parked(number), wait, NOW))
            .collect();
        assert!(waits.len() > 3, "{waits:?}");
        assert!(
            waits
                .iter()
                .all(|wait| (half..=timeouts::POLL_MAX).contains(wait))
        );
    }
    let of_one: BTreeSet<_> = (0..50)
        .map(|second| ask_again(&parked(1), half, later(second)))
        .collect();
    assert!(of_one.len() > 3, "the next time at another moment");
}

#[test]
fn a_job_that_has_a_runner_tells_no_more_why_it_waited() {
    let held = WaitingJob {
        hold: Some(HoldReason::PoolMax(10)),
        ..job(1)
    };
    let reserved = held.reserved_for(&parked(1).id);
    assert_eq!((reserved.hold, reserved.runner), (None, Some(parked(1).id)));
}

#[test]
fn a_row_takes_its_own_task_only_and_only_while_that_may_ask() {
    let runner = requested(1);
    let task = |status| Task {
        arn: arn(1),
        address: runner.address(),
        version: 5,
        status,
        timeline: Timeline::default(),
        end: TaskEnd::default(),
    };
    let running = task(TaskStatus::Running);
    assert!(may_adopt(&runner, &arn(1), &running));
    assert!(!may_adopt(&runner, &arn(1), &task(TaskStatus::Stopped)));
    assert!(!may_adopt(&runner, &arn(2), &running), "another one's ARN");
    assert!(!may_adopt(&requested(2), &arn(1), &running));
}

/// GitHub refuses a name that is too long: asked all the same, it would refuse every job.
#[test]
fn a_runner_whose_next_name_would_be_too_long_for_github_is_done() {
    let step = |attempts| {
        registration_step(&Runner {
            pool: "a".repeat(28).parse().unwrap(),
            registration_attempt: attempts,
            ..parked(1)
        })
    };
    assert_eq!(
        [step(0), step(1_294), step(1_295)],
        [
            RegistrationStep::Serve,
            RegistrationStep::Serve,
            RegistrationStep::Stopped
        ]
    );
}
