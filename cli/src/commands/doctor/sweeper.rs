//! Whether the safety net is there.

use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use super::finding::{Area, Finding};
use crate::commands::status::report::SweeperHealth;
use crate::terminal::text_format::counted;
use crate::terminal::time_format::age;

/// What follows. `function` is sweeper's name.
#[must_use]
pub fn judge(net: &SweeperHealth, function: &str, now: Timestamp) -> Vec<Finding> {
    let log = format!("sweeper should run every minute: see aws logs tail /aws/lambda/{function}");
    let mut findings = Vec::new();
    match net.deliveries_read_at {
        None => findings.push(Finding::warning(
            Area::Sweeper,
            "sweeper has not read GitHub's list of deliveries yet",
            format!("it does so within two minutes once there are an App and a pools file; {log}"),
        )),
        Some(at) if now.since(at.0) > timeouts::TICK * 5 => {
            let what = format!(
                "sweeper has not read GitHub's list of deliveries for {}: lost deliveries are not recovered",
                age(now, at.0)
            );
            findings.push(Finding::error(Area::Sweeper, what, log.clone()));
        }
        Some(at) => {
            findings.push(Finding::good(
                Area::Sweeper,
                format!(
                    "sweeper read GitHub's list of deliveries {} ago",
                    age(now, at.0)
                ),
            ));
        }
    }
    if let Some(since) = net.overdue_since {
        let what = format!(
            "{} of {} of follow-up work overdue, the oldest for {}",
            net.overdue,
            counted(net.follow_ups, "item"),
            age(now, since.0)
        );
        findings.push(Finding::warning(Area::Sweeper, what, log));
    }
    findings
}
