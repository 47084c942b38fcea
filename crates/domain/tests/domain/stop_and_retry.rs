//! What people ask for: that a runner ends, that a job is tried again.

use std::time::Duration;

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{GithubRunnerId, JobId};
use mayfly_domain::model::job::{JobRecord, JobState, WaitingJob};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::{Outcome, Runner, StopKind};
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::story::{Reason, TaskEnd};
use mayfly_domain::model::target::Target;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::changes::Changes;
use mayfly_domain::transitions::close::RunnerSnapshot;
use mayfly_domain::transitions::registration::{RegistrationStep, registration_step};
use mayfly_domain::transitions::retry::{Retry, retry};
use mayfly_domain::transitions::snapshot::JobSnapshot;
use mayfly_domain::transitions::stop::{StopOutcome, request_stop};
use mayfly_domain::transitions::time_limits::{RunnerAction, runner_action};

use crate::fixture::builders::{
    NOW, ago, arn, busy, job, later, marked, parked, record_of, registered, registering, requested,
    target,
};
use crate::fixture::changes::close_runner;

fn mine() -> Target {
    target(1, "mayfly")
}

fn request(force: bool) -> StopRequest {
    StopRequest {
        at: NOW,
        by: "alice".into(),
        force,
    }
}

fn left(runner: &Runner, force: bool) -> Runner {
    let (outcome, changes) = request_stop(runner, request(force));
    assert_eq!(outcome, StopOutcome::Requested);
    changes.runner.unwrap()
}

fn at_work() -> Runner {
    busy(1, 1, 1001, Some(1))
}

#[test]
fn what_github_cannot_know_is_marked() {
    for runner in [requested(1), parked(1)] {
        let (outcome, changes) = request_stop(&runner, request(false));
        assert_eq!(outcome, StopOutcome::Marked, "{runner:?}");
        let after = changes.runner.unwrap();
        let stop = after.stop.clone().unwrap();
        assert_eq!(
            (stop.kind, stop.reason.to_string()),
            (StopKind::UserRequest, "stopped by alice".to_owned())
        );
        assert_eq!(after.stop_request, None);
        assert_eq!(
            runner_action(&after, None, later(3_600)),
            RunnerAction::None,
            "scaler stops it"
        );
    }
}

#[test]
fn what_github_may_know_is_never_marked_and_never_stopped_before_it_is_taken_away_there() {
    for runner in [registering(1, 1, mine()), registered(1, 1, mine())] {
        let after = left(&runner, false);
        assert_eq!(after.stop, None);
        let RunnerAction::Deregister(why) = runner_action(&after, None, later(40)) else {
            panic!("{after:?}")
        };
        assert_eq!(why.to_string(), "stopped by alice");
    }
}

#[test]
fn a_runner_at_work_is_stopped_only_by_force() {
    for runner in [
        at_work(),
        busy(1, 1, 1001, None),
        Runner {
            work: None,
            ..at_work()
        },
    ] {
        assert_eq!(
            request_stop(&runner, request(false)),
            (StopOutcome::Busy, Changes::default())
        );
        let forced = left(&runner, true);
        assert!(
            matches!(
                runner_action(&forced, None, later(1)),
                RunnerAction::ForceStop(_)
            ),
            "{forced:?}"
        );
    }
}

#[test]
fn a_runner_that_got_a_job_after_it_was_dismissed_is_left_alone_until_its_job_is_over() {
    let late = Runner {
        stop_request: Some(request(false)),
        ..at_work()
    };
    assert_eq!(runner_action(&late, None, later(3_600)), RunnerAction::None);
    let done = Runner {
        done_at: Some(later(60)),
        ..late
    };
    assert_eq!(
        runner_action(&done, None, later(61)),
        RunnerAction::None,
        "its container may leave by itself"
    );
}

#[test]
fn a_runner_whose_job_is_over_or_refused_needs_no_force() {
    let done = Runner {
        done_at: Some(ago(5)),
        ..at_work()
    };
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..at_work()
    };
    for runner in [done, refused] {
        assert!(
            matches!(
                runner_action(&left(&runner, false), None, later(1)),
                RunnerAction::ForceStop(_)
            ),
            "{runner:?}"
        );
    }
}

