//! What the world outside gives, and no more: requests that the API lets in, invocations
//! that Lambda runs at a time, units of the table. All of it is limited by load: a story that asks
//! for less meets no limit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use mayfly_domain::model::time::Timestamp;

use mayfly_dynamodb_model::Throughput;
use mayfly_dynamodb_model::bucket::Bucket;

/// What is given at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Invocations of all functions at a time: 1,000 in an account, and the template reserves none.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
    pub invocations: usize,
    /// The rates and bursts of the template's routes are divided by this.
    pub narrower: u32,
    /// What a partition of the table gives.
    pub table: Throughput,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            invocations: 1_000,
            narrower: 1,
            table: Throughput::default(),
        }
    }
}

/// The limits of a route: requests a second, and burst. API Gateway counts with a token bucket.
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>.
type Limit = (f64, f64);

/// The template's routes.
static ROUTES: LazyLock<BTreeMap<&'static str, Limit>> = LazyLock::new(|| {
    ["/webhook", "/registration", "/admission", "/usage"]
        .into_iter()
        .filter_map(|route| Some((route, of_route(route)?)))
        .collect()
});

/// The template's limit of a route.
fn of_route(route: &str) -> Option<Limit> {
    let template = include_str!("../../../../infra/template.yaml");
    let line = template.lines().find(|line| {
        line.trim_start()
            .starts_with(&format!("POST {route}: {{ Throttling"))
    })?;
    let number = |name: &str| {
        line.split(name)
            .nth(1)?
            .trim_start_matches(": ")
            .split([',', ' '])
            .next()?
            .parse()
            .ok()
    };
    Some((
        number("ThrottlingRateLimit")?,
        number("ThrottlingBurstLimit")?,
    ))
}

/// How much of it is in use.
#[derive(Debug, Default)]
pub(super) struct InUse {
    pub(super) capacity: Capacity,
    routes: BTreeMap<&'static str, Bucket>,
    running: Arc<AtomicUsize>,
    /// Requests and invocations that were turned away.
    pub(super) turned_away: BTreeMap<&'static str, u64>,
}

/// An invocation that Lambda runs.
pub(super) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InUse {
    /// Whether API Gateway lets a request through to a route.
    pub(super) fn lets_in(&mut self, route: &'static str, now: Timestamp) -> bool {
        let Some((rate, burst)) = ROUTES.get(route) else {
            return true;
        };
        let narrower = f64::from(self.capacity.narrower.max(1));
        let (rate, burst) = (rate / narrower, (burst / narrower).max(1.0));
        let bucket = self
            .routes
            .entry(route)
            .or_insert_with(|| Bucket::full(burst, now));
        let may = bucket.lets_in(rate, burst, now);
        if may {
            bucket.spend(1.0);
        } else {
            *self.turned_away.entry(route).or_default() += 1;
        }
        may
    }

    /// Room for one more invocation of a function, if there is.
    pub(super) fn run(&mut self, who: &'static str) -> Option<Running> {
        if self.running.load(Ordering::Relaxed) >= self.capacity.invocations {
            *self.turned_away.entry(who).or_default() += 1;
            return None;
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        Some(Running(Arc::clone(&self.running)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_the_templates_limit() {
        let routes: Vec<_> = ROUTES
            .iter()
            .map(|(route, limit)| (*route, *limit))
            .collect();
        assert_eq!(
            routes,
            [
                ("/admission", (100.0, 400.0)),
                ("/registration", (400.0, 800.0)),
                ("/usage", (20.0, 50.0)),
                ("/webhook", (200.0, 500.0))
            ]
        );
    }

    #[test]
    fn a_route_turns_away_what_is_above_its_burst_and_lambda_what_is_above_its_limit() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let mut in_use = InUse::default();
        assert_eq!(
            (0..600).filter(|_| in_use.lets_in("/webhook", now)).count(),
            500
        );
        in_use.capacity.invocations = 2;
        let running = (in_use.run("webhook"), in_use.run("scaler"));
        assert!(running.1.is_some() && in_use.run("sweeper").is_none());
        drop(running);
        assert!(in_use.run("sweeper").is_some());
        assert_eq!(
            (
                in_use.turned_away["/webhook"],
                in_use.turned_away["sweeper"]
            ),
            (100, 1)
        );
    }
}
