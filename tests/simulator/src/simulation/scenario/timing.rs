//! How long GitHub, clocks and containers take: nothing of it is a fault.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How long things take that take no time unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Seconds that GitHub takes to give a job to a runner that is ready: seconds usually, some 20
    /// when it is busy.
    #[serde(skip_serializing_if = "is_none")]
    pub assign_after: f64,
    /// Seconds until GitHub gives up a runner that says nothing any more; some 10 minutes really,
    /// 15 s unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_after: Option<f64>,
    /// Milliseconds by which functions' clocks differ from the world's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clocks: BTreeMap<String, i64>,
    /// After an answer that says no time, containers wait for as long as the entry script does, 1
    /// to 60 s, and not 3 s.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Seconds after its end at which GitHub may list an attempt at a delivery first: the list is
    /// in disorder for as long.
    #[serde(skip_serializing_if = "is_none")]
    pub listed_late: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_none(seconds: &f64) -> bool {
    *seconds == 0.0
}

impl Timing {
    /// True if nothing is said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
