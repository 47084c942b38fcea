//! The one clock: tokio's, which tests pause.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use tokio::time::Instant;

/// When every story begins: 2026-11-22T14:00:00Z.
pub(super) const START: Timestamp = Timestamp::from_millis(1_795_356_000_000);

/// Tells the time that has passed in the runtime since the story began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// The story begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// How long the story has gone on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What time it is, as the functions have it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        START.plus(self.elapsed())
    }

    /// What time it is, as the models have it.
    #[must_use]
    pub fn model_time(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.now().millis()).unwrap_or_default()
    }

    /// For those who want a function.
    #[must_use]
    pub fn boxed(self) -> Box<dyn Fn() -> Timestamp + Send + Sync> {
        Box::new(move || self.now())
    }
}
