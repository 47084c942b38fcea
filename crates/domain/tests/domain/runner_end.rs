//! A runner's end: its outcome, its cost, and what it does to others.

use std::time::Duration;

use mayfly_domain::model::assignment::Assignment;
use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{JobId, OwnerId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::price::{NoPrice, Price};
use mayfly_domain::model::retention::Retention;
use mayfly_domain::model::runner::{Outcome, Runner, StopKind, StopMark, Timeline};
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::start_health::{Failure, PoolHealth, StartHealth};
use mayfly_domain::model::story::{Reason, TaskEnd};
use mayfly_domain::model::target::{Target, TargetScope};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::close::RunnerSnapshot;

use crate::fixture::builders::{AN_HOUR, requested, runner_id, silent, target};
use crate::fixture::builders::{
    DEFINITION, NOW, OLD, OWN, ago, arn, busy, job, later, marked, parked, record_of, registered,
    registering,
};
use crate::fixture::changes::{Closing, close_runner};

fn mine() -> Target {
    target(1, "mayfly")
}

/// The runner's task, stopped ten seconds ago with this exit code.
fn stopped(runner: &Runner, exit_code: Option<i32>) -> Task {
    Task {
        arn: runner.arn.clone().unwrap_or_else(|| arn(1)),
        address: runner.address(),
        version: 9,
        status: TaskStatus::Stopped,
        timeline: Timeline {
            stopped: Some(ago(10)),
            ..Timeline::default()
        },
        end: TaskEnd {
            stop_code: Some("EssentialContainerExited".into()),
            stopped_reason: Some("Essential container in task exited".into()),
            exit_code,
            ..TaskEnd::default()
        },
    }
}

/// Closes the runner, whose reserved job, held by it, still waits if one is given.
fn closed(runner: &Runner, exit_code: Option<i32>, waiting: Option<&WaitingJob>) -> Closing {
    let task = stopped(runner, exit_code);
    let record = waiting.map(record_of);
    let around = RunnerSnapshot {
        waiting,
        record: record.as_ref(),
        ..RunnerSnapshot::default()
    };
    close_runner(runner, End::Stopped(&task), around, NOW)
}

fn outcome(runner: &Runner, exit_code: Option<i32>, waiting: Option<&WaitingJob>) -> Outcome {
    closed(runner, exit_code, waiting).record.outcome.unwrap()
}

fn held_by(runner: &Runner) -> WaitingJob {
    job(1).reserved_for(&runner.id)
}

fn marked_as(kind: StopKind, runner: Runner) -> Runner {
    Runner {
        stop: Some(StopMark {
            at: ago(5),
            kind,
            reason: Reason::ParkLimit,
        }),
        ..runner
    }
}

#[test]
fn a_runner_that_had_a_job_ran_whatever_its_exit_code_and_marks() {
    for code in [None, Some(0), Some(1), Some(7), Some(137)] {
        for runner in [
            busy(1, 1, 7, None),
            busy(1, 1, 7, Some(1)),
            Runner {
                work: None,
                ..busy(1, 1, 7, None)
            },
        ] {
            assert_eq!(outcome(&runner, code, None), Outcome::Ran, "{code:?}");
            assert_eq!(
                outcome(&marked(runner), code, None),
                Outcome::Ran,
                "{code:?}"
            );
        }
    }
}

#[test]
fn a_runner_whose_job_was_refused_is_refused_and_says_why() {
    let closing = closed(
        &Runner {
            refused: Some(Reason::HadItsJob),
            ..busy(1, 1, 7, None)
        },
        Some(137),
        None,
    );
    assert_eq!(closing.record.outcome, Some(Outcome::Refused));
    assert_eq!(
        closing.record.reason,
        Some(Reason::JobRefused {
            why: Box::new(Reason::HadItsJob)
        })
    );
}

#[test]
fn a_runner_that_never_asked_is_a_failed_start_unless_the_plan_stopped_it() {
    for code in [None, Some(0), Some(1), Some(22), Some(137)] {
        assert_eq!(
            outcome(&requested(1), code, None),
            Outcome::FailedStart,
            "{code:?}"
        );
        assert_eq!(
            outcome(&marked_as(StopKind::StartTimeout, requested(1)), code, None),
            Outcome::FailedStart,
            "{code:?}"
        );
        assert_eq!(
            outcome(&marked_as(StopKind::Surplus, requested(1)), code, None),
            Outcome::Surplus,
            "{code:?}"
        );
        assert!(
            closed(&marked(requested(1)), code, None).health.is_none(),
            "{code:?}"
        );
    }
    let timed_out = closed(&marked_as(StopKind::StartTimeout, requested(1)), None, None);
    assert_eq!(timed_out.record.reason, Some(Reason::ParkLimit));
}

#[test]
fn a_parked_runners_end_is_no_failed_start() {
    for (code, expected) in [
        (Some(0), Outcome::Surplus),
        (Some(20), Outcome::Surplus),
        (Some(1), Outcome::Unknown),
        (None, Outcome::Unknown),
    ] {
        for runner in [parked(1), silent(1), registering(1, 1, mine())] {
            let closing = closed(&runner, code, None);
            assert_eq!(
                (closing.record.outcome, closing.health),
                (Some(expected), None),
                "{code:?} {:?}",
                runner.state
            );
        }
    }
    assert_eq!(
        outcome(&marked_as(StopKind::ParkLimit, parked(1)), Some(137), None),
        Outcome::Surplus
    );
}

#[test]
fn a_registered_runner_is_not_assigned_only_if_its_own_job_still_waits_for_it() {
    let runner = registered(1, 1, mine());
    assert_eq!(
        outcome(&runner, Some(0), Some(&held_by(&runner))),
        Outcome::NeverAssigned
    );
    assert_eq!(outcome(&runner, Some(0), None), Outcome::Surplus);
    assert_eq!(
        outcome(&runner, Some(0), Some(&job(2).reserved_for(&runner.id))),
        Outcome::Surplus
    );
    assert_eq!(
        outcome(&runner, Some(0), Some(&job(1).reserved_for(&runner_id(2)))),
        Outcome::Surplus
    );
    assert_eq!(outcome(&runner, Some(0), Some(&job(1))), Outcome::Surplus);
}

/// Its container ends as soon as GitHub has taken its registration away, most often before
/// sweeper's call to stop it arrives.
#[test]
fn a_runner_that_was_taken_away_at_github_ended_for_that_reason_however_its_task_did() {
    let why = Reason::IdleTimeout {
        within: Duration::from_secs(300),
    };
    let runner = Runner {
        retired_at: Some(ago(12)),
        retired_reason: Some(why.clone()),
        ..registered(1, 1, mine())
    };
    let reason = |exit_code| {
        closed(&runner, exit_code, Some(&held_by(&runner)))
            .record
            .reason
            .unwrap()
    };
    assert_eq!((reason(Some(0)), reason(None)), (why.clone(), why.clone()));
    let Reason::DeregisteredThenEnded { why: told, end } = reason(Some(137)) else {
        panic!("{:?}", reason(Some(137)))
    };
    assert_eq!((*told, end.exit_code), (why.clone(), Some(137)));
    // What ECS stops, it gives the reason of.
    let task = Task {
        end: TaskEnd {
            stop_code: Some("SpotInterruption".into()),
            stopped_reason: Some("reclaimed".into()),
            ..TaskEnd::default()
        },
        ..stopped(&runner, None)
    };
    let closing = close_runner(&runner, End::Stopped(&task), RunnerSnapshot::default(), NOW);
    assert!(matches!(
        closing.record.reason,
        Some(Reason::TaskStopped(_))
    ));
}

#[test]
fn a_runner_that_fails_as_soon_as_it_is_registered_is_a_failed_start_and_its_job_is_not_to_blame() {
    // Registered ten seconds ago, and ended then.
    let runner = registered(1, 1, mine());
    for (code, kind) in [
        (1, FailureKind::Transient),
        (2, FailureKind::Transient),
        (126, FailureKind::Configuration),
        (127, FailureKind::Configuration),
    ] {
        let closing = closed(&runner, Some(code), Some(&held_by(&runner)));
        assert_eq!(closing.record.outcome, Some(Outcome::FailedStart), "{code}");
        let (row, job) = (closing.waiting.unwrap(), closing.job.unwrap());
        assert_eq!(
            (row.needs_check, row.attempts, row.not_before),
            (true, 0, None),
            "{code}"
        );
        assert!(
            job.reason
                .unwrap()
                .to_string()
                .contains(&format!("exit code {code}"))
        );
        let health = closing.health.unwrap().of(&OWN);
        assert_eq!(
            (health.kind, health.failures, health.after_registration),
            (Some(kind), 1, true),
            "{code}"
        );
        // Its job found another runner meanwhile: the size failed all the same.
        assert_eq!(
            outcome(&runner, Some(code), None),
            Outcome::FailedStart,
            "{code}"
        );
    }
}

#[test]
fn what_ends_a_registered_runner_otherwise_says_nothing_of_its_image() {
    let runner = registered(1, 1, mine());
    let held = held_by(&runner);
    // run.sh makes 0 of most; 26: the answer with the registration was lost; above 128: a signal,
    // anyone who sent it.
    for code in [None, Some(0), Some(26), Some(130), Some(137), Some(143)] {
        assert_eq!(
            outcome(&runner, code, Some(&held)),
            Outcome::NeverAssigned,
            "{code:?}"
        );
    }
    let task = |stop_code: &str| Task {
        end: TaskEnd {
            stop_code: Some(stop_code.into()),
            exit_code: Some(1),
            ..TaskEnd::default()
        },
        ..stopped(&runner, Some(1))
    };
    let end = |runner: &Runner, task: &Task| {
        close_runner(runner, End::Stopped(task), RunnerSnapshot::default(), NOW)
    };
    for stop_code in [
        "UserInitiated",
        "SpotInterruption",
        "ServiceSchedulerInitiated",
    ] {
        let closing = end(&runner, &task(stop_code));
        assert_eq!(
            (closing.record.outcome, closing.health),
            (Some(Outcome::Surplus), None),
            "{stop_code}"
        );
    }
    let retired = Runner {
        retired_at: Some(ago(12)),
        ..runner.clone()
    };
    assert_eq!(
        end(&retired, &task("EssentialContainerExited"))
            .record
            .outcome,
        Some(Outcome::Surplus)
    );
    // It listened for a while: that is no image that cannot run.
    let old = Runner {
        registered_at: Some(ago(71)),
        ..runner.clone()
    };
    assert_eq!(
        outcome(&old, Some(1), Some(&held_by(&old))),
        Outcome::NeverAssigned
    );
    let young = Runner {
        registered_at: Some(ago(70)),
        ..runner.clone()
    };
    assert_eq!(
        outcome(&young, Some(1), Some(&held_by(&young))),
        Outcome::FailedStart
    );
}

#[test]
fn a_version_that_github_refuses_is_a_configuration_error_of_the_size_however_late_it_is_told() {
    for seconds in [10, 600] {
        let runner = Runner {
            registered_at: Some(ago(seconds)),
            ..registered(1, 1, mine())
        };
        let closing = closed(&runner, Some(7), Some(&held_by(&runner)));
        assert_eq!(closing.record.outcome, Some(Outcome::FailedStart));
        let health = closing.health.unwrap().of(&OWN);
        assert_eq!(
            (
                health.kind,
                health.breaker_open(),
                health.max_unverified(DEFINITION)
            ),
            (Some(FailureKind::Configuration), true, 1)
        );
        assert!(
            health
                .reason
                .unwrap()
                .to_string()
                .contains("GitHub refuses this runner version: update the image")
        );
        assert!(
            !closing
                .job
                .unwrap()
                .reason
                .unwrap()
                .to_string()
                .contains("runner group")
        );
    }
}

#[test]
fn a_runner_that_had_a_job_shows_that_its_size_works() {
    let runner = registered(1, 1, mine());
    let failed = closed(&runner, Some(7), Some(&held_by(&runner)))
        .health
        .unwrap();
    let worked = |runner: &Runner| {
        let around = RunnerSnapshot {
            health: Some(&failed),
            ..RunnerSnapshot::default()
        };
        close_runner(runner, End::Stopped(&stopped(runner, Some(0))), around, NOW).health
    };
    let after = worked(&busy(2, 1, 7, Some(1))).unwrap();
    assert_eq!(
        (after.of(&OWN).breaker_open(), after.of(&OWN).failures),
        (false, 0)
    );
    // One of another image shows nothing of this one; one that was given nothing neither.
    let mut other = busy(2, 1, 7, Some(1));
    other.launch.definition = "other".into();
    assert_eq!(worked(&other), None);
    assert_eq!(worked(&registered(2, 1, mine())), None);
}

#[test]
fn a_job_that_was_not_assigned_is_asked_about_waits_longer_and_after_three_has_words() {
    let runner = registered(1, 1, mine());
    let mut waiting = held_by(&runner);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let closing = closed(&runner, Some(0), Some(&waiting));
        let (row, record) = (closing.waiting.unwrap(), closing.job.unwrap());
        assert!(row.needs_check);
        assert_eq!(
            matches!(record.reason, Some(Reason::NeverAssigned { runners, .. }) if runners == row.attempts),
            row.attempts >= 3
        );
        waits.push(row.not_before.unwrap().since(NOW).as_secs() / 60);
        waiting = WaitingJob {
            needs_check: false,
            ..row
        };
    }
    assert_eq!(waits, [1, 2, 60, 60, 60]);
}

