//! Versions: how often an item was written, which DynamoDB compares before it writes over it.
//!
//! The number lies in the item beside the value and is in no value: what is decided knows nothing
//! of it, and nothing outside this crate can make one up.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::key::Key;
use crate::store::{Item, REV, read};

/// The version of an item that there is not.
pub(crate) const ABSENT: u64 = 0;

/// A value, and the item that it was read from, as it was then. The value may be changed; the item
/// over which it is written stays the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    value: T,
    key: Key,
    version: u64,
}

impl<T> Versioned<T> {
    /// What an item holds.
    pub(crate) fn read(key: &Key, item: Item) -> Result<Self, LedgerError>
    where
        T: DeserializeOwned,
    {
        let version = version_of(key, &item)?;
        let value = read(key, item)?;
        Ok(Self::new(key.clone(), version, value))
    }

    /// The default for an item that does not exist.
    pub(crate) fn absent(key: Key, value: T) -> Self {
        Self::new(key, ABSENT, value)
    }

    pub(crate) fn new(key: Key, version: u64, value: T) -> Self {
        Self {
            value,
            key,
            version,
        }
    }

    /// The value alone: it can be looked at, and written over nothing.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Another value, to be written in the place of this one.
    #[must_use]
    pub fn with_value(&self, value: T) -> Self {
        Self::new(self.key.clone(), self.version, value)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// True if there is no such item.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.version == ABSENT
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Borrow<T> for Versioned<T> {
    fn borrow(&self) -> &T {
        &self.value
    }
}

/// Which version was read under each key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(BTreeMap<Key, u64>);

impl Versions {
    /// Remembers a version; answers the value.
    pub(crate) fn keep<T>(&mut self, read: Versioned<T>) -> T {
        self.insert(read.key, read.version);
        read.value
    }

    /// Remembers a version. Of one item that was read twice the first counts: what is written may
    /// be made from that.
    pub(crate) fn insert(&mut self, key: Key, version: u64) {
        self.0.entry(key).or_insert(version);
    }

    /// A value under the version that was read under its key; as what is not there yet, if none
    /// was.
    pub(crate) fn of<T>(&self, key: Key, value: T) -> Versioned<T> {
        let version = self.get(&key).unwrap_or(ABSENT);
        Versioned::new(key, version, value)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<u64> {
        self.0.get(key).copied()
    }
}

fn version_of(key: &Key, item: &Item) -> Result<u64, LedgerError> {
    item.get(REV)
        .and_then(|version| version.as_n().ok()?.parse().ok())
        .filter(|version| *version != ABSENT)
        .ok_or_else(|| LedgerError::Corrupt {
            key: key.to_string(),
            problem: format!("it has no number {REV}"),
        })
}

/// Those of a list's items that can be read. Each of the others is logged: someone has to look at
/// it, and the list goes on without it.
pub(crate) fn readable<T: DeserializeOwned>(items: Vec<(Key, Item)>) -> Vec<Versioned<T>> {
    let read = |(key, item)| {
        Versioned::read(&key, item).inspect_err(|problem: &LedgerError| tracing::error!(error = %problem, "an item of the table cannot be read: it is left out of the list")).ok()
    };
    items.into_iter().filter_map(read).collect()
}

/// The item that holds a value under a version.
pub(crate) fn item(
    key: &Key,
    value: &impl Serialize,
    version: Option<u64>,
) -> Result<Item, LedgerError> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(|error| LedgerError::Corrupt {
        key: key.to_string(),
        problem: error.to_string(),
    })?;
    if let Some(version) = version {
        item.insert(REV.to_owned(), AttributeValue::N(version.to_string()));
    }
    Ok(item)
}
