//! One transaction: what it has read, and what it writes.
//!
//! Only a transaction says under which condition something is written, and it takes that from what
//! was read under the same key. So who changes something need not think of it, and who forgets to
//! read meets a conflict, but writes over nothing.

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::key::Key;
use crate::store::{Expect, Item, Write, day};
use crate::version::{ABSENT, Versioned, Versions, item};

/// A change under way.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    read: Versions,
    writes: Vec<Write>,
}

impl Transaction {
    /// One that rests on this item, as it was read.
    pub(crate) fn over<T>(read: &Versioned<T>) -> Self {
        let mut transaction = Self::default();
        transaction.has_read(read);
        transaction
    }

    /// This was read for it before.
    pub(crate) fn has_read<T>(&mut self, read: &Versioned<T>) {
        self.read.insert(read.key().clone(), read.version());
    }

    /// There must be nothing under this key.
    pub(crate) fn expect_absent(&mut self, key: Key) {
        self.read.insert(key, ABSENT);
    }

    /// Takes what was read under a key, which may be nothing.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        key: &Key,
        item: Option<Item>,
    ) -> Result<Option<T>, LedgerError> {
        match item {
            Some(item) => Ok(Some(self.read.keep(Versioned::read(key, item)?))),
            None => {
                self.read.insert(key.clone(), ABSENT);
                Ok(None)
            }
        }
    }

    /// Writes a value over what was read under its key; where nothing was read, nothing may be. Not
    /// for items that are removed: of these [`put_next`](Self::put_next) numbers the next one.
    /// Answers the value as it is once the transaction is carried out.
    pub(crate) fn put<T: Serialize>(
        &mut self,
        key: Key,
        value: T,
    ) -> Result<Versioned<T>, LedgerError> {
        let (expect, version) = match self.read.get(&key).unwrap_or(ABSENT) {
            ABSENT => (Expect::Absent, 1),
            version => (Expect::Rev(version), version + 1),
        };
        self.write(key, (value, Some(version)), expect)
    }

    /// Writes a value over what it was made from.
    pub(crate) fn put_over<T: Serialize>(
        &mut self,
        after: Versioned<T>,
    ) -> Result<Versioned<T>, LedgerError> {
        self.has_read(&after);
        let key = after.key().clone();
        self.put(key, after.into_inner())
    }

    /// Writes a value under a key whose items come and go. The first version of each is greater
    /// than any version of an earlier one, so a reader of the earlier item cannot mistake this one
    /// for it. Over what was read; where nothing was read, over whatever there is.
    pub(crate) fn put_next<T: Serialize>(
        &mut self,
        key: Key,
        value: T,
        first: u64,
    ) -> Result<Versioned<T>, LedgerError> {
        let (expect, version) = match self.read.get(&key) {
            None => (Expect::Any, first),
            Some(ABSENT) => (Expect::Absent, first),
            Some(version) => (Expect::Rev(version), version + 1),
        };
        self.write(key, (value, Some(version)), expect)
    }

    /// The same, over what the value was made from.
    pub(crate) fn put_next_over<T: Serialize>(
        &mut self,
        after: Versioned<T>,
        first: u64,
    ) -> Result<Versioned<T>, LedgerError> {
        self.has_read(&after);
        let key = after.key().clone();
        self.put_next(key, after.into_inner(), first)
    }

    /// Writes a value that never changes: it has no version, and replaces an earlier one.
    pub(crate) fn replace(&mut self, key: Key, value: &impl Serialize) -> Result<(), LedgerError> {
        self.write(key, (value, None), Expect::Any).map(drop)
    }

    /// Removes what was read under a key; where nothing was read, whatever there is.
    pub(crate) fn delete(&mut self, key: Key) {
        let expect = match self.read.get(&key) {
            None => Expect::Any,
            Some(ABSENT) => Expect::Absent,
            Some(version) => Expect::Rev(version),
        };
        self.writes.push(Write::Delete(key, expect));
    }

    /// Removes this, as it was read.
    pub(crate) fn delete_read<T>(&mut self, read: &Versioned<T>) {
        self.has_read(read);
        self.delete(read.key().clone());
    }

    /// What was written last is closed, and filed under the day of this time: the attribute that the
    /// sparse index `closed-by-day` is made of.
    pub(crate) fn closed(&mut self, at: Timestamp) {
        if let Some(Write::Put(_, item, _)) = self.writes.last_mut() {
            item.insert("day".to_owned(), AttributeValue::S(day(at)));
        }
    }

    pub(crate) fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    fn write<T: Serialize>(
        &mut self,
        key: Key,
        (value, version): (T, Option<u64>),
        expect: Expect,
    ) -> Result<Versioned<T>, LedgerError> {
        let written = item(&key, &value, version)?;
        self.writes.push(Write::Put(key.clone(), written, expect));
        Ok(Versioned::new(key, version.unwrap_or(ABSENT), value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn key(sk: &str) -> Key {
        Key {
            pk: "pk".to_owned(),
            sk: sk.to_owned(),
        }
    }

    fn stored(version: u64) -> Option<Item> {
        let number = |number: u64| AttributeValue::N(number.to_string());
        Some(HashMap::from([
            ("value".to_owned(), number(7)),
            ("rev".to_owned(), number(version)),
        ]))
    }

    fn value() -> HashMap<String, u64> {
        HashMap::from([("value".to_owned(), 8)])
    }

    /// What is written under which condition, and as which version.
    fn written(transaction: Transaction) -> Vec<(Expect, Option<String>)> {
        let version = |write: &Write| match write {
            Write::Put(_, item, _) => Some(item.get("rev")?.as_n().ok()?.clone()),
            Write::Delete(..) => None,
        };
        let writes = transaction.into_writes();
        let written = writes.iter().map(|write| (write.expect(), version(write)));
        written.collect()
    }

    #[test]
    fn what_was_read_is_written_over_as_it_was_read_and_nothing_else_is() {
        let mut change = Transaction::default();
        let read: Option<HashMap<String, u64>> = change.take(&key("a"), stored(4)).unwrap();
        assert_eq!(read.unwrap()["value"], 7);
        assert_eq!(
            change
                .take::<HashMap<String, u64>>(&key("b"), None)
                .unwrap(),
            None
        );
        for sk in ["a", "b", "never read"] {
            change.put(key(sk), value()).unwrap();
        }
        assert_eq!(
            written(change),
            [
                (Expect::Rev(4), Some("5".to_owned())),
                (Expect::Absent, Some("1".to_owned())),
                (Expect::Absent, Some("1".to_owned())),
            ]
        );
    }

    #[test]
    fn of_an_item_that_was_read_twice_the_first_version_counts() {
        let mut change = Transaction::default();
        for version in [4, 5] {
            change
                .take::<HashMap<String, u64>>(&key("a"), stored(version))
                .unwrap();
        }
        change.delete(key("a"));
        assert_eq!(written(change), [(Expect::Rev(4), None)]);
    }

    #[test]
    fn an_item_that_comes_and_goes_begins_at_a_number_of_its_own() {
        let mut change = Transaction::default();
        change
            .take::<HashMap<String, u64>>(&key("a"), stored(4))
            .unwrap();
        change.expect_absent(key("b"));
        for sk in ["a", "b", "never read"] {
            change.put_next(key(sk), value(), 1 << 20).unwrap();
        }
        change.replace(key("no one changes"), &value()).unwrap();
        let first = Some((1 << 20).to_string());
        assert_eq!(
            written(change),
            [
                (Expect::Rev(4), Some("5".to_owned())),
                (Expect::Absent, first.clone()),
                (Expect::Any, first),
                (Expect::Any, None),
            ]
        );
    }

    #[test]
    fn an_item_without_a_version_cannot_be_read_for_a_change() {
        let item = Some(HashMap::from([(
            "value".to_owned(),
            AttributeValue::N("7".to_owned()),
        )]));
        let read = Transaction::default().take::<HashMap<String, u64>>(&key("a"), item);
        assert!(matches!(read, Err(LedgerError::Corrupt { .. })));
    }
}