#[test]
fn a_job_that_may_have_run_is_asked_about_and_not_punished() {
    let runner = busy(1, 1, 1001, None);
    let closing = closed(&runner, Some(0), Some(&held_by(&runner)));
    assert_eq!(closing.record.outcome, Some(Outcome::Ran));
    let row = closing.waiting.unwrap();
    assert_eq!(
        (row.needs_check, row.attempts, row.not_before),
        (true, 0, None)
    );
    // Its job is known to be another one, or of another run: the reserved one surely waits.
    for other in [busy(1, 1, 1001, Some(2)), busy(1, 1, 1002, None)] {
        assert_eq!(
            closed(&other, Some(0), Some(&held_by(&other))).waiting,
            None
        );
    }
    let unknown = Runner {
        work: None,
        ..runner
    };
    assert!(
        closed(&unknown, Some(0), Some(&held_by(&unknown)))
            .waiting
            .unwrap()
            .needs_check
    );
}

#[test]
fn a_runner_that_never_was_says_what_ecs_said_and_costs_nothing() {
    let closing = close_runner(
        &requested(1),
        End::NeverStarted(FailureKind::Quota, "vCPU quota"),
        RunnerSnapshot::default(),
        NOW,
    );
    assert_eq!(
        (closing.record.outcome, closing.record.reason),
        (
            Some(Outcome::FailedStart),
            Some(Reason::Ecs {
                message: "vCPU quota".into()
            })
        )
    );
    assert_eq!(closing.record.cost.unwrap().0, 0);
    assert_eq!(
        closing.health.unwrap().of(&OWN).kind,
        Some(FailureKind::Quota)
    );
    let missing = close_runner(&requested(1), End::Missing, RunnerSnapshot::default(), NOW);
    assert_eq!(missing.record.outcome, Some(Outcome::FailedStart));
}

