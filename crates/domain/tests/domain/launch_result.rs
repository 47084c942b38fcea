//! What comes of a launch: what is sent again, tried elsewhere, doubted and believed.

use mayfly_domain::model::runner::{Launch, Runner};
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::story::StoryEvent;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::launch_result::{
    AfterRefusal, LaunchResult, MissingTask, after_refusal, task_missing,
};

use crate::fixture::builders::{NOW, ago, arn, later, marked, requested};

/// A row whose launch was sent a minute ago, and changed as said.
fn sent(change: impl FnOnce(&mut Launch)) -> Runner {
    let mut runner = Runner {
        arn: None,
        ..requested(1)
    };
    (runner.launch.first_sent_at, runner.launch.sent_at) = (ago(60), ago(60));
    change(&mut runner.launch);
    runner
}

fn as_sent() -> Runner {
    sent(|_| ())
}

fn last(runner: &Runner) -> &StoryEvent {
    &runner.story.last().unwrap().event
}

#[test]
fn a_launch_without_an_answer_is_sent_again_and_may_have_made_a_task_unless_nothing_was_sent() {
    for (row, unsure) in [
        (as_sent(), true),
        (sent(|launch| launch.unsent = true), false),
        (
            sent(|launch| (launch.unsent, launch.outcome_unknown) = (true, true)),
            true,
        ),
    ] {
        let row = Runner {
            launch: Launch {
                missing: 1,
                missing_at: Some(ago(30)),
                ..row.launch.clone()
            },
            ..row
        };
        let after = row.sent_again(&row, NOW).unwrap();
        assert_eq!(
            (after.launch.outcome_unknown, after.launch.unsent),
            (unsure, false)
        );
        assert_eq!(
            (after.launch.sent_at, after.launch.first_sent_at),
            (NOW, ago(60))
        );
        assert_eq!(
            (after.launch.missing, after.launch.missing_at),
            (0, None),
            "what ECS said before speaks of the time before"
        );
        assert_eq!(
            (after.client_token(), last(&after)),
            (row.client_token(), &StoryEvent::LaunchRepeated)
        );
    }
}

#[test]
fn only_one_run_takes_a_launch_up_and_none_that_has_a_task_or_must_end() {
    let row = as_sent();
    for changed in [
        Runner {
            last_seen_at: Some(NOW),
            ..row.clone()
        },
        Runner {
            arn: Some(arn(1)),
            ..row.clone()
        },
        marked(row.clone()),
    ] {
        assert_eq!(changed.sent_again(&row, NOW), None);
    }
}

#[test]
fn a_task_is_written_down_once() {
    let row = as_sent();
    let after = row.launched(&arn(1), NOW).unwrap();
    assert_eq!(
        (after.arn.as_ref(), last(&after)),
        (
            Some(&arn(1)),
            &StoryEvent::TaskStarted {
                task: arn(1).task_id().to_owned()
            }
        )
    );
    assert_eq!(after.launched(&arn(2), NOW), None);
}

#[test]
fn what_is_known_of_a_send_is_written_down_while_it_is_the_rows_newest_try() {
    let row = as_sent();
    let flags = |launch: &Launch| (launch.unsent, launch.outcome_unknown, launch.given_up);
    for (result, expected) in [
        (LaunchResult::NotSent, (true, false, false)),
        (LaunchResult::Unknown, (false, true, false)),
        (LaunchResult::RefusedAfterUnknown, (false, false, true)),
    ] {
        let after = row.with_result(&row, result).unwrap();
        assert_eq!(flags(&after.launch), expected);
        assert_eq!(after.with_result(&row, result), None, "that is no news");
        let next_try = sent(|launch| launch.attempt += 1);
        assert_eq!(next_try.with_result(&row, result), None);
        assert_eq!(
            Runner {
                arn: Some(arn(1)),
                ..row.clone()
            }
            .with_result(&row, result),
            None
        );
    }
}