#[test]
fn whoever_is_on_his_way_out_is_not_asked_twice() {
    let retired = Runner {
        retired_at: Some(ago(1)),
        ..registered(1, 1, mine())
    };
    for runner in [
        marked(parked(1)),
        retired,
        left(&registered(1, 1, mine()), false),
        left(&at_work(), true),
    ] {
        assert_eq!(
            request_stop(&runner, request(false)),
            (StopOutcome::Ending, Changes::default()),
            "{runner:?}"
        );
    }
    let forced_later = left(&left(&registered(1, 1, mine()), false), true);
    assert!(forced_later.stop_request.unwrap().force);
}

#[test]
fn a_dismissed_runner_that_still_registers_is_told_to_end_and_gets_nothing() {
    let after = left(&registering(1, 1, mine()), false);
    assert_eq!(registration_step(&after), RegistrationStep::Stopped);
    assert_eq!(
        after.registered(1, GithubRunnerId(7), NOW),
        None,
        "what GitHub made meanwhile is not handed out"
    );
    let minted = Runner {
        last_attempt_at: Some(NOW),
        ..after.clone()
    };
    assert_eq!(
        runner_action(&minted, None, later(35)),
        RunnerAction::None,
        "a call may be under way"
    );
    assert!(matches!(
        runner_action(&minted, None, later(36)),
        RunnerAction::Deregister(_)
    ));
    let free = after.refused_registration(1, "no", NOW).unwrap();
    assert!(
        matches!(
            runner_action(&free, None, later(36)),
            RunnerAction::MarkForStop(StopKind::UserRequest, _)
        ),
        "GitHub cannot know it any more"
    );
}

fn ended(
    runner: &Runner,
    waiting: &WaitingJob,
    exit_code: i32,
) -> (Outcome, Option<WaitingJob>, String) {
    let task = Task {
        arn: arn(1),
        address: runner.address(),
        version: 9,
        status: TaskStatus::Stopped,
        timeline: mayfly_domain::model::runner::Timeline::default(),
        end: TaskEnd {
            stop_code: Some("UserInitiated".into()),
            stopped_reason: Some("stopped by alice".into()),
            exit_code: Some(exit_code),
            ..TaskEnd::default()
        },
    };
    let record = record_of(waiting);
    let around = RunnerSnapshot {
        waiting: Some(waiting),
        record: Some(&record),
        ..RunnerSnapshot::default()
    };
    let closing = close_runner(runner, End::Stopped(&task), around, later(60));
    (
        closing.record.outcome.unwrap(),
        closing.waiting,
        closing.record.reason.unwrap().to_string(),
    )
}

#[test]
fn its_job_is_not_to_blame() {
    let held = WaitingJob {
        runner: Some(requested(1).id),
        ..job(1)
    };
    let gone = Runner {
        retired_at: Some(later(30)),
        ..left(&registered(1, 1, mine()), false)
    };
    for runner in [gone, left(&registering(1, 1, mine()), false)] {
        assert_eq!(
            ended(&runner, &held, 0),
            (Outcome::Surplus, None, "stopped by alice".into())
        );
    }
    // It left by itself before it was taken away: perhaps with a job of which no one has heard.
    let left_early = left(&registered(1, 1, mine()), false);
    let (outcome, waiting, _) = ended(&left_early, &held, 0);
    assert_eq!(
        (outcome, waiting.unwrap().needs_check),
        (Outcome::NeverAssigned, true)
    );
}

#[test]
fn a_forced_end_is_told_in_the_runners_reason() {
    let (outcome, _, reason) = ended(&left(&at_work(), true), &job(2), 143);
    assert_eq!(outcome, Outcome::Ran);
    assert!(reason.contains("stopped by alice"), "{reason}");
}

/// An answer beside which nothing changes.
fn unchanged(answer: Retry) -> (Retry, Changes) {
    (answer, Changes::default())
}

fn tried(
    record: &JobRecord,
    row: Option<&WaitingJob>,
    runner: Option<&Runner>,
) -> (Retry, Changes) {
    retry(
        JobSnapshot {
            pools: &crate::fixture::deliveries::pools(),
            record,
            row,
            runner,
        },
        "alice",
        NOW,
    )
}

fn in_state(state: JobState) -> JobRecord {
    JobRecord {
        state,
        ..record_of(&job(1))
    }
}