#[test]
fn failures_that_no_other_try_can_mend_are_told_from_those_that_pass() {
    let kind = |reason: &str, code: Option<i32>| {
        let task = Task {
            end: TaskEnd {
                stopped_reason: Some(reason.into()),
                exit_code: code,
                ..TaskEnd::default()
            },
            ..stopped(&requested(1), code)
        };
        let closing = close_runner(
            &requested(1),
            End::Stopped(&task),
            RunnerSnapshot::default(),
            NOW,
        );
        closing.health.unwrap().of(&OWN).kind.unwrap()
    };
    for (reason, code) in [
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): manifest unknown",
            None,
        ),
        (
            "CannotPullContainerError: image Manifest does not contain descriptor matching platform: not found",
            None,
        ),
        ("CannotStartContainerError: exec format error", None),
        ("Essential container in task exited", Some(127)),
        ("Essential container in task exited", Some(22)),
        ("Essential container in task exited", Some(21)),
        ("Essential container in task exited", Some(25)),
    ] {
        assert_eq!(
            kind(reason, code),
            FailureKind::Configuration,
            "{reason} {code:?}"
        );
    }
    for (reason, code) in [
        ("CannotPullContainerError: dial tcp: i/o timeout", None),
        (
            "Timeout waiting for network interface provisioning to complete.",
            None,
        ),
        ("Your Spot Task was interrupted.", Some(143)),
        ("Essential container in task exited", Some(1)),
    ] {
        assert_eq!(
            kind(reason, code),
            FailureKind::Transient,
            "{reason} {code:?}"
        );
    }
}