#[test]
fn a_refusal_leads_elsewhere_or_to_the_end_and_only_one_for_want_of_a_place_speaks_of_earlier_sends()
 {
    use FailureKind::{Configuration, Quota, Transient};
    let (sure, unsure) = (as_sent(), sent(|launch| launch.outcome_unknown = true));
    let tried = sent(|launch| launch.attempt = 5);
    for (row, kind, no_place, expected) in [
        (&sure, Transient, true, AfterRefusal::TryElsewhere),
        (&sure, Transient, false, AfterRefusal::TryElsewhere),
        (&sure, Quota, false, AfterRefusal::Close),
        (&sure, Configuration, false, AfterRefusal::Close),
        (&tried, Transient, true, AfterRefusal::Close),
        (&unsure, Transient, true, AfterRefusal::Settle),
        (&unsure, Transient, false, AfterRefusal::Record),
        (&unsure, Configuration, false, AfterRefusal::Record),
    ] {
        assert_eq!(
            after_refusal(row, kind, no_place),
            expected,
            "{kind:?}, no place: {no_place}, {:?}",
            row.launch
        );
    }
}

#[test]
fn the_doubt_goes_only_from_the_row_that_was_sent_for() {
    let row = sent(|launch| launch.outcome_unknown = true);
    let settled = row.without_doubt(&row).unwrap();
    assert!(
        !settled.launch.outcome_unknown && settled.never_started(&row) && !row.never_started(&row)
    );
    let again = sent(|launch| (launch.outcome_unknown, launch.sent_at) = (true, ago(1)));
    assert_eq!(
        again.without_doubt(&row),
        None,
        "it was sent again, and that may have made a task"
    );
    assert_eq!(
        Runner {
            arn: Some(arn(1)),
            ..row.clone()
        }
        .without_doubt(&row),
        None
    );
}

#[test]
fn the_next_try_goes_under_a_token_of_its_own_and_not_for_a_runner_that_must_end() {
    let row = sent(|launch| (launch.missing, launch.missing_at) = (1, Some(ago(1))));
    let after = row.moved(&row, "elsewhere", "no capacity", NOW).unwrap();
    assert_eq!(
        (after.launch.attempt, after.launch.request.as_str()),
        (row.launch.attempt + 1, "elsewhere")
    );
    assert_eq!(
        (
            after.launch.first_sent_at,
            after.launch.sent_at,
            after.launch.missing
        ),
        (NOW, NOW, 0)
    );
    assert_ne!(after.client_token(), row.client_token());
    assert_eq!(
        last(&after),
        &StoryEvent::LaunchMoved {
            message: "no capacity".to_owned()
        }
    );
    assert!(!after.never_started(&row), "a try of its own is under way");
    for changed in [
        after,
        marked(row.clone()),
        Runner {
            arn: Some(arn(1)),
            ..row.clone()
        },
    ] {
        assert_eq!(changed.moved(&row, "elsewhere", "no capacity", NOW), None);
    }
}

#[test]
fn ecs_is_believed_to_know_no_task_when_it_says_so_twice_a_minute_apart_and_long_after_the_last_send()
 {
    let (counts, twice) = (
        timeouts::MISSING_COUNTS_AFTER.as_secs(),
        timeouts::REREAD_AFTER.as_secs(),
    );
    let asked = |since: u64, missing: u32, told: Option<u64>| {
        let row = sent(|launch| {
            (launch.sent_at, launch.missing, launch.missing_at) =
                (ago(since), missing, told.map(ago))
        });
        task_missing(&row, NOW)
    };
    assert_eq!(asked(counts, 0, None), MissingTask::Early);
    assert_eq!(asked(counts + 1, 0, None), MissingTask::Count);
    assert_eq!(asked(counts + 100, 1, Some(twice - 1)), MissingTask::Early);
    assert_eq!(asked(counts + 100, 1, Some(twice)), MissingTask::Close);
}

#[test]
fn that_ecs_knows_no_task_is_counted_for_the_row_that_was_asked_about_and_forgotten_when_it_shows_one()
 {
    let row = as_sent();
    let once = row.missing_once(&row, NOW).unwrap();
    assert_eq!(
        (once.launch.missing, once.launch.missing_at, last(&once)),
        (1, Some(NOW), &StoryEvent::TaskNotFound)
    );
    let again = sent(|launch| launch.sent_at = later(1));
    assert_eq!(again.missing_once(&row, NOW), None);
    assert_eq!(row.shown(), None);
    let shown = once.shown().unwrap();
    assert_eq!((shown.launch.missing, shown.launch.missing_at), (0, None));
}
