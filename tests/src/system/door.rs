//! API Gateway's throttle: a bucket of requests that fills at a rate.

use mayfly_domain::time::Timestamp;

/// How many requests a route lets in: a token bucket, and 429 beyond it. Source: API Gateway developer guide, "Throttle requests to your HTTP APIs for better
/// performance in API Gateway".
#[derive(Debug)]
pub struct Door {
    rate: u32,
    burst: u32,
    /// Thousandths of a request that may come now, and since when that holds.
    milli: u64,
    at: Timestamp,
    /// How many were refused.
    pub refused: u64,
}

impl Door {
    /// So many a second, and a burst.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Timestamp) -> Self {
        Self { rate, burst, milli: u64::from(burst) * 1_000, at: now, refused: 0 }
    }

    /// True if a request may come in now.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.at = now;
        self.milli = self.milli.saturating_add(passed.saturating_mul(u64::from(self.rate))).min(u64::from(self.burst) * 1_000);
        let admits = self.milli >= 1_000;
        if admits {
            self.milli -= 1_000;
        } else {
            self.refused += 1;
        }
        admits
    }
}
