//! When sweeper minds a runner: each limit counts from its own moment.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use mayfly_domain::care::{Care, care};
use mayfly_domain::runner::{Runner, StopKind};
use mayfly_domain::times;

use crate::builders::{NOW, ago, parked, pool, registered, target};

#[path = "world/builders.rs"]
mod builders;

#[test]
fn an_idle_runner_has_its_idle_timeout_from_its_registration_however_long_it_took_to_start() {
    let idle = pool().idle_timeout.as_secs();
    let slow = Runner { requested_at: ago(idle + 600), registered_at: Some(ago(idle)), ..registered(1, 1, target(1, "mayfly")) };
    assert_eq!(care(&slow, Some(&pool()), NOW), Care::None);
    let over = Runner { registered_at: Some(ago(idle + 1)), ..slow };
    assert!(matches!(care(&over, Some(&pool()), NOW), Care::Retire(_)));
}

/// The script ends by itself at the park limit. One that asks on and on would be paid for without end.
#[test]
fn a_runner_that_polls_beyond_the_park_limit_is_stopped() {
    let limit = (times::PARK_LIMIT + times::START_TIMEOUT).as_secs();
    let at = |seconds: u64| care(&Runner { requested_at: ago(seconds), asked_at: Some(ago(seconds)), ..parked(1) }, Some(&pool()), NOW);
    assert_eq!(at(limit), Care::None);
    assert!(matches!(at(limit + 1), Care::Mark(StopKind::ParkLimit, _)));
}

/// A StopTask that came to nothing is repeated, also where nothing else is due.
#[test]
fn a_runner_that_was_taken_away_at_github_is_ended_two_minutes_later() {
    let wait = times::STOP_AFTER_DONE.as_secs();
    let at = |seconds: u64| care(&Runner { retired_at: Some(ago(seconds)), ..registered(1, 1, target(1, "mayfly")) }, Some(&pool()), NOW);
    assert_eq!(at(wait), Care::None);
    assert!(matches!(at(wait + 1), Care::End(_)));
}
