//! What runners leave behind: tasks without a row, registrations without a task, jobs without their
//! Spot capacity.

use std::time::Duration;

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::runner::{Outcome, Runner, Timeline};
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::story::TaskEnd;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::close::RunnerSnapshot;
use mayfly_domain::transitions::orphan::{OrphanAction, OrphanSnapshot, orphan_action};
use mayfly_domain::transitions::stale_registration::is_left_behind;

use crate::fixture::builders::{
    NOW, OWN, ago, arn, busy, job, parked, record_of, registered, registering, requested, target,
};
use crate::fixture::changes::{Closing, close_runner};

/// The runner's task, under this number, so many seconds old.
fn task(runner: &Runner, number: u64, age: u64) -> Task {
    Task {
        arn: arn(number),
        address: runner.address(),
        version: 5,
        status: TaskStatus::Running,
        timeline: Timeline {
            created: Some(ago(age)),
            ..Timeline::default()
        },
        end: TaskEnd::default(),
    }
}

fn open(row: &Runner) -> OrphanSnapshot<'_> {
    OrphanSnapshot {
        row: Some(row),
        record: None,
    }
}

fn closed(record: &Runner) -> OrphanSnapshot<'_> {
    OrphanSnapshot {
        row: None,
        record: Some(record),
    }
}

const YOUNG: u64 = 600;
const OLD: u64 = 601;

#[test]
fn a_row_without_a_task_takes_it_and_a_rows_own_is_left_alone_however_old() {
    let unknown = Runner {
        arn: None,
        ..requested(1)
    };
    for age in [0, YOUNG, OLD, 100_000] {
        assert_eq!(
            orphan_action(&task(&unknown, 1, age), open(&unknown), NOW),
            OrphanAction::Adopt
        );
        for row in [requested(1), parked(1), busy(1, 1, 7, Some(1))] {
            assert_eq!(
                orphan_action(&task(&row, 1, age), open(&row), NOW),
                OrphanAction::None
            );
        }
    }
}

#[test]
fn another_task_of_an_open_runner_is_stopped_when_it_is_old_and_not_before() {
    for row in [requested(1), busy(1, 1, 7, Some(1))] {
        assert_eq!(
            orphan_action(&task(&row, 2, YOUNG), open(&row), NOW),
            OrphanAction::None
        );
        assert!(matches!(
            orphan_action(&task(&row, 2, OLD), open(&row), NOW),
            OrphanAction::Stop(_)
        ));
    }
}

#[test]
fn a_task_that_nobody_knows_is_stopped_when_it_is_old_and_not_before() {
    let nobody = requested(1);
    assert_eq!(
        orphan_action(&task(&nobody, 1, YOUNG), OrphanSnapshot::default(), NOW),
        OrphanAction::None
    );
    assert!(matches!(
        orphan_action(&task(&nobody, 1, OLD), OrphanSnapshot::default(), NOW),
        OrphanAction::Stop(_)
    ));
    let unborn = Task {
        timeline: Timeline::default(),
        ..task(&nobody, 1, 0)
    };
    assert_eq!(
        orphan_action(&unborn, OrphanSnapshot::default(), NOW),
        OrphanAction::None
    );
}

#[test]
fn a_closed_runners_task_is_stopped_at_once_but_asked_about_at_github_if_it_may_be_registered() {
    for record in [requested(1), parked(1)] {
        assert!(matches!(
            orphan_action(&task(&record, 1, 0), closed(&record), NOW),
            OrphanAction::Stop(_)
        ));
    }
    let asked = |runner: Runner| Runner {
        last_attempt_at: Some(ago(20)),
        ..runner
    };
    let target = || target(1, "mayfly");
    // GitHub refused it in so many words: its state tells nothing more, but an earlier call may
    // have got through.
    let refused = Runner {
        target: None,
        ..asked(parked(1))
    };
    for record in [
        asked(registering(1, 1, target())),
        asked(registered(1, 1, target())),
        asked(busy(1, 1, 7, None)),
        refused,
    ] {
        assert!(matches!(
            orphan_action(&task(&record, 1, 0), closed(&record), NOW),
            OrphanAction::DeregisterFirst(_)
        ));
        // A registration is handed out to the row's own task alone.
        assert!(matches!(
            orphan_action(&task(&record, 2, 0), closed(&record), NOW),
            OrphanAction::Stop(_)
        ));
    }
}

