//! When sweeper minds a runner: each limit counts from its own moment.

use mayfly_domain::model::runner::{Runner, RunnerState, StopKind, StopMark};
use mayfly_domain::model::story::{Reason, StoryEvent};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::time_limits::{RunnerAction, runner_action};

use crate::fixture::builders::{
    NOW, ago, busy, parked, pool, registered, registering, requested, target,
};

#[test]
fn an_idle_runner_has_its_idle_timeout_from_its_registration_however_long_it_took_to_start() {
    let idle = pool().idle_timeout.as_secs();
    let slow = Runner {
        requested_at: ago(idle + 600),
        registered_at: Some(ago(idle)),
        ..registered(1, 1, target(1, "mayfly"))
    };
    assert_eq!(runner_action(&slow, Some(&pool()), NOW), RunnerAction::None);
    let over = Runner {
        registered_at: Some(ago(idle + 1)),
        ..slow
    };
    assert!(matches!(
        runner_action(&over, Some(&pool()), NOW),
        RunnerAction::Deregister(_)
    ));
}

/// The script ends by itself at the park limit. One that asks on and on would be paid for without
/// end.
#[test]
fn a_runner_that_polls_beyond_the_park_limit_is_stopped() {
    let limit = (timeouts::PARK_LIMIT + timeouts::START_TIMEOUT).as_secs();
    let at = |seconds: u64| {
        runner_action(
            &Runner {
                requested_at: ago(seconds),
                first_polled_at: Some(ago(seconds)),
                ..parked(1)
            },
            Some(&pool()),
            NOW,
        )
    };
    assert_eq!(at(limit), RunnerAction::None);
    assert!(matches!(
        at(limit + 1),
        RunnerAction::MarkForStop(StopKind::ParkLimit, _)
    ));
}

/// A StopTask that came to nothing is repeated, also where nothing else is due.
#[test]
fn a_runner_that_was_taken_away_at_github_is_ended_two_minutes_later() {
    let wait = timeouts::STOP_AFTER_DONE.as_secs();
    let at = |seconds: u64| {
        runner_action(
            &Runner {
                retired_at: Some(ago(seconds)),
                ..registered(1, 1, target(1, "mayfly"))
            },
            Some(&pool()),
            NOW,
        )
    };
    assert_eq!(at(wait), RunnerAction::None);
    assert!(matches!(at(wait + 1), RunnerAction::ForceStop(_)));
}

fn last(runner: &Runner) -> &StoryEvent {
    &runner.story.last().unwrap().event
}

#[test]
fn only_what_github_cannot_know_is_marked_and_once() {
    for row in [requested(1), parked(1)] {
        let after = row
            .marked(StopKind::ParkLimit, &Reason::ParkLimit, NOW)
            .unwrap();
        assert_eq!(
            after.stop,
            Some(StopMark {
                at: NOW,
                kind: StopKind::ParkLimit,
                reason: Reason::ParkLimit
            })
        );
        assert_eq!(
            last(&after),
            &StoryEvent::MarkedForStop {
                reason: Reason::ParkLimit
            }
        );
        assert_eq!(
            after.marked(StopKind::ParkLimit, &Reason::ParkLimit, NOW),
            None
        );
    }
    for row in [
        registering(1, 1, target(1, "mayfly")),
        registered(1, 1, target(1, "mayfly")),
        busy(1, 1, 7, None),
    ] {
        assert_eq!(
            row.marked(StopKind::ParkLimit, &Reason::ParkLimit, NOW),
            None
        );
    }
}

/// GitHub was asked about the registration that the row had then.
#[test]
fn a_runner_is_deregistered_only_if_it_is_as_idle_as_when_github_was_asked() {
    let asked = registered(1, 1, target(1, "mayfly"));
    let after = asked.deregistered(&asked, &Reason::MakesRoom, NOW).unwrap();
    assert_eq!(
        (after.retired_at, &after.retired_reason, last(&after)),
        (
            Some(NOW),
            &Some(Reason::MakesRoom),
            &StoryEvent::Deregistered
        )
    );
    assert_eq!(after.deregistered(&asked, &Reason::MakesRoom, NOW), None);
    assert_eq!(
        Runner {
            registration_attempt: asked.registration_attempt + 1,
            ..asked.clone()
        }
        .deregistered(&asked, &Reason::MakesRoom, NOW),
        None
    );
    assert_eq!(
        busy(1, 1, 7, None).deregistered(&asked, &Reason::MakesRoom, NOW),
        None
    );
}

#[test]
fn that_a_runner_could_not_be_deregistered_is_told_once() {
    let after = registered(1, 1, target(1, "mayfly"))
        .not_deregistered(NOW)
        .unwrap();
    assert_eq!(last(&after), &StoryEvent::NotDeregistered);
    let told_since = Runner {
        story: after
            .story
            .iter()
            .cloned()
            .chain(after.story.clone())
            .collect(),
        ..after.clone()
    };
    assert_eq!(
        (
            after.not_deregistered(NOW),
            told_since.not_deregistered(NOW)
        ),
        (None, None)
    );
}

#[test]
fn only_a_registered_runner_is_found_busy() {
    let after = registered(1, 1, target(1, "mayfly"))
        .found_busy(NOW)
        .unwrap();
    assert_eq!(
        (after.state, after.busy_at, last(&after)),
        (RunnerState::Busy, Some(NOW), &StoryEvent::FoundBusy)
    );
    assert_eq!(after.found_busy(NOW), None);
    assert_eq!(registering(1, 1, target(1, "mayfly")).found_busy(NOW), None);
}
