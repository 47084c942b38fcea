//! When something happens, and the draws it may use.

use jiff::Timestamp;

/// The time of a call and where its ids and dice come from.
///
/// The model owns neither a clock nor randomness: the server hands in the real ones, a simulation
/// hands in its own and gets the same story for the same seed.
pub struct Moment<'a> {
    /// Now, by the caller's clock. Must not go backwards from one call to the next.
    pub now: Timestamp,
    /// Uniform draws: ids are made of them, and chances are decided by them.
    pub draws: &'a mut dyn FnMut() -> u128,
}

impl Moment<'_> {
    /// The next draw.
    pub(crate) fn draw(&mut self) -> u128 {
        (self.draws)()
    }

    /// A number below `bound`; 0 for an empty range. The bias of the modulo is below 2^-100 here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u128::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.draw() % bound).unwrap_or(0)
    }

    /// A draw in the form of a UUID, as EventBridge and request ids have it.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = format!("{:032x}", self.draw());
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32),
        ]
        .join("-")
    }
}
