//! Draws.

/// Draws from one seed.
pub(super) struct Chance(fastrand::Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed ^ 0x6d61_7966_6c79))
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.0.u64(..times.max(1)) == 0
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.0.u64(..100) < percent
    }

    /// A whole number, both ends included.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.u64(least..=most.max(least))
    }

    /// The same of a smaller kind.
    pub(super) fn count(&mut self, least: u32, most: u32) -> u32 {
        self.0.u32(least..=most.max(least))
    }

    /// Seconds with thousandths, so that few things happen at the very same time.
    pub(super) fn seconds(&mut self, least: u64, most: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of some hours")]
        let millis = self.between(least * 1000, most * 1000) as f64;
        millis / 1000.0
    }

    /// A share, 0 to 1.
    pub(super) fn share(&mut self) -> f64 {
        self.0.f64()
    }

    /// One of these.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())].clone()
    }

    /// Some of these, in their order: each with this many in a hundred.
    pub(super) fn some<T: Clone>(&mut self, from: &[T], percent: u64) -> Vec<T> {
        from.iter()
            .filter(|_| self.percent(percent))
            .cloned()
            .collect()
    }
}
