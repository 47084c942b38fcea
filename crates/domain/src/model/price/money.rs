//! Money.

use serde::{Deserialize, Serialize};

/// Money, in billionths of a US dollar: AWS's hourly prices are whole numbers of them, and a task of
/// a second costs some thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoDollars(pub u64);
