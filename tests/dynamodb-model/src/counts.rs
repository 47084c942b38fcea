//! Calls and what they are billed as, by who made them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mayfly_ledger::store::Write;

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

impl Operation {
    /// AWS's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::TransactGetItems => "TransactGetItems",
            Self::Query => "Query",
            Self::PutItem => "PutItem",
            Self::DeleteItem => "DeleteItem",
            Self::TransactWriteItems => "TransactWriteItems",
        }
    }

    /// Whether it may be refused because someone else was at an item.
    #[must_use]
    pub fn knows_conflicts(self) -> bool {
        !matches!(self, Self::GetItem | Self::Query)
    }

    /// What these writes are together: one needs no transaction.
    #[must_use]
    pub fn of(writes: &[Write]) -> Self {
        match writes {
            [Write::Put(..)] => Self::PutItem,
            [Write::Delete(..)] => Self::DeleteItem,
            _ => Self::TransactWriteItems,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All, refused ones and failures included.
    pub calls: u64,
    /// Refused: an item was not as expected, or someone was at it.
    pub conflicts: u64,
    /// Read units.
    pub read_units: u64,
    /// Write units.
    pub write_units: u64,
}

/// Calls by caller and operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    calls: BTreeMap<(Arc<str>, Operation), Count>,
    partitions: BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn of_mut(&mut self, who: &Arc<str>, operation: Operation) -> &mut Count {
        self.calls.entry((Arc::clone(who), operation)).or_default()
    }

    pub(super) fn read(&mut self, partition: &str, units: u64) {
        if let Some(known) = self.partitions.get_mut(partition) {
            *known += units;
        } else {
            self.partitions.insert(partition.to_owned(), units);
        }
    }

    /// Read units of one partition key. A partition has 3,000 a second, however much the table has.
    /// Source: DynamoDB developer guide, partition key design.
    #[must_use]
    pub fn read_of(&self, partition: &str) -> u64 {
        self.partitions.get(partition).copied().unwrap_or_default()
    }

    /// Every caller's operations.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Operation, Count)> {
        self.calls
            .iter()
            .map(|((who, operation), count)| (&**who, *operation, *count))
    }

    /// How often an operation was called by anyone.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.iter()
            .filter(|(_, which, _)| *which == operation)
            .map(|(_, _, count)| count.calls)
            .sum()
    }

    /// How often anyone was refused.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.iter().map(|(_, _, count)| count.conflicts).sum()
    }
}
