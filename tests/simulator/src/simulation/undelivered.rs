//! Events that GitHub could not deliver, and that no one has had delivered since.

use std::collections::BTreeMap;

use mayfly_domain::model::time::Timestamp;

use crate::system::System;
use mayfly_github_model::deliveries::{Delivery, Stage};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undelivered {
    pub(super) guid: String,
    /// The job that it is about.
    pub(super) job: String,
    /// When the first attempt failed; none while it is under way.
    pub(super) failed_at: Option<Timestamp>,
    pub(super) words: String,
}

/// All attempts at one event.
struct Attempts<'a> {
    first: &'a Delivery,
    succeeded: bool,
    failed: usize,
}

/// Events about jobs of which no attempt succeeded so far, though GitHub would still make another.
pub(super) fn undelivered(system: &System) -> Vec<Undelivered> {
    system
        .world
        .see_github(|github, now| among(github.deliveries(), github.settings.redelivery_limit, now))
}

/// The same among these attempts, the oldest first; GitHub makes another one for so many seconds.
fn among<'a>(
    attempts: impl Iterator<Item = &'a Delivery>,
    kept: f64,
    now: jiff::Timestamp,
) -> Vec<Undelivered> {
    let mut events: BTreeMap<&str, Attempts<'_>> = BTreeMap::new();
    for attempt in attempts.filter(|attempt| !attempt.forged && attempt.event == "workflow_job") {
        let of_event = events.entry(&attempt.guid).or_insert(Attempts {
            first: attempt,
            succeeded: false,
            failed: 0,
        });
        if let Stage::Over(outcome) = &attempt.stage {
            of_event.succeeded |= outcome.is_success();
            of_event.failed += usize::from(!outcome.is_success());
        }
    }
    let in_time = |first: &Delivery| match &first.stage {
        Stage::Over(outcome) => now.duration_since(outcome.at).as_secs_f64() < kept,
        Stage::Due(_) | Stage::Sent => true,
    };
    let missing = events
        .into_iter()
        .filter(|(_, event)| !event.succeeded && in_time(event.first));
    let told = missing.map(|(guid, Attempts { first, failed, .. })| {
        let job = first.job.map(|job| job.to_string()).unwrap_or_default();
        let action = first.action.as_deref().unwrap_or_default();
        let words =
            format!("{action} of job {job} was not delivered: {failed} attempts at {guid} failed");
        let failed_at = match &first.stage {
            Stage::Over(outcome) => Some(Timestamp::from_millis(outcome.at.as_millisecond())),
            Stage::Due(_) | Stage::Sent => None,
        };
        Undelivered {
            guid: guid.to_owned(),
            job,
            failed_at,
            words,
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_github_model::deliveries::{Handling, Outcome, Signing};
    use mayfly_github_model::id::{DeliveryId, JobId};

    const KEPT: f64 = 259_200.0;

    fn at(seconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_795_356_000 + seconds).unwrap()
    }

    fn attempt(guid: &str, code: u16, forged: bool) -> Delivery {
        Delivery {
            id: DeliveryId(1),
            guid: guid.to_owned(),
            event: "workflow_job".to_owned(),
            action: Some("queued".to_owned()),
            installation: None,
            repository: None,
            job: Some(JobId(7)),
            redelivery: false,
            payload: String::new(),
            forged,
            signing: Signing::Valid,
            headers: BTreeMap::new(),
            handling: Handling::Send,
            stage: Stage::Over(Outcome::answered(at(0), code)),
            sent: BTreeMap::new(),
        }
    }

    fn guids(attempts: &[Delivery], seconds: i64) -> Vec<String> {
        among(attempts.iter(), KEPT, at(seconds))
            .into_iter()
            .map(|event| event.guid)
            .collect()
    }

    #[test]
    fn an_event_is_missing_until_one_attempt_succeeded() {
        let mut attempts = vec![
            attempt("lost", 503, false),
            attempt("mended", 503, false),
            attempt("forged", 401, true),
        ];
        assert_eq!(guids(&attempts, 60), ["lost", "mended"]);
        attempts.push(attempt("mended", 202, false));
        assert_eq!(guids(&attempts, 60), ["lost"]);
        attempts.push(Delivery {
            stage: Stage::Due(at(90)),
            ..attempt("coming", 0, false)
        });
        assert_eq!(guids(&attempts, 60), ["coming", "lost"]);
    }

    #[test]
    fn an_event_that_is_on_its_way_for_the_first_time_has_not_failed() {
        let coming = Delivery {
            stage: Stage::Due(at(90)),
            ..attempt("coming", 0, false)
        };
        let attempts = [attempt("lost", 503, false), coming];
        let failed: Vec<bool> = among(attempts.iter(), KEPT, at(60))
            .iter()
            .map(|event| event.failed_at.is_some())
            .collect();
        assert_eq!(failed, [false, true]);
    }

    #[test]
    fn what_github_delivers_no_more_is_left_out() {
        assert!(guids(&[attempt("old", 503, false)], 3 * 24 * 3_600).is_empty());
    }
}