#[test]
fn failures_of_one_burst_are_one_wait_and_a_configuration_error_among_them_opens_the_breaker_for_good()
 {
    let mut health = StartHealth::default();
    for (second, kind) in [
        FailureKind::Transient,
        FailureKind::Configuration,
        FailureKind::Transient,
        FailureKind::Quota,
    ]
    .into_iter()
    .enumerate()
    {
        health.record_failure(
            ago(60),
            Failure::of_launch(kind, "x"),
            later(u64::try_from(second).unwrap()),
        );
    }
    assert_eq!(
        (health.failures, health.not_before, health.breaker_open()),
        (1, Some(later(60)), true)
    );
    // The probe fails for another reason: that is no sign that the configuration is right now.
    health.record_failure(
        later(61),
        Failure::of_launch(FailureKind::Transient, "no capacity"),
        later(70),
    );
    assert_eq!((health.failures, health.max_unverified(DEFINITION)), (2, 1));
    assert!(health.record_success(DEFINITION));
    assert_eq!((health.breaker_open(), health.not_before), (false, None));
}

#[test]
fn health_of_one_size_says_nothing_of_another() {
    let before = PoolHealth::default();
    let around = RunnerSnapshot {
        health: Some(&before),
        ..RunnerSnapshot::default()
    };
    let health = close_runner(&requested(1), End::Missing, around, NOW)
        .health
        .unwrap();
    assert_eq!(health.of(&OLD), StartHealth::default());
}

