//! What can go wrong with the ledger: one variant per decision a caller can make.

/// The table did not answer, or not as it should. The write may or may not have happened.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {problem}")]
pub struct StoreError {
    /// DynamoDB's name of the operation.
    pub operation: &'static str,
    /// Code, message and request id, in this order, for the log.
    pub problem: String,
}

/// DynamoDB's codes for what no repetition changes. Source: Amazon DynamoDB developer guide, "Error
/// handling with DynamoDB".
const LASTING: [&str; 4] = [
    "AccessDeniedException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
    "ValidationException",
];

impl StoreError {
    /// DynamoDB's code; empty if no answer came.
    #[must_use]
    pub fn code(&self) -> &str {
        self.problem.split(' ').next().unwrap_or_default()
    }

    /// True unless DynamoDB's code says that the same request will be refused again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !LASTING.contains(&self.code())
    }
}

/// Why a transaction was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// An item was not as expected, or another transaction was at it at the same moment. Nothing
    /// was written.
    #[error("an item was changed by someone else")]
    Conflict,
    /// No answer, or none that tells: it may have been carried out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
    /// The store did not answer, or not as it should. The write may or may not have happened.
    #[error("the ledger's table does not answer")]
    Unavailable(#[source] StoreError),
    /// An item does not have the form that this version of Mayfly writes.
    #[error("item {key} does not have the expected form: {problem}")]
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
    /// True if it is.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// What it came to; none if someone else was there first.
    pub(crate) fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Conflict => None,
        }
    }

    /// The same with something else to show for it.
    pub(crate) fn map<U>(self, done: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Self::Done(value) => Attempt::Done(done(value)),
            Self::Conflict => Attempt::Conflict,
        }
    }
}
