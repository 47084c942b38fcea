//! The outcome of one attempt at a follow-up.

use std::time::Duration;

/// The outcome of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkOutcome {
    /// It is done, or no longer needed.
    Done,
    /// To be tried again after this time, twice as long after each try.
    Again(Duration),
    /// To be tried again after exactly this time: it got somewhere.
    After(Duration),
    /// No pool takes the job by this version of the pools file either.
    Still(u64),
}