#[test]
fn a_task_on_its_way_to_its_end_needs_nothing() {
    let runner = requested(1);
    for status in [TaskStatus::Stopping, TaskStatus::Stopped] {
        for known in [OrphanSnapshot::default(), closed(&runner)] {
            assert_eq!(
                orphan_action(
                    &Task {
                        status,
                        ..task(&runner, 1, OLD)
                    },
                    known,
                    NOW
                ),
                OrphanAction::None
            );
        }
    }
}

/// Closes a runner whose task stopped, for this reason.
fn ended(runner: &Runner, stop_code: &str, interrupted: Option<&JobRecord>) -> Closing {
    let task = Task {
        status: TaskStatus::Stopped,
        version: 9,
        end: TaskEnd {
            stop_code: Some(stop_code.into()),
            stopped_reason: Some("in ECS's words".into()),
            exit_code: Some(137),
            ..TaskEnd::default()
        },
        ..task(runner, 1, 60)
    };
    close_runner(
        runner,
        End::Stopped(&task),
        RunnerSnapshot {
            job: interrupted,
            ..RunnerSnapshot::default()
        },
        NOW,
    )
}

/// What it leaves to be done about itself and its capacity; whether its job has to be asked about
/// is another matter.
fn left(closing: Closing) -> Vec<FollowUp> {
    let follow_ups = closing.follow_ups.into_iter().map(|open| open.follow_up);
    follow_ups
        .filter(|follow_up| {
            matches!(
                follow_up,
                FollowUp::DeregisterRunner(_) | FollowUp::RerunJob(_)
            )
        })
        .collect()
}

fn exited(runner: &Runner) -> Vec<FollowUp> {
    left(ended(runner, "EssentialContainerExited", None))
}

fn minted(runner: Runner) -> Runner {
    Runner {
        last_attempt_at: Some(ago(20)),
        ..runner
    }
}

#[test]
fn what_github_may_still_have_of_a_runner_is_taken_away_later() {
    let done = |runner: Runner| Runner {
        done_at: Some(ago(3)),
        ..minted(runner)
    };
    let retired = |runner: Runner| Runner {
        retired_at: Some(ago(3)),
        ..minted(runner)
    };
    let idle = || registered(1, 1, target(1, "mayfly"));
    for (what, runner) in [
        (
            "a call without an answer",
            minted(registering(1, 1, target(1, "mayfly"))),
        ),
        ("never given a job", minted(idle())),
        ("ended at work", minted(busy(1, 1, 7, Some(1)))),
        (
            "an older name",
            Runner {
                registration_attempt: 2,
                ..done(busy(1, 1, 7, Some(1)))
            },
        ),
        (
            "an older name of one that was taken away",
            Runner {
                registration_attempt: 2,
                ..retired(idle())
            },
        ),
        (
            "a doubtful call",
            Runner {
                attempt_outcome_unknown: true,
                ..done(busy(1, 1, 7, Some(1)))
            },
        ),
    ] {
        assert_eq!(
            exited(&runner),
            [FollowUp::DeregisterRunner(runner.id.clone())],
            "{what}"
        );
        let open = ended(&runner, "x", None).follow_ups.remove(0);
        assert_eq!(
            (open.not_before, open.installation),
            (
                NOW.plus(timeouts::STALE_REGISTRATION_AFTER),
                Some(runner.target.unwrap().installation)
            ),
            "{what}"
        );
    }
    for (what, runner) in [
        ("never asked", requested(1)),
        ("parked", parked(1)),
        (
            "refused",
            Runner {
                registration_attempt: 0,
                ..minted(parked(1))
            },
        ),
        ("its job is over", done(busy(1, 1, 7, Some(1)))),
        ("taken away", retired(idle())),
    ] {
        assert_eq!(exited(&runner), [], "{what}");
    }
}

