//! When GitHub is asked about a runner at work, and what its answers change. I3: none of them stops
//! one that works.

use std::time::Duration;

use mayfly_domain::model::id::{GithubRunnerId, JobId};
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::liveness::{LivenessCheck, LivenessResult, liveness_check};

use crate::fixture::builders::{NOW, busy, marked, parked, registered, requested, target};

fn later(duration: Duration) -> Timestamp {
    NOW.plus(duration)
}

/// Busy by GitHub's refusal to delete it alone.
fn found_busy() -> Runner {
    Runner {
        work: None,
        ..busy(1, 1, 7, None)
    }
}

#[test]
fn only_runners_at_work_are_asked_about() {
    let day = later(Duration::from_secs(86_400));
    let idle = [
        requested(1),
        parked(1),
        registered(1, 1, target(1, "mayfly")),
    ];
    let others = [
        marked(busy(1, 1, 7, None)),
        Runner {
            done_at: Some(NOW),
            ..busy(1, 1, 7, Some(1))
        },
        Runner {
            refused: Some(Reason::HadItsJob),
            ..busy(1, 1, 7, None)
        },
        Runner {
            retired_at: Some(NOW),
            ..busy(1, 1, 7, None)
        },
    ];
    for runner in idle.iter().chain(&others) {
        assert_eq!(liveness_check(runner, day), None, "{runner:?}");
    }
}

#[test]
fn what_is_asked_depends_on_what_is_known() {
    let soon = NOW;
    let long = later(timeouts::CHECK_AFTER);
    let known = busy(1, 1, 7, Some(3));
    assert_eq!(
        (liveness_check(&known, soon), liveness_check(&known, long)),
        (None, Some(LivenessCheck::Job(JobId(3))))
    );
    let admitted = busy(1, 1, 7, None);
    assert_eq!(
        (
            liveness_check(&admitted, soon),
            liveness_check(&admitted, long)
        ),
        (None, Some(LivenessCheck::Itself))
    );
    // Until it is known that it works on another one, its job has no other runner.
    assert_eq!(
        liveness_check(&found_busy(), soon),
        Some(LivenessCheck::Reserved(JobId(1)))
    );
    let nameless = Runner {
        reserved: None,
        ..found_busy()
    };
    assert_eq!(
        (
            liveness_check(&nameless, soon),
            liveness_check(&nameless, long)
        ),
        (None, Some(LivenessCheck::Itself))
    );
}

#[test]
fn questions_become_rarer_up_to_one_an_hour() {
    let mut runner = busy(1, 1, 7, Some(1));
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = now;
        while liveness_check(&runner, now).is_none() {
            now = now.plus(Duration::from_secs(60));
        }
        waits.push(now.since(before).as_secs() / 60);
        runner = runner.record_liveness(LivenessResult::AtWork, now).unwrap();
    }
    assert_eq!(waits, [10, 10, 20, 40, 60, 60]);
}

#[test]
fn a_runner_that_github_knows_no_longer_is_done_when_it_says_so_twice() {
    let first = busy(1, 1, 7, None)
        .record_liveness(LivenessResult::Gone, NOW)
        .unwrap();
    assert_eq!((first.done_at, first.unconfirmed_since), (None, Some(NOW)));
    let echo = first
        .record_liveness(
            LivenessResult::Gone,
            later(timeouts::REREAD_AFTER - Duration::from_secs(1)),
        )
        .unwrap();
    assert_eq!((echo.done_at, echo.unconfirmed_since), (None, Some(NOW)));
    assert_eq!(
        liveness_check(&first, later(timeouts::REREAD_AFTER)),
        Some(LivenessCheck::Itself)
    );
    let second = first
        .record_liveness(LivenessResult::Gone, later(timeouts::REREAD_AFTER))
        .unwrap();
    assert_eq!(
        (second.done_at, second.state),
        (Some(later(timeouts::REREAD_AFTER)), RunnerState::Busy)
    );
}

#[test]
fn an_answer_in_between_that_it_works_makes_the_doubt_begin_again() {
    let unconfirmed = busy(1, 1, 7, None)
        .record_liveness(LivenessResult::Gone, NOW)
        .unwrap();
    let sure = unconfirmed
        .record_liveness(LivenessResult::AtWork, later(timeouts::REREAD_AFTER))
        .unwrap();
    assert_eq!(sure.unconfirmed_since, None);
    assert_eq!(
        sure.record_liveness(LivenessResult::Gone, later(timeouts::REREAD_AFTER * 2))
            .unwrap()
            .done_at,
        None
    );
}

#[test]
fn a_runner_on_another_job_than_its_reserved_one_gives_that_up_and_works_on() {
    let first = found_busy()
        .record_liveness(LivenessResult::NotOnReserved, NOW)
        .unwrap();
    assert_eq!(
        (
            first.reserved,
            liveness_check(&first, later(timeouts::REREAD_AFTER))
        ),
        (Some(JobId(1)), Some(LivenessCheck::Reserved(JobId(1))))
    );
    let second = first
        .record_liveness(LivenessResult::NotOnReserved, later(timeouts::REREAD_AFTER))
        .unwrap();
    assert_eq!(
        (second.reserved, second.done_at, second.state),
        (None, None, RunnerState::Busy)
    );
    assert_eq!(liveness_check(&second, later(timeouts::REREAD_AFTER)), None);
    // A delivery or the hook came meanwhile: it may well be at work on that job.
    let told = Runner {
        work: busy(1, 1, 7, None).work,
        ..first
    };
    assert_eq!(
        told.record_liveness(LivenessResult::NotOnReserved, later(timeouts::REREAD_AFTER))
            .unwrap()
            .reserved,
        Some(JobId(1))
    );
}

#[test]
fn a_job_that_github_says_is_over_ends_at_the_time_it_says() {
    let over = busy(1, 1, 7, Some(1))
        .record_liveness(
            LivenessResult::Over(Some(crate::fixture::builders::ago(2))),
            NOW,
        )
        .unwrap();
    assert_eq!(over.done_at, Some(crate::fixture::builders::ago(2)));
    for answer in [
        LivenessResult::AtWork,
        LivenessResult::Gone,
        LivenessResult::NotOnReserved,
        LivenessResult::Over(None),
    ] {
        assert_eq!(over.record_liveness(answer, NOW), None);
    }
}

/// Another task of the same runner may have registered under another number.
#[test]
fn a_registration_is_the_runners_by_its_id_and_by_its_name_only_while_it_has_none() {
    let known = busy(1, 1, 7, None);
    let own = known.github.unwrap();
    let other = GithubRunnerId(own.0 + 1);
    let name = known.name().to_string();
    assert!(known.is_registered_as(own, "whatever GitHub calls it"));
    assert!(!known.is_registered_as(other, &name));
    let unknown = Runner {
        github: None,
        ..known
    };
    assert!(unknown.is_registered_as(other, &name));
    assert!(!unknown.is_registered_as(other, &busy(2, 1, 7, None).name().to_string()));
    assert!(!unknown.is_registered_as(other, "a-machine-of-ours"));
}
