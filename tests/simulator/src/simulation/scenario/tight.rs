//! Capacity that is short, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Scenario};
use crate::system::Capacity;
use mayfly_dynamodb_model::Throughput;

/// Deliveries at once that API Gateway lets in (`infra/template.yaml`).
const BURST: usize = 500;

/// Deliveries of so many seconds count as deliveries at once. What GitHub sends of a job after the
/// first one is not counted, and so this is long.
const AT_ONCE: f64 = 10.0;

/// What the world gives, where it is less than it really does: so small stories meet what large
/// ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tight {
    /// Invocations of all functions at a time. A new account may have no more than 10.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
    pub invocations: usize,
    /// The rates and bursts of the API's routes are divided by this.
    pub narrower: u32,
    /// Read units that a partition gives a second.
    pub reads: u32,
    /// Write units.
    pub writes: u32,
    /// Points that GitHub gives an installation a minute.
    pub points: u32,
    /// Requests that it gives it an hour.
    pub requests: u32,
}

impl Tight {
    /// As the system takes it.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let table = Throughput {
            reads: self.reads,
            writes: self.writes,
        };
        Capacity {
            invocations: self.invocations,
            narrower: self.narrower,
            table,
        }
    }
}

/// GitHub counts an installation's requests by the hour, and gives none until the next one once
/// they are used up. Source:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const HOUR: Duration = Duration::from_secs(3_600);

impl Scenario {
    /// For how long GitHub may answer nothing because its requests of the hour are used up.
    #[must_use]
    pub fn waits_for_github(&self) -> Duration {
        if self.tight.is_some() {
            HOUR
        } else {
            Duration::ZERO
        }
    }

    /// True if load alone may make something fail: capacity is short, or more comes at once than
    /// the API lets in.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        let news: Vec<(f64, usize)> = self
            .acts
            .iter()
            .filter_map(|act| match &act.action {
                Action::Queue(batch) => {
                    Some((act.at, usize::try_from(batch.count).unwrap_or(usize::MAX)))
                }
                Action::Cancel { .. } => Some((act.at, 1)),
                _ => None,
            })
            .collect();
        let within = |from: f64| {
            news.iter()
                .filter(move |(at, _)| (from..from + AT_ONCE).contains(at))
                .map(|(_, count)| count)
                .sum::<usize>()
        };
        self.tight.is_some() || news.iter().any(|(from, _)| within(*from) > BURST)
    }
}