#[test]
fn a_call_of_unknown_fate_is_looked_for_where_it_was_made() {
    let elsewhere = JobRecord {
        target: Some(target(2, "mayfly")),
        ..record_of(&job(2))
    };
    let moved = registering(1, 1, target(1, "mayfly")).registering(&elsewhere, NOW);
    assert_eq!(
        moved.stale_registrations(),
        [&target(2, "mayfly"), &target(1, "mayfly")]
    );
    // Other labels, the same list: GitHub is asked once. And what was refused in so many words left
    // nothing.
    let beside = JobRecord {
        target: Some(target(1, "gpu")),
        ..record_of(&job(2))
    };
    assert_eq!(
        registering(1, 1, target(1, "mayfly"))
            .registering(&beside, NOW)
            .previous_targets,
        []
    );
    assert_eq!(parked(1).registering(&elsewhere, NOW).previous_targets, []);
}

const SPOT: &str = "SpotInterruption";

/// What ECS says of a task that AWS stopped for reasons of its own.
const TAKEN_BACK: [&str; 3] = [SPOT, "TerminationNotice", "InfrastructureHealth"];

fn running(attempt: u32) -> JobRecord {
    JobRecord {
        state: JobState::Running,
        attempt,
        ..record_of(&job(1))
    }
}

#[test]
fn a_runner_taken_back_at_work_ran_and_its_job_may_be_run_again() {
    let runner = Runner {
        done_at: None,
        ..minted(busy(1, 1, 1001, Some(1)))
    };
    let record = running(1);
    let closing = ended(&runner, SPOT, Some(&record));
    assert_eq!(
        (closing.record.outcome, closing.record.interrupted),
        (Some(Outcome::Ran), true)
    );
    let reason = closing.record.reason.clone().unwrap().to_string();
    assert!(
        reason.starts_with("AWS reclaimed its Spot capacity; in ECS's words"),
        "{reason}"
    );
    let job = closing.job.clone().unwrap();
    assert_eq!(
        (job.state, job.story.len()),
        (JobState::Running, record.story.len() + 1)
    );
    assert!(
        job.story
            .last()
            .unwrap()
            .event
            .to_string()
            .contains("AWS reclaimed its Spot capacity")
    );
    assert_eq!(
        left(closing),
        [
            FollowUp::DeregisterRunner(runner.id),
            FollowUp::RerunJob(JobId(1))
        ]
    );
}

#[test]
fn a_host_that_aws_retires_or_finds_unhealthy_is_taken_back_like_spot_capacity() {
    for code in TAKEN_BACK {
        let runner = Runner {
            done_at: None,
            ..minted(busy(1, 1, 1001, Some(1)))
        };
        let closing = ended(&runner, code, Some(&running(1)));
        assert!(closing.record.interrupted, "{code}");
        let reason = closing.record.reason.clone().unwrap().to_string();
        assert!(reason.starts_with("AWS reclaimed "), "{code}: {reason}");
        assert_eq!(
            left(closing),
            [
                FollowUp::DeregisterRunner(runner.id),
                FollowUp::RerunJob(JobId(1))
            ],
            "{code}"
        );
    }
}

#[test]
fn a_runner_that_aws_takes_back_before_it_asked_speaks_against_no_image() {
    for code in TAKEN_BACK {
        let health = ended(&requested(1), code, None).health.unwrap().of(&OWN);
        assert_eq!(
            (health.kind, health.cause, health.had_tasks),
            (Some(FailureKind::Transient), None, false),
            "{code}"
        );
    }
}

#[test]
fn a_second_attempt_is_not_run_again() {
    let closing = ended(&minted(busy(1, 1, 1001, Some(1))), SPOT, Some(&running(2)));
    assert!(
        closing.job.is_some()
            && !closing
                .follow_ups
                .iter()
                .any(|open| matches!(open.follow_up, FollowUp::RerunJob(_)))
    );
}