#[test]
fn news_of_a_task_is_taken_once_in_order_and_only_for_the_own_task() {
    let runner = Runner {
        arn: None,
        task_version: 0,
        ..requested(1)
    };
    let task = |version, started| Task {
        version,
        status: TaskStatus::Running,
        timeline: Timeline {
            started,
            created: Some(ago(50)),
            ..Timeline::default()
        },
        ..stopped(&runner, None)
    };
    let adopted = runner.with_task(&task(3, Some(ago(20)))).unwrap();
    assert_eq!(
        (adopted.arn.as_ref(), adopted.timeline.started),
        (Some(&arn(1)), Some(ago(20)))
    );
    assert!(
        adopted.with_task(&task(3, None)).is_none() && adopted.with_task(&task(2, None)).is_none()
    );
    assert_eq!(
        adopted.with_task(&task(4, None)).unwrap().timeline.started,
        Some(ago(20))
    );
    assert!(
        adopted
            .with_task(&Task {
                arn: arn(2),
                ..task(5, None)
            })
            .is_none()
    );
}

#[test]
fn the_cost_of_a_runner_begins_with_its_image_pull_and_ends_with_its_task() {
    let task = |pull_started| Task {
        timeline: Timeline {
            pull_started,
            stopped: Some(NOW),
            ..Timeline::default()
        },
        ..stopped(&busy(1, 1, 7, Some(1)), Some(0))
    };
    let closed = |pull: Option<Timestamp>, price: Option<Price>| {
        let runner = Runner {
            price,
            ..busy(1, 1, 7, Some(1))
        };
        let end = task(pull);
        close_runner(&runner, End::Stopped(&end), RunnerSnapshot::default(), NOW).record
    };
    let cost = |pull, price| closed(pull, price).cost.map(|cost| cost.0);
    let known = Some(Price::Hour(AN_HOUR));
    assert_eq!(cost(None, known.clone()), Some(0));
    // (2 × 0.04048 + 8 × 0.004445) / 6 dollars.
    assert_eq!(cost(Some(ago(600)), known.clone()), Some(19_420_000));
    assert_eq!(cost(Some(ago(300)), known.clone()), Some(9_710_000));
    assert_eq!(cost(Some(ago(3)), known), Some(1_942_000));
    // Without a price none is known, and the record says why.
    let why = NoPrice::Disk {
        region: "eu-central-1".into(),
    };
    let unknown = closed(Some(ago(600)), Some(Price::Unknown(why.clone())));
    assert_eq!((unknown.cost, unknown.no_cost()), (None, Some(why)));
    let unpriced = closed(Some(ago(600)), None);
    assert_eq!(
        (unpriced.cost, unpriced.no_cost()),
        (None, Some(NoPrice::NotRecorded))
    );
    assert_eq!(closed(None, None).no_cost(), None);
    assert_eq!(busy(1, 1, 7, Some(1)).no_cost(), None);
}

