//! Calls and what they are billed as, by who made them.

use std::collections::BTreeMap;
use std::fmt;

/// DynamoDB's operations, as far as the ledger uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are AWS's own")]
pub enum Operation {
    GetItem,
    TransactGetItems,
    Query,
    PutItem,
    DeleteItem,
    TransactWriteItems,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Calls of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All, refused ones and failures included.
    pub calls: u64,
    /// Refused: an item was not as expected, or somebody was at it.
    pub conflicts: u64,
    /// Read units.
    pub read_units: u64,
    /// Write units.
    pub write_units: u64,
}

/// Calls by caller and operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(String, Operation), Count>);

impl Counts {
    pub(super) fn of_mut(&mut self, who: &str, operation: Operation) -> &mut Count {
        self.0.entry((who.to_owned(), operation)).or_default()
    }

    /// Every caller's operations.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Operation, Count)> {
        self.0.iter().map(|((who, operation), count)| (who.as_str(), *operation, *count))
    }

    /// How often an operation was called by anybody.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.iter().filter(|(_, which, _)| *which == operation).map(|(_, _, count)| count.calls).sum()
    }

    /// How often anybody was refused.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.iter().map(|(_, _, count)| count.conflicts).sum()
    }
}
