//! When something went wrong last: bounds of time count from the last fault, in every story.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use crate::system::{CallOutcome, End, Event, Port};

/// sweeper and the wakes of all pools come once a minute; what comes later was skipped.
const LATE: Duration = Duration::from_secs(timeouts::TICK.as_secs() + 15);

/// The seconds in which something went wrong.
#[derive(Debug, Default)]
pub(super) struct LastFault {
    faults: BTreeSet<i64>,
    swept: Option<Timestamp>,
}

/// True if a call met a fault: of the story's making, or of a model. A condition that failed, or a
/// 404, is an answer like any other.
fn is_fault(port: Port, handling: &CallOutcome) -> bool {
    match (handling, port) {
        (CallOutcome::Done, _) => false,
        (CallOutcome::Faulted(..), _)
        | (CallOutcome::Refused(_), Port::Ecs | Port::Queue | Port::Parameters | Port::Archive) => {
            true
        }
        (CallOutcome::Refused(words), Port::Github) => !["404", "409", "422"]
            .iter()
            .any(|status| words.starts_with(status)),
        (CallOutcome::Refused(words), Port::Table) => words != "conflict",
    }
}

impl LastFault {
    /// Something went wrong, or a person changed the world.
    pub(super) fn broken(&mut self, at: Timestamp) {
        self.faults.insert(at.seconds());
    }

    pub(super) fn saw(&mut self, at: Timestamp, event: &Event) {
        let fault = match event {
            Event::Called { call, handling, .. } => is_fault(call.port, handling),
            Event::Ended { end, .. } => !matches!(end, End::Returned(_)),
            Event::DeliveryAnswered { status, .. } => !(200..300).contains(status),
            Event::ContainerExited { code, .. } => *code != 0,
            // API Gateway answered in registrar's place: too much was asked at once, or registrar
            // failed.
            Event::Answered { ours: false, .. } | Event::TaskLeftOut { .. } => true,
            Event::RunnerRemoved { why, by, .. } => *by == "GitHub" && *why != "job_done",
            Event::Began { who: "sweeper", .. } => self
                .swept
                .replace(at)
                .is_some_and(|before| at.since(before) > LATE),
            _ => false,
        };
        if fault {
            self.broken(at);
        }
    }

    /// The last fault up to this time.
    pub(super) fn last(&self, before: Timestamp) -> Option<Timestamp> {
        self.faults
            .range(..=before.seconds())
            .next_back()
            .map(|seconds| Timestamp::from_millis(seconds * 1_000))
    }

    /// True if nothing went wrong between these times.
    pub(super) fn is_quiet(&self, from: Timestamp, to: Timestamp) -> bool {
        self.faults
            .range(from.seconds()..=to.seconds())
            .next()
            .is_none()
    }

    /// The longest time without a fault between these times.
    pub(super) fn longest(&self, from: Timestamp, to: Timestamp) -> Duration {
        if to <= from {
            return Duration::ZERO;
        }
        let mut longest = Duration::ZERO;
        let mut since = from;
        for fault in self.faults.range(from.seconds()..=to.seconds()) {
            let at = Timestamp::from_millis(fault * 1_000);
            longest = longest.max(at.since(since));
            since = since.max(at);
        }
        longest.max(to.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::PortCall;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
    }

    fn called(port: Port, handling: CallOutcome) -> Event {
        let call = PortCall {
            who: "sweeper",
            port,
            operation: "GetItem",
            about: String::new(),
            nth: 0,
        };
        Event::Called {
            call,
            invocation: None,
            handling,
        }
    }

    #[test]
    fn a_stretch_without_a_fault_ends_where_something_fails() {
        let mut quiet = LastFault::default();
        quiet.saw(
            at(100),
            &called(
                Port::Github,
                CallOutcome::Refused("502 Bad Gateway".to_owned()),
            ),
        );
        quiet.saw(
            at(150),
            &called(
                Port::Github,
                CallOutcome::Refused("404 Not Found".to_owned()),
            ),
        );
        quiet.saw(
            at(160),
            &called(Port::Table, CallOutcome::Refused("conflict".to_owned())),
        );
        assert_eq!(quiet.longest(at(0), at(300)), Duration::from_secs(200));
        assert_eq!(quiet.longest(at(120), at(300)), Duration::from_secs(180));
        assert!(quiet.is_quiet(at(101), at(300)) && !quiet.is_quiet(at(90), at(300)));
        assert_eq!(
            (quiet.last(at(99)), quiet.last(at(300))),
            (None, Some(at(100)))
        );
    }

    #[test]
    fn a_sweep_that_was_skipped_is_a_fault() {
        let mut quiet = LastFault::default();
        for second in [0, 60, 180, 240] {
            let about = String::new();
            quiet.saw(
                at(second),
                &Event::Began {
                    who: "sweeper",
                    invocation: second,
                    process: 1,
                    about,
                },
            );
        }
        assert_eq!(quiet.longest(at(0), at(240)), Duration::from_secs(180));
    }
}
