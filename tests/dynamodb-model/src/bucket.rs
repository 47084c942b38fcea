//! A token bucket: what services limit rates by.

use mayfly_domain::model::time::Timestamp;

/// So much a second, and no more saved up than a burst.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(burst: f64, now: Timestamp) -> Self {
        Self {
            left: burst,
            at: now,
        }
    }

    /// Whether there is something left. What a request costs is known only after it was let in, so
    /// the last one may take more than is there.
    pub fn lets_in(&mut self, rate: f64, burst: f64, now: Timestamp) -> bool {
        self.left = (self.left + rate * now.since(self.at).as_secs_f64()).min(burst);
        self.at = now;
        self.left >= 1.0
    }

    /// That much was used.
    pub fn spend(&mut self, amount: f64) {
        self.left -= amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_let_in_and_then_as_much_as_the_rate_gives() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let mut bucket = Bucket::full(3.0, now);
        let mut let_in = |at: Timestamp| {
            let may = bucket.lets_in(2.0, 3.0, at);
            if may {
                bucket.spend(1.0);
            }
            may
        };
        assert_eq!(
            [0; 5].map(|_| let_in(now)),
            [true, true, true, false, false]
        );
        let later = now.plus(Duration::from_secs(1));
        assert_eq!([0; 3].map(|_| let_in(later)), [true, true, false]);
        let much_later = now.plus(Duration::from_secs(1_000));
        assert_eq!(
            [0; 4].map(|_| let_in(much_later)),
            [true, true, true, false]
        );
    }

    #[test]
    fn what_costs_more_than_is_left_is_paid_off_before_anything_else_is_let_in() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let mut bucket = Bucket::full(100.0, now);
        assert!(bucket.lets_in(100.0, 100.0, now));
        bucket.spend(350.0);
        assert!(!bucket.lets_in(100.0, 100.0, now.plus(Duration::from_secs(2))));
        assert!(bucket.lets_in(100.0, 100.0, now.plus(Duration::from_secs(3))));
    }
}
