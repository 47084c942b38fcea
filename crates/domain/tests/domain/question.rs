//! When GitHub is asked about a runner at work, and what its answers change. I3: none of them stops one that works.

use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::times;
use mayfly_domain::transitions::question::{Answer, Question, question};

use crate::world::builders::{NOW, busy, marked, parked, registered, requested, target};

fn later(duration: Duration) -> Timestamp {
    NOW.plus(duration)
}

/// Busy by GitHub's refusal to delete it alone.
fn found_busy() -> Runner {
    Runner { work: None, ..busy(1, 1, 7, None) }
}

#[test]
fn only_runners_at_work_are_asked_about() {
    let day = later(Duration::from_secs(86_400));
    let idle = [requested(1), parked(1), registered(1, 1, target(1, "mayfly"))];
    let others = [
        marked(busy(1, 1, 7, None)),
        Runner { done_at: Some(NOW), ..busy(1, 1, 7, Some(1)) },
        Runner { refused: Some(Reason::HadItsJob), ..busy(1, 1, 7, None) },
        Runner { retired_at: Some(NOW), ..busy(1, 1, 7, None) },
    ];
    for runner in idle.iter().chain(&others) {
        assert_eq!(question(runner, day), None, "{runner:?}");
    }
}

#[test]
fn what_is_asked_depends_on_what_is_known() {
    let soon = NOW;
    let long = later(times::ASK_AFTER);
    let known = busy(1, 1, 7, Some(3));
    assert_eq!((question(&known, soon), question(&known, long)), (None, Some(Question::Job(JobId(3)))));
    let admitted = busy(1, 1, 7, None);
    assert_eq!((question(&admitted, soon), question(&admitted, long)), (None, Some(Question::Itself)));
    // Until it is known that it works on another one, its job has no other runner.
    assert_eq!(question(&found_busy(), soon), Some(Question::Reserved(JobId(1))));
    let nameless = Runner { reserved: None, ..found_busy() };
    assert_eq!((question(&nameless, soon), question(&nameless, long)), (None, Some(Question::Itself)));
}

#[test]
fn questions_become_rarer_up_to_one_an_hour() {
    let mut runner = busy(1, 1, 7, Some(1));
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = now;
        while question(&runner, now).is_none() {
            now = now.plus(Duration::from_secs(60));
        }
        waits.push(now.since(before).as_secs() / 60);
        runner = runner.asked_about(Answer::AtWork, now).unwrap();
    }
    assert_eq!(waits, [10, 10, 20, 40, 60, 60]);
}

#[test]
fn a_runner_that_github_knows_no_longer_is_done_when_it_says_so_twice() {
    let first = busy(1, 1, 7, None).asked_about(Answer::Gone, NOW).unwrap();
    assert_eq!((first.done_at, first.doubted_at), (None, Some(NOW)));
    let echo = first.asked_about(Answer::Gone, later(times::ASK_TWICE - Duration::from_secs(1))).unwrap();
    assert_eq!((echo.done_at, echo.doubted_at), (None, Some(NOW)));
    assert_eq!(question(&first, later(times::ASK_TWICE)), Some(Question::Itself));
    let second = first.asked_about(Answer::Gone, later(times::ASK_TWICE)).unwrap();
    assert_eq!((second.done_at, second.state, second.rev), (Some(later(times::ASK_TWICE)), RunnerState::Busy, first.rev + 1));
}

#[test]
fn an_answer_in_between_that_it_works_makes_the_doubt_begin_anew() {
    let doubtful = busy(1, 1, 7, None).asked_about(Answer::Gone, NOW).unwrap();
    let sure = doubtful.asked_about(Answer::AtWork, later(times::ASK_TWICE)).unwrap();
    assert_eq!(sure.doubted_at, None);
    assert_eq!(sure.asked_about(Answer::Gone, later(times::ASK_TWICE * 2)).unwrap().done_at, None);
}

#[test]
fn a_runner_on_another_job_than_its_reserved_one_gives_that_up_and_works_on() {
    let first = found_busy().asked_about(Answer::NotOnReserved, NOW).unwrap();
    assert_eq!((first.reserved, question(&first, later(times::ASK_TWICE))), (Some(JobId(1)), Some(Question::Reserved(JobId(1)))));
    let second = first.asked_about(Answer::NotOnReserved, later(times::ASK_TWICE)).unwrap();
    assert_eq!((second.reserved, second.done_at, second.state), (None, None, RunnerState::Busy));
    assert_eq!(question(&second, later(times::ASK_TWICE)), None);
    // A delivery or the hook came meanwhile: it may well be at work on that job.
    let told = Runner { work: busy(1, 1, 7, None).work, ..first };
    assert_eq!(told.asked_about(Answer::NotOnReserved, later(times::ASK_TWICE)).unwrap().reserved, Some(JobId(1)));
}

#[test]
fn a_job_that_github_says_is_over_ends_at_the_time_it_says() {
    let over = busy(1, 1, 7, Some(1)).asked_about(Answer::Over(Some(crate::world::builders::ago(2))), NOW).unwrap();
    assert_eq!(over.done_at, Some(crate::world::builders::ago(2)));
    for answer in [Answer::AtWork, Answer::Gone, Answer::NotOnReserved, Answer::Over(None)] {
        assert_eq!(over.asked_about(answer, NOW), None);
    }
}
