//! Everything GitHub may do to its users, as switches. All off at first.
//!
//! A share is 0 to 1: the part of all cases that it strikes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The switches in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// What happens to deliveries.
    pub deliveries: DeliveryFaults,
    /// What happens to calls of the REST API.
    pub api: ApiFaults,
    /// Repositories (`owner/name`) or organizations whose runners GitHub refuses for good.
    pub refused: BTreeMap<String, Refusal>,
    /// Share of assignments in which the newest job is preferred to the oldest: the runner that was
    /// made for one job goes to another.
    pub stolen: f64,
    /// Share of runners that GitHub takes for too old when they connect: they listen, and never get
    /// a job (enforced since September 2026).
    pub too_old: f64,
    /// How often GitHub has changed the form of its cursors: those of before name nothing any more.
    pub cursor_form: u32,
    /// Seconds after which an online runner without a job is removed by GitHub (seen since
    /// September 2026: actions/runner#4726). 0 is never.
    pub forgets_idle_after: f64,
}

/// What happens to deliveries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryFaults {
    /// GitHub never makes it: it is in no list and cannot be asked for again.
    pub never_made: f64,
    /// It does not arrive; the list shows a failure.
    pub lost: f64,
    /// It arrives, but GitHub counts the answer as a 502.
    pub answered_5xx: f64,
    /// It arrives more than once, under the same GUID.
    pub repeated: f64,
    /// How often a repeated one arrives.
    pub times: u32,
    /// It is held back for a random time, up to `window`.
    pub reordered: f64,
    /// Seconds within which a reordered one arrives.
    pub window: f64,
    /// It is held back by `late_by`.
    pub late: f64,
    /// Seconds by which a late one is late.
    pub late_by: f64,
    /// Only these actions; empty is all.
    pub actions: Vec<String>,
    /// Only these repositories (`owner/name`); empty is all.
    pub repositories: Vec<String>,
}

impl Default for DeliveryFaults {
    fn default() -> Self {
        Self {
            never_made: 0.0,
            lost: 0.0,
            answered_5xx: 0.0,
            repeated: 0.0,
            times: 3,
            reordered: 0.0,
            window: 3.0,
            late: 0.0,
            late_by: 5.0,
            actions: Vec::new(),
            repositories: Vec::new(),
        }
    }
}

/// What happens to calls of the REST API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiFaults {
    /// Answered 500, 502 or 503 and not carried out.
    pub server_error: f64,
    /// Carried out, but the answer is a 502: the caller cannot know.
    pub answer_lost: f64,
    /// The hour's requests are used up: `limited_with`, `x-ratelimit-remaining: 0`.
    pub primary_limit: f64,
    /// Seconds until the hour is over.
    pub primary_reset: i64,
    /// The secondary limit: `limited_with`, and `retry-after`.
    pub secondary_limit: f64,
    /// Seconds in `retry-after`.
    pub retry_after: u32,
    /// The status of both limits: 403 or 429, as GitHub pleases.
    pub limited_with: u16,
    /// Share of answers that take `slow_by`.
    pub slow: f64,
    /// Seconds that a slow one takes.
    pub slow_by: f64,
    /// Share of job and run look-ups that show what was true a moment before the last change
    /// (terraform-aws-github-runner#2459: a job queued just now is not shown as queued).
    pub stale: f64,
    /// Only these operations, by the names of GitHub's OpenAPI description; empty is all.
    pub operations: Vec<String>,
    /// How many calls are struck before the faults end by themselves; none is no end.
    pub budget: Option<u32>,
}

impl Default for ApiFaults {
    fn default() -> Self {
        Self {
            server_error: 0.0,
            answer_lost: 0.0,
            primary_limit: 0.0,
            primary_reset: 60,
            secondary_limit: 0.0,
            retry_after: 2,
            limited_with: 403,
            slow: 0.0,
            slow_by: 5.0,
            stale: 0.0,
            operations: Vec::new(),
            budget: None,
        }
    }
}

/// A refusal that no repetition heals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// 403, 404 or 422.
    pub status: u16,
    /// GitHub's words; the usual ones for the status if absent.
    #[serde(default)]
    pub message: Option<String>,
}

impl Refusal {
    /// What the caller reads.
    #[must_use]
    pub fn words(&self) -> &str {
        match (&self.message, self.status) {
            (Some(message), _) => message,
            (None, 403) => "Repository level self-hosted runners are disabled on this repository.",
            (None, 404) => "Not Found",
            (None, _) => "Runner group has reached its max limit of 10000 runners.",
        }
    }
}

impl ApiFaults {
    /// Whether this operation is one of those struck.
    #[must_use]
    pub fn concerns(&self, operation: &str) -> bool {
        self.budget != Some(0)
            && (self.operations.is_empty() || self.operations.iter().any(|name| name == operation))
    }

    /// One call was struck.
    pub fn spend(&mut self) {
        self.budget = self.budget.map(|left| left.saturating_sub(1));
    }
}

impl DeliveryFaults {
    /// Whether a delivery of this action for this repository is one of those struck.
    #[must_use]
    pub fn concerns(&self, action: Option<&str>, repository: &str) -> bool {
        (self.actions.is_empty()
            || action.is_some_and(|action| self.actions.iter().any(|name| name == action)))
            && (self.repositories.is_empty()
                || self
                    .repositories
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(repository)))
    }
}
