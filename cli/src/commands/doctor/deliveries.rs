//! The results of GitHub's newest deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_github::DeliveryAttempt;

use super::finding::{Area, Finding};
use crate::terminal::text_format::counted;
use crate::terminal::time_format::age;

/// Failures are shown for this long.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why deliveries were not taken, by what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Silence,
    Signature,
    Absent,
    Format,
    Busy,
    Fails,
    Other(u16),
}

impl Cause {
    fn of(status: u16) -> Self {
        match status {
            0 => Self::Silence,
            401 => Self::Signature,
            403 | 404 | 405 | 410 => Self::Absent,
            400 | 413 | 415 => Self::Format,
            429 => Self::Busy,
            500..600 => Self::Fails,
            other => Self::Other(other),
        }
    }

    /// What happened, and what to do about it.
    fn in_words(self, function: &str) -> (String, String) {
        let (what, fix) = match self {
            Self::Silence => {
                ("got no answer", "did the endpoint's address change, or was webhook too slow (10 s)? See the webhook check above".to_owned())
            }
            Self::Signature => (
                "failed the signature check (401)",
                "GitHub signs with a secret other than the stored one: mayfly rotate webhook-secret replaces both".to_owned(),
            ),
            Self::Absent => (
                "found no webhook at that address (403, 404)",
                "is that the deployment's address? See the webhook check above; mayfly doctor --fix".to_owned(),
            ),
            Self::Format => (
                "had a body that webhook does not accept (400, 413, 415)",
                format!("is mayfly's webhook older than what GitHub sends? See aws logs tail /aws/lambda/{function}"),
            ),
            Self::Busy => {
                ("exceeded the rate limit (429)", "who else calls? The limits are in infra/template.yaml (RouteSettings)".to_owned())
            }
            Self::Fails => ("failed in webhook (5xx)", format!("see why: aws logs tail /aws/lambda/{function}")),
            Self::Other(_) => {
                ("got an answer that webhook never gives", "is that the deployment's address? See the webhook check above".to_owned())
            }
        };
        let what = if let Self::Other(status) = self {
            format!("{what} ({status})")
        } else {
            what.to_owned()
        };
        (what, fix)
    }
}

/// What follows. `deliveries` are attempts, in any order; `function` is webhook's name.
#[must_use]
pub fn judge(deliveries: &[DeliveryAttempt], function: &str, now: Timestamp) -> Vec<Finding> {
    let Some(last) = deliveries
        .iter()
        .max_by_key(|one| (one.delivered_at, one.id))
    else {
        let fix = "jobs of repositories where the App is installed are delivered within seconds: run one; is the App installed, and its webhook active?";
        return vec![Finding::warning(
            Area::Deliveries,
            "GitHub's list of deliveries is empty: it has delivered nothing for days",
            fix,
        )];
    };
    let arrived: BTreeSet<&str> = deliveries
        .iter()
        .filter(|one| one.succeeded())
        .map(|one| one.guid.as_str())
        .collect();
    // The newest attempt of each event that never arrived.
    let mut lost: BTreeMap<&str, &DeliveryAttempt> = BTreeMap::new();
    let failed = deliveries
        .iter()
        .filter(|one| !one.succeeded() && !arrived.contains(one.guid.as_str()));
    for one in failed.filter(|one| now.since(one.delivered_at) < LATELY) {
        let known = lost.entry(one.guid.as_str()).or_insert(one);
        if (one.delivered_at, one.id) > (known.delivered_at, known.id) {
            *known = one;
        }
    }
    // The failure of the last one is reported with the others of its cause.
    let mut findings: Vec<Finding> = (!lost.contains_key(last.guid.as_str()))
        .then(|| latest(last, now))
        .into_iter()
        .collect();
    let mut causes: BTreeMap<Cause, Vec<&DeliveryAttempt>> = BTreeMap::new();
    for one in lost.into_values() {
        causes
            .entry(Cause::of(one.status_code))
            .or_default()
            .push(one);
    }
    for (cause, of) in causes {
        let (what, fix) = cause.in_words(function);
        let newest = of.iter().map(|one| one.delivered_at).max().unwrap_or(now);
        let deliveries_of = if of.len() == 1 {
            "1 delivery".to_owned()
        } else {
            format!("{} deliveries", of.len())
        };
        let what = format!(
            "{deliveries_of} {what}, the last one {} ago",
            age(now, newest)
        );
        // What failed before others arrived may have been mended: sweeper asks for it again, for
        // three days.
        findings.push(if !last.succeeded() && Cause::of(last.status_code) == cause {
            Finding::error(Area::Deliveries, what, fix)
        } else {
            let since = deliveries.iter().any(|one| one.succeeded() && one.delivered_at > newest);
            let before = if since {
                "since then others have arrived, and sweeper requests these again; if it happens again:"
            } else {
                "sweeper requests these again;"
            };
            Finding::warning(Area::Deliveries, what, format!("{before} {fix}"))
        });
    }
    let recovered = deliveries
        .iter()
        .filter(|one| !one.succeeded() && arrived.contains(one.guid.as_str()));
    let recovered: BTreeSet<&str> = recovered.map(|one| one.guid.as_str()).collect();
    if !recovered.is_empty() {
        let what = format!(
            "{} that first failed arrived later",
            counted(recovered.len(), "event")
        );
        findings.push(Finding::good(Area::Deliveries, what));
    }
    findings
}

fn latest(last: &DeliveryAttempt, now: Timestamp) -> Finding {
    let action = last
        .action
        .as_ref()
        .map(|action| format!(" {action}"))
        .unwrap_or_default();
    let what = format!(
        "the last delivery ({}{action}) {} ago",
        last.event,
        age(now, last.delivered_at)
    );
    if last.succeeded() {
        return Finding::good(Area::Deliveries, format!("{what} arrived"));
    }
    let answer = if last.status_code == 0 {
        "got no answer".to_owned()
    } else {
        format!("was answered {}", last.status_code)
    };
    Finding::error(
        Area::Deliveries,
        format!("{what} {answer}"),
        "see the webhook check above; sweeper finds jobs that GitHub does not deliver, minutes later",
    )
}
