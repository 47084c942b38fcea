//! The port to the table: the few things that the ledger needs of DynamoDB, with DynamoDB's
//! promises and no more.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat as Format};
use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_domain::model::time::Timestamp;
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::key::Key;

pub use crate::error::{CommitError, StoreError};

/// An item's attributes, `pk` and `sk` included when it was read.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute that counts an item's writes.
pub const REV: &str = "rev";

/// What an item has to be for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything, or absent: another item of the same transaction guards it.
    Any,
    /// Absent.
    Absent,
    /// Written so many times: exactly as it was read.
    Rev(u64),
}

/// One action of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Writes the whole item.
    Put(Key, Item, Expect),
    /// Removes the item; fine if there is none and [`Expect::Any`] is said.
    Delete(Key, Expect),
}

impl Write {
    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(key, ..) | Self::Delete(key, _) => key,
        }
    }

    /// What it expects.
    #[must_use]
    pub fn expect(&self) -> Expect {
        match self {
            Self::Put(_, _, expect) | Self::Delete(_, expect) => *expect,
        }
    }
}

/// Reads a value out of an item.
///
/// # Errors
///
/// [`LedgerError::Corrupt`] if the item has another form.
pub fn read<T: DeserializeOwned>(key: &Key, item: Item) -> Result<T, LedgerError> {
    serde_dynamo::from_item(item).map_err(|error| LedgerError::Corrupt {
        key: key.to_string(),
        problem: error.to_string(),
    })
}

/// One page of a partition.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The items, in the order of their sort keys.
    pub items: Vec<(Key, Item)>,
    /// The sort key to go on after; none at the end.
    pub next: Option<String>,
}

/// The table.
#[async_trait]
pub trait Store: Send + Sync {
    /// One item, strongly consistent.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// Several items as of one moment (`TransactGetItems`, at most 100), in the order asked. A
    /// transaction under way on one of them is a conflict.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError>;

    /// Items of a partition whose sort key begins with `prefix`, after the sort key `after`, at
    /// most `limit`. Strongly consistent item by item, but no snapshot: of a transaction that is
    /// being carried out it may show a part.
    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError>;

    /// Carries out all writes or none (at most 100, each of another item).
    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError>;

    /// Waits a moment, different each time, before the `attempt`-th repetition of a change that met
    /// a conflict.
    async fn pause(&self, attempt: u32);
}

/// The day of a time in UTC, as `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    let written = DateTime::from_millis(at.millis())
        .fmt(Format::DateTime)
        .unwrap_or_default();
    written.get(..10).unwrap_or_default().to_owned()
}