#[test]
fn a_job_that_holds_itself_back_is_tried_again() {
    let waits = [
        WaitingJob {
            attempts: 3,
            not_before: Some(later(3_000)),
            ..job(1)
        },
        WaitingJob {
            attempts: 1,
            not_before: Some(later(30)),
            needs_check: true,
            checked_at_github: Some(ago(5)),
            ..job(1)
        },
        WaitingJob {
            not_before: Some(later(1)),
            ..job(1)
        },
    ];
    for row in waits {
        let record = JobRecord {
            reason: Some(Reason::Reopened),
            ..record_of(&row)
        };
        let (answer, changes) = tried(&record, Some(&row), None);
        let asks_github = row.needs_check;
        assert_eq!(answer, Retry::BackoffReset { asks_github });
        let fresh = changes.row().unwrap().clone();
        let told = changes.record.unwrap();
        assert_eq!(
            (
                fresh.attempts,
                fresh.not_before,
                fresh.checked_at_github,
                fresh.needs_check
            ),
            (0, None, None, row.needs_check)
        );
        assert_eq!(
            told.reason.is_some(),
            row.needs_check,
            "GitHub is asked first: its runner may have run it"
        );
        assert!(
            told.story
                .last()
                .unwrap()
                .event
                .to_string()
                .starts_with("retried by alice")
        );
        assert!(row.needs_check || fresh.eligible(NOW));
    }
}

#[test]
fn a_job_that_nothing_of_its_own_holds_back_is_not_written() {
    assert_eq!(
        tried(&record_of(&job(1)), Some(&job(1)), None),
        unchanged(Retry::Waits)
    );
    let passed = WaitingJob {
        not_before: Some(ago(1)),
        ..job(1)
    };
    assert_eq!(
        tried(&record_of(&passed), Some(&passed), None),
        unchanged(Retry::Waits)
    );
}

#[test]
fn a_job_with_a_runner_is_left_to_it() {
    let runner = registering(1, 1, mine());
    let held = WaitingJob {
        attempts: 1,
        runner: Some(runner.id.clone()),
        ..job(1)
    };
    assert_eq!(
        tried(&record_of(&held), Some(&held), Some(&runner)),
        unchanged(Retry::Runner(runner.address()))
    );
    let elsewhere = registering(1, 2, mine());
    assert!(
        matches!(
            tried(&record_of(&held), Some(&held), Some(&elsewhere)),
            (Retry::BackoffReset { .. }, _)
        ),
        "the reservation is void"
    );
    assert_eq!(
        tried(&in_state(JobState::Running), None, Some(&at_work())),
        unchanged(Retry::Runner(at_work().address()))
    );
}

#[test]
fn what_only_github_knows_is_asked() {
    for (state, runner) in [
        (JobState::Blocked, None),
        (JobState::Running, None),
        (
            JobState::Running,
            Some(Runner {
                done_at: Some(ago(9)),
                ..at_work()
            }),
        ),
        (JobState::Running, Some(busy(1, 1, 1001, Some(2)))),
    ] {
        let (answer, changes) = tried(&in_state(state), None, runner.as_ref());
        assert_eq!(answer, Retry::CheckJob, "{state:?}");
        let open = &changes.follow_ups[0];
        assert_eq!(changes, Changes::of_follow_up(open.clone()));
        assert_eq!(
            (open.follow_up.clone(), open.due(NOW), open.tries),
            (FollowUp::CheckJob(JobId(1)), true, 0)
        );
    }
}

#[test]
fn what_no_pool_takes_is_rematched_within_a_day() {
    let unplaced = JobRecord {
        pool: None,
        ..in_state(JobState::Unplaced)
    };
    assert_eq!(tried(&unplaced, None, None), unchanged(Retry::MatchJob));
    let day = NOW.minus(timeouts::QUEUED_AT_MOST + Duration::from_millis(1));
    assert_eq!(
        tried(
            &JobRecord {
                queued_at: day,
                ..unplaced
            },
            None,
            None
        ),
        unchanged(Retry::TooLate)
    );
    let gone = retry(
        JobSnapshot {
            pools: &Pools::default(),
            record: &record_of(&job(1)),
            row: Some(&job(1)),
            runner: None,
        },
        "alice",
        NOW,
    );
    assert_eq!(
        gone,
        unchanged(Retry::MatchJob),
        "its pool is in the pools file no longer"
    );
}

#[test]
fn what_is_over_stays_so() {
    assert_eq!(
        tried(&in_state(JobState::Closed), None, None),
        unchanged(Retry::Over)
    );
}

/// It may wait at GitHub all the same, where it could not be seen for a day.
#[test]
fn a_job_that_was_given_up_is_asked_about() {
    let given_up = JobRecord {
        given_up: true,
        ..in_state(JobState::Closed)
    };
    let (answer, changes) = tried(&given_up, None, None);
    assert_eq!(answer, Retry::CheckJob);
    assert!(changes.follow_ups[0].due(NOW), "{changes:?}");
}