#[test]
fn nothing_was_interrupted_when_the_job_was_over_or_had_not_come() {
    let over = Runner {
        done_at: Some(ago(2)),
        ..minted(busy(1, 1, 1001, Some(1)))
    };
    let idle = minted(registered(1, 1, target(1, "mayfly")));
    let notice = |at| Timeline {
        stopping: Some(at),
        ..Timeline::default()
    };
    let over = Runner {
        timeline: notice(ago(1)),
        ..over
    };
    for (runner, code) in [
        (&over, SPOT),
        (&idle, SPOT),
        (&minted(busy(1, 1, 1001, Some(1))), "UserInitiated"),
    ] {
        let closing = ended(runner, code, Some(&running(1)));
        assert_eq!(
            (closing.job, closing.record.interrupted),
            (None, false),
            "{code}"
        );
    }
}

#[test]
fn a_job_that_ended_after_the_notice_was_interrupted() {
    // GitHub's seconds have no fraction: the job ended in the second in which the notice came.
    for noticed in [30, 2] {
        let timeline = Timeline {
            stopping: Some(ago(noticed).plus(Duration::from_millis(900))),
            ..Timeline::default()
        };
        let runner = Runner {
            done_at: Some(ago(2)),
            timeline,
            ..minted(busy(1, 1, 1001, Some(1)))
        };
        assert!(
            ended(&runner, SPOT, Some(&running(1))).record.interrupted,
            "{noticed}"
        );
    }
}

#[test]
fn a_job_that_may_have_been_interrupted_is_asked_about_and_may_be_run_again() {
    let runner = minted(busy(1, 1, 1001, None));
    let (waiting, record) = (job(1).reserved_for(&runner.id), record_of(&job(1)));
    let task = Task {
        status: TaskStatus::Stopped,
        end: TaskEnd {
            stop_code: Some(SPOT.into()),
            ..TaskEnd::default()
        },
        ..task(&runner, 1, 60)
    };
    let around = RunnerSnapshot {
        waiting: Some(&waiting),
        record: Some(&record),
        ..RunnerSnapshot::default()
    };
    let closing = close_runner(&runner, End::Stopped(&task), around, NOW);
    assert!(closing.waiting.unwrap().needs_check);
    assert!(
        closing
            .follow_ups
            .iter()
            .any(|open| open.follow_up == FollowUp::RerunJob(JobId(1)) && open.not_before > NOW)
    );
}

/// The delivery that it is over may never be made, and no runner is there any more that GitHub
/// would be asked about.
#[test]
fn a_job_whose_runner_ended_before_its_end_was_told_is_asked_about() {
    let asks = |runner: &Runner| {
        let follow_ups = ended(runner, "EssentialContainerExited", None).follow_ups;
        follow_ups
            .into_iter()
            .filter(|open| open.follow_up == FollowUp::CheckJob(JobId(1)))
            .map(|open| open.not_before)
            .collect::<Vec<_>>()
    };
    let working = minted(busy(1, 1, 1001, Some(1)));
    assert_eq!(asks(&working), [NOW.plus(timeouts::CHECK_AFTER_END)]);
    assert_eq!(
        asks(&Runner {
            done_at: Some(ago(1)),
            ..working
        }),
        []
    );
    assert_eq!(
        asks(&minted(busy(1, 1, 1001, None))),
        [],
        "its row, which is still in its reserve, is asked about by itself"
    );
}

#[test]
fn the_age_of_an_orphan_is_the_tables() {
    assert_eq!(timeouts::ORPHAN_TASK, Duration::from_secs(YOUNG));
    assert_eq!(
        NOW.since(ago(OLD)),
        timeouts::ORPHAN_TASK + Duration::from_secs(1)
    );
}

#[test]
fn what_github_lists_under_a_name_is_left_behind_by_a_runner_that_is_closed_for_a_while() {
    let closed = |seconds| Runner {
        closed_at: Some(ago(seconds)),
        ..requested(1)
    };
    let wait = timeouts::STALE_REGISTRATION_AFTER.as_secs();
    let (young, old, row) = (closed(wait), closed(wait + 1), requested(1));
    for (row, record, left) in [
        (None, Some(&old), true),
        (None, Some(&young), false),
        (Some(&row), Some(&old), false),
        (Some(&row), None, false),
        (None, None, false),
    ] {
        assert_eq!(is_left_behind(row, record, NOW), left, "{row:?} {record:?}");
    }
}