#[test]
fn records_are_kept_as_long_as_was_said_when_they_were_made() {
    let days = |days: u64| Some(NOW.plus(Duration::from_secs(days * 24 * 3600)).seconds());
    let closing = closed(&requested(1), Some(0), None);
    assert_eq!(closing.record.expires_at, days(180), "nothing was said");
    for kept in [30, 3_650] {
        let runner = Runner {
            keep: Retention::of_days(kept).unwrap(),
            ..requested(1)
        };
        let closing = closed(&runner, Some(0), None);
        assert_eq!(closing.record.expires_at, days(kept.into()));
    }
    assert_eq!(
        (Retention::of_days(29), Retention::of_days(3_651)),
        (None, None)
    );
}

/// What ECS or GitHub was asked of a row speaks of that row only.
#[test]
fn an_answer_speaks_of_a_row_only_while_it_is_the_one_that_was_asked_about() {
    let asked = Runner {
        arn: None,
        ..requested(1)
    };
    assert!(asked.was_asked_about(&asked));
    let named = Runner {
        arn: Some(arn(1)),
        ..asked.clone()
    };
    assert!(
        !named.was_asked_about(&asked),
        "its task became known meanwhile"
    );
    let mut again = asked.clone();
    again.launch.sent_at = NOW.plus(Duration::from_secs(1));
    assert!(
        !again.was_asked_about(&asked),
        "it was sent again meanwhile"
    );
    let idle = registered(1, 1, mine());
    assert!(idle.is_idle_as(&idle));
    assert!(
        !Runner {
            registration_attempt: idle.registration_attempt + 1,
            ..idle.clone()
        }
        .is_idle_as(&idle),
        "it has another registration by now"
    );
    assert!(!busy(1, 1, 1, None).is_idle_as(&idle));
}

