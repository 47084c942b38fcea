//! Chance that can be repeated: everything random in the model comes from one seed.

use std::fmt::Write as _;

/// A source of randomness that gives the same sequence for the same seed.
#[derive(Debug, Clone)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Whether something happens that happens in `share` (0 to 1) of all cases. A share of 0 draws
    /// nothing, so that a fault that is off does not change what the others do.
    pub fn hits(&mut self, share: f64) -> bool {
        share > 0.0 && self.0.f64() < share
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.usize(..end) }
    }

    /// A share, 0 to 1.
    pub fn share(&mut self) -> f64 {
        self.0.f64()
    }

    /// Random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Random bytes as lower-case hex: `length` of them, twice as many characters.
    pub fn hex(&mut self, length: usize) -> String {
        self.bytes(length)
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// A delivery's GUID, in the form GitHub writes it.
    pub fn guid(&mut self) -> String {
        let hex = self.hex(16);
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}
