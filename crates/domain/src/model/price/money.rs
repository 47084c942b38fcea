//! Money.

use serde::{Deserialize, Serialize};

/// Money, in billionths of a US dollar: AWS's hourly prices are whole numbers of them, and a task of
/// a second costs some thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoDollars(pub u64);

impl NanoDollars {
    /// Dollars. Four billion at most, to the precision of a double.
    #[must_use]
    pub fn dollars(self) -> f64 {
        let parts = [self.0 / 1_000_000_000, self.0 % 1_000_000_000];
        let [dollars, rest] = parts.map(|part| f64::from(u32::try_from(part).unwrap_or(u32::MAX)));
        dollars + rest / 1e9
    }
}