/// Runners of one repository that were given nothing count; those of a public one that an
/// organization's group keeps out say nothing.
#[test]
fn a_runner_that_was_given_nothing_counts_unless_its_group_keeps_the_repository_out() {
    let own = registered(1, 1, mine());
    let owner = TargetScope::Organization {
        id: OwnerId(9),
        login: "acme".into(),
        group: "default".into(),
    };
    let organizations = Runner {
        target: Some(Target {
            scope: owner,
            ..mine()
        }),
        ..own.clone()
    };
    for (runner, private, counts) in [
        (&own, true, true),
        (&own, false, true),
        (&organizations, true, true),
        (&organizations, false, false),
    ] {
        let waiting = held_by(runner);
        let mut record = record_of(&waiting);
        record.repository.private = private;
        let around = RunnerSnapshot {
            waiting: Some(&waiting),
            record: Some(&record),
            ..RunnerSnapshot::default()
        };
        let closing = close_runner(runner, End::Stopped(&stopped(runner, Some(0))), around, NOW);
        assert_eq!(closing.record.outcome, Some(Outcome::NeverAssigned));
        let known = closing
            .health
            .as_ref()
            .and_then(|health| health.assignment(record.repository.id));
        assert_eq!(
            known.map(|known| known.jobs.len()),
            counts.then_some(1),
            "private: {private}, {:?}",
            runner.target
        );
    }
}

/// GitHub may serve another version of the runner, and one of an image says nothing of the next.
#[test]
fn what_runners_of_another_image_were_given_does_not_count() {
    let runner = registered(1, 1, mine());
    let (waiting, record) = (held_by(&runner), record_of(&held_by(&runner)));
    let four = Assignment {
        repository: record.repository.id,
        definition: "the image before".into(),
        jobs: (11..=14).map(JobId).collect(),
        probes: 0,
        at: ago(600),
        not_before: None,
    };
    let health = PoolHealth {
        assignments: vec![four],
        ..PoolHealth::default()
    };
    let around = RunnerSnapshot {
        health: Some(&health),
        waiting: Some(&waiting),
        record: Some(&record),
        ..RunnerSnapshot::default()
    };
    let end = stopped(&runner, Some(0));
    let after = close_runner(&runner, End::Stopped(&end), around, NOW)
        .health
        .unwrap();
    let known = after.assignment(record.repository.id).unwrap();
    assert_eq!(
        (known.definition.as_str(), known.jobs.len(), known.probes),
        (DEFINITION, 1, 0)
    );
}

/// One of the idle floor was launched long before it took the job: as a runner on trial it counts
/// from then.
#[test]
fn an_idle_runner_of_the_floor_that_was_given_nothing_counts_as_one_on_trial() {
    let probes = |intended| {
        let mut runner = Runner {
            intended,
            last_attempt_at: Some(ago(10)),
            ..registered(1, 1, mine())
        };
        runner.launch.first_sent_at = ago(3_600);
        let waiting = held_by(&runner);
        let record = record_of(&waiting);
        let health = PoolHealth {
            assignments: vec![Assignment {
                repository: record.repository.id,
                definition: runner.launch.definition.clone(),
                jobs: (1..=5).map(JobId).collect(),
                probes: 1,
                at: ago(600),
                not_before: Some(ago(540)),
            }],
            ..PoolHealth::default()
        };
        let around = RunnerSnapshot {
            waiting: Some(&waiting),
            record: Some(&record),
            health: Some(&health),
            ..RunnerSnapshot::default()
        };
        let end = stopped(&runner, Some(0));
        let closing = close_runner(&runner, End::Stopped(&end), around, NOW);
        let after = closing.health.unwrap_or(health);
        after
            .assignment(record.repository.id)
            .map(|known| known.probes)
    };
    assert_eq!((probes(None), probes(Some(JobId(1)))), (Some(2), Some(1)));
}
