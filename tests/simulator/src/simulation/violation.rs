//! What a seed did wrong.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Which promise of docs/RELIABILITY.md was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(
    missing_docs,
    reason = "the numbers of docs/RELIABILITY.md; see `invariants`"
)]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
    /// A function panicked.
    Panic,
    /// The same seed told two stories.
    Determinism,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// When, since the story began.
    pub at: Duration,
    /// Ids of jobs, runners, tasks: what the trace is filtered by.
    pub about: Vec<String>,
    /// What, in one sentence.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}: {}",
            self.invariant,
            clock(self.at),
            self.words
        )
    }
}

/// A time since the beginning, for people.
pub(super) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        at.subsec_millis()
    )
}
