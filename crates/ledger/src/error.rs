//! What can go wrong with the ledger: one variant per decision a caller can make.

use crate::store::{CommitError, StoreError};

/// Why the ledger could not answer or be changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Others changed the same items again and again. Nothing was written; the same call may work
    /// in a moment.
    #[error("others changed the same items {tries} times in a row: {what}")]
    Busy {
        /// How often it was tried.
        tries: u32,
        /// What was to be done.
        what: &'static str,
    },
    /// The store did not answer, or not as it should. What was to be written may or may not have
    /// been.
    #[error("the ledger's table does not answer")]
    Unavailable(#[source] StoreError),
    /// An item does not have the form that this version of Mayfly writes.
    #[error("item {key} is not what it should be: {problem}")]
    Corrupt {
        /// The item's key.
        key: String,
        /// What serde says.
        problem: String,
    },
}

impl LedgerError {
    /// True if it passes by itself: the same call may work in a moment. What does not needs a
    /// person.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Unavailable(error) => error.is_transient(),
            Self::Corrupt { .. } => false,
        }
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// How one try of a change ended.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// Done, or found that nothing is to be done.
    Done(T),
    /// Someone else was there first: read again.
    Conflict,
}

impl<T> Attempt<T> {
    /// The same with something else to show for it.
    pub(crate) fn map<U>(self, done: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Self::Done(value) => Attempt::Done(done(value)),
            Self::Conflict => Attempt::Conflict,
        }
    }
}

/// Tells a lost race from a failure.
pub(crate) fn or_conflict<T>(
    result: Result<(), CommitError>,
    done: T,
) -> Result<Attempt<T>, LedgerError> {
    match result {
        Ok(()) => Ok(Attempt::Done(done)),
        Err(CommitError::Conflict) => Ok(Attempt::Conflict),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}
