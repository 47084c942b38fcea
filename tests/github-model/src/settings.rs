//! GitHub's own times and limits. Tests may shorten them; nothing here is a fault.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Times in seconds (fractions allowed) and limits of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long GitHub takes to offer a queued job to a runner.
    pub assign_after: f64,
    /// A job that its runner does not begin within this time is queued again: 60 s
    /// (GitHub docs, self-hosted runners, "routing precedence").
    pub pickup: f64,
    /// A runner that is silent for this long is offline, and the job it runs has failed. GitHub
    /// gives a busy one about 10 minutes; the local stack has less patience.
    pub lost_after: f64,
    /// A queued job is cancelled after 24 h (GitHub docs, Actions limits).
    pub queue_limit: f64,
    /// A cancelled job whose runner does not end it is ended by GitHub after 5 minutes.
    pub cancel_grace: f64,
    /// An ephemeral runner that is offline this long is removed: 1 day (GitHub docs, communicating
    /// with runners).
    pub offline_limit: f64,
    /// Lists of runners may be this old: 60 s (seen by actions-runner-controller).
    pub list_cache: f64,
    /// Lifetime of an installation token: 1 h (GitHub docs, installation access tokens).
    pub token_life: f64,
    /// Deliveries older than 3 days cannot be sent again (GitHub docs, redelivering webhooks).
    pub redelivery_limit: f64,
    /// An attempt at a delivery gets into the list up to so many seconds after its end, under the
    /// time of its end.
    pub listed_late: f64,
    /// How long the code of a manifest is good: 1 h (GitHub docs, registering a GitHub App from a
    /// manifest).
    pub manifest_code_life: f64,
    /// Requests an installation may make in an hour: at least 5,000 (GitHub docs, REST rate
    /// limits).
    pub primary_per_hour: u32,
    /// Points an installation may spend in a minute, 1 for a GET, 5 for anything else: 900 (GitHub
    /// docs, secondary rate limits).
    pub points_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            assign_after: 0.0,
            pickup: 60.0,
            lost_after: 15.0,
            queue_limit: 86_400.0,
            cancel_grace: 300.0,
            offline_limit: 86_400.0,
            list_cache: 60.0,
            token_life: 3_600.0,
            redelivery_limit: 259_200.0,
            listed_late: 0.0,
            manifest_code_life: 3_600.0,
            primary_per_hour: 5_000,
            points_per_minute: 900,
        }
    }
}

/// Seconds as a duration; what is not a positive number is no time at all.
#[must_use]
pub fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::ZERO)
}

/// The moment `value` seconds after `start`.
#[must_use]
pub fn after(start: Timestamp, value: f64) -> Timestamp {
    start.checked_add(seconds(value)).unwrap_or(Timestamp::MAX)
}
