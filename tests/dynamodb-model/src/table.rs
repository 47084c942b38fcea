//! The table itself: items, transactions in steps, and what each kind of read sees of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::{After, ClosedPage, Order, Span};
use mayfly_ledger::key::Key;
use mayfly_ledger::store::{CommitError, Expect, Item, Page, REV, StoreError, Write};

use aws_sdk_dynamodb::types::AttributeValue;

use super::capacity::item_bytes;
use super::expiry;
use super::tally::Tally;

/// Most actions of a transaction, of either kind. Source: DynamoDB API reference,
/// `TransactWriteItems`, `TransactGetItems`.
const MOST_ACTIONS: usize = 100;

/// Largest item. Source: DynamoDB developer guide, quotas.
const LARGEST_ITEM: usize = 400 * 1024;

/// What a Query reads for one page at most. Source: DynamoDB API reference, `Query`.
const PAGE_BYTES: usize = 1024 * 1024;

/// A transaction that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u64);

/// An item with its size, which every read is billed by.
#[derive(Clone, Debug)]
struct Stored {
    item: Item,
    bytes: usize,
    /// Its number when it was made.
    first: Option<u64>,
}

impl Stored {
    /// Its number, if it has one: how often it was written, in the ledger's own way of counting.
    fn number(&self) -> Option<u64> {
        self.item.get(REV)?.as_n().ok()?.parse().ok()
    }
}

#[derive(Clone, Debug)]
struct Transaction {
    writes: Vec<(Key, Option<Stored>)>,
    decided: bool,
    shown: Vec<bool>,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    items: BTreeMap<Key, Stored>,
    under_way: BTreeMap<TransactionId, Transaction>,
    /// Which transaction is at an item, and which of its actions that is.
    held: BTreeMap<Key, (TransactionId, usize)>,
    last: u64,
    tally: Tally,
    /// Items whose time is over some day, by the second at which they are gone then.
    expiring: BTreeSet<(i64, Key)>,
    /// Which numbers items had that were removed: of each the first and the last.
    removed: BTreeMap<Key, Vec<(u64, u64)>>,
}

impl Table {
    /// One item. Of a transaction that is decided all is seen, unless `item_by_item`.
    #[must_use]
    pub fn get(&self, key: &Key, item_by_item: bool) -> Option<Item> {
        let found = if item_by_item {
            self.shown(key)
        } else {
            self.decided(key)
        };
        found.map(|stored| stored.item.clone())
    }

    /// Several items as of one moment.
    ///
    /// # Errors
    /// A conflict while a transaction is at one of them; a failure for more than DynamoDB takes.
    pub fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        check_distinct("TransactGetItems", keys.iter())?;
        if keys.iter().any(|key| self.held.contains_key(key)) {
            return Err(CommitError::Conflict);
        }
        Ok(keys
            .iter()
            .map(|key| self.items.get(key).map(|stored| stored.item.clone()))
            .collect())
    }

    /// A page of a partition, at most `limit` items, as far as each one is shown; and how many
    /// bytes were read for it. `after` begins with the prefix.
    #[must_use]
    pub fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> (Page, usize) {
        let from = after.map_or_else(|| prefix.to_owned(), |after| format!("{after}\0"));
        let start = Key {
            pk: pk.to_owned(),
            sk: from,
        };
        let within = |key: &&Key| key.pk == pk && key.sk.starts_with(prefix);
        let range = (Bound::Included(start.clone()), Bound::Unbounded);
        let stored = self
            .items
            .range(range.clone())
            .map(|(key, _)| key)
            .take_while(within);
        let pending = self
            .held
            .range(range)
            .map(|(key, _)| key)
            .take_while(within);
        let mut keys: Vec<&Key> = stored.chain(pending).collect();
        if !self.held.is_empty() {
            keys.sort_unstable();
            keys.dedup();
        }
        let mut page = Page::default();
        let mut bytes = 0;
        for key in keys {
            let Some(Stored {
                item, bytes: size, ..
            }) = self.shown(key)
            else {
                continue;
            };
            if page.items.len() >= limit.unwrap_or(usize::MAX) || bytes > PAGE_BYTES {
                page.next = page
                    .items
                    .last()
                    .map(|(last, _): &(Key, Item)| last.sk.clone());
                break;
            }
            bytes += size;
            page.items.push((key.clone(), item.clone()));
        }
        // DynamoDB stops at the limit without looking whether more follows: a full page has a next
        // one, maybe an empty one.
        if page.next.is_none() && limit.is_some_and(|limit| page.items.len() >= limit) {
            page.next = page.items.last().map(|(last, _)| last.sk.clone());
        }
        (page, bytes)
    }

    /// A part of the index over closed records, as it will have followed: what is under way is not
    /// in it.
    #[must_use]
    pub fn closed(&self, span: &Span, after: Option<&After>, limit: usize) -> ClosedPage {
        let number = |item: &Item, name: &str| {
            Some(Timestamp::from_millis(
                item.get(name)?.as_n().ok()?.parse().ok()?,
            ))
        };
        let of_day =
            |item: &Item| item.get("day").and_then(|day| day.as_s().ok()) == Some(&span.day);
        let on_day = self.items.iter().filter(|(_, stored)| of_day(&stored.item));
        let mut found: Vec<After> = on_day
            .filter_map(|(key, stored)| {
                Some(After {
                    key: key.clone(),
                    closed_at: number(&stored.item, "closed_at")?,
                })
            })
            .filter(|one| (span.from..=span.to).contains(&one.closed_at))
            .collect();
        found.sort_by(|one, other| (one.closed_at, &one.key).cmp(&(other.closed_at, &other.key)));
        if span.order == Order::NewestFirst {
            found.reverse();
        }
        let begin = after
            .and_then(|after| found.iter().position(|one| one == after))
            .map_or(0, |at| at + 1);
        let page: Vec<After> = found.into_iter().skip(begin).take(limit).collect();
        // As in DynamoDB, a full page has a next one, maybe an empty one.
        let next = page.last().filter(|_| page.len() >= limit).cloned();
        let item = |one: &After| Some((one.key.clone(), self.items.get(&one.key)?.item.clone()));
        ClosedPage {
            items: page.iter().filter_map(item).collect(),
            next,
        }
    }

    /// A plain write.
    ///
    /// # Errors
    /// A conflict if the item is not as expected, or a transaction is at it.
    pub fn write(&mut self, write: Write) -> Result<(), CommitError> {
        let (key, item, expect) = action(write)?;
        self.check(&key, expect)?;
        self.tally
            .count(&key, self.items.contains_key(&key), item.is_some());
        self.tally.settle();
        self.put(key, item);
        Ok(())
    }

    /// Begins a transaction: its conditions hold, and no one else gets at its items until it is
    /// over. No one sees anything of it yet.
    ///
    /// # Errors
    /// A conflict if an item is not as expected, or another transaction is at it; a failure for
    /// what DynamoDB does not take.
    pub fn begin(&mut self, writes: Vec<Write>) -> Result<TransactionId, CommitError> {
        check_distinct("TransactWriteItems", writes.iter().map(Write::key))?;
        let mut actions = Vec::with_capacity(writes.len());
        for write in writes {
            let (key, item, expect) = action(write)?;
            self.check(&key, expect)?;
            actions.push((key, item));
        }
        self.last += 1;
        let id = TransactionId(self.last);
        for (index, (key, _)) in actions.iter().enumerate() {
            self.held.insert(key.clone(), (id, index));
        }
        for (key, item) in &actions {
            self.tally
                .count(key, self.items.contains_key(key), item.is_some());
        }
        self.tally.settle();
        let shown = vec![false; actions.len()];
        self.under_way.insert(
            id,
            Transaction {
                writes: actions,
                decided: false,
                shown,
            },
        );
        Ok(id)
    }

    /// It is certain now that the transaction will be carried out.
    pub fn decide(&mut self, id: TransactionId) {
        if let Some(transaction) = self.under_way.get_mut(&id) {
            transaction.decided = true;
        }
    }

    /// Keys of a transaction under way, in the order of its actions.
    #[must_use]
    pub fn keys_of(&self, id: TransactionId) -> Vec<Key> {
        self.under_way
            .get(&id)
            .map(|transaction| {
                transaction
                    .writes
                    .iter()
                    .map(|(key, _)| key.clone())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Queries see one action of the transaction from now on.
    pub fn show(&mut self, id: TransactionId, index: usize) {
        if let Some(shown) = self
            .under_way
            .get_mut(&id)
            .filter(|one| one.decided)
            .and_then(|one| one.shown.get_mut(index))
        {
            *shown = true;
        }
    }

    /// The transaction is over: everyone sees all of it.
    pub fn finish(&mut self, id: TransactionId) {
        let Some(transaction) = self.under_way.remove(&id) else {
            return;
        };
        for (key, item) in transaction.writes {
            self.held.remove(&key);
            self.put(key, item);
        }
    }

    /// True while no transaction is under way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Every item there will be when all transactions under way are over, in no order.
    pub fn settled(&self) -> impl Iterator<Item = (&Key, &Item)> {
        self.settled_in("")
    }

    /// Those of partitions whose key begins so.
    pub fn settled_in<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Item)> {
        let from = Key {
            pk: prefix.to_owned(),
            sk: String::new(),
        };
        let stored = self
            .items
            .range(from..)
            .take_while(move |(key, _)| key.pk.starts_with(prefix));
        let stays = stored
            .filter(|(key, _)| !self.held.contains_key(*key))
            .map(|(key, stored)| (key, &stored.item));
        let pending = self
            .under_way
            .values()
            .flat_map(|transaction| &transaction.writes);
        let pending = pending.filter(move |(key, _)| key.pk.starts_with(prefix));
        stays.chain(pending.filter_map(|(key, item)| Some((key, &item.as_ref()?.item))))
    }

    /// One of these.
    #[must_use]
    pub fn settled_item(&self, key: &Key) -> Option<&Item> {
        self.seen(key, |_, _| true).map(|stored| &stored.item)
    }

    /// How many items of each partition are of some kinds, and were at most.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Not `DynamoDB`'s doing, but what the ledger's conditions rest on: an item that is made where
    /// another one was removed has a number which that one never had. Else who has read the first
    /// could write over the second.
    fn put(&mut self, key: Key, item: Option<Stored>) {
        match item {
            Some(mut item) => {
                let made = !self.items.contains_key(&key);
                item.first = match self.items.get(&key) {
                    Some(before) => before.first,
                    None => item.number(),
                };
                let earlier = self.removed.get(&key).into_iter().flatten();
                let number = item.number().filter(|_| made);
                assert!(
                    !earlier.clone().any(
                        |(first, last)| number.is_some_and(|own| *first <= own && own <= *last)
                    ),
                    "{key} is made again under a number that it had before it was removed: {number:?}"
                );
                if let Some(gone_at) = expiry::gone_at(&key, &item.item) {
                    self.expiring.insert((gone_at, key.clone()));
                }
                self.items.insert(key, item)
            }
            None => {
                let gone = self.items.remove(&key);
                let numbers = gone.as_ref().and_then(|gone| gone.first.zip(gone.number()));
                if let Some(numbers) = numbers {
                    self.removed.entry(key).or_default().push(numbers);
                }
                gone
            }
        };
    }

    /// Drops what DynamoDB's clean-up of expired items has come to by this second; what a
    /// transaction is at waits for the next time.
    pub(super) fn drop_expired(&mut self, now: i64) {
        while self
            .expiring
            .first()
            .is_some_and(|(gone_at, _)| *gone_at <= now)
        {
            let Some((_, key)) = self.expiring.pop_first() else {
                return;
            };
            if self.held.contains_key(&key) {
                self.expiring.insert((now + 1, key));
                continue;
            }
            // What was written since may stay longer, or for good.
            let over = self
                .items
                .get(&key)
                .and_then(|stored| expiry::gone_at(&key, &stored.item))
                .is_some_and(|gone_at| gone_at <= now);
            if over {
                self.tally.count(&key, true, false);
                self.items.remove(&key);
                // Days have passed: no one has read that one and still means to write.
                self.removed.remove(&key);
            }
        }
    }

    fn check(&self, key: &Key, expect: Expect) -> Result<(), CommitError> {
        if self.held.contains_key(key) {
            return Err(CommitError::Conflict);
        }
        let found = self.items.get(key);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Rev(rev) => found.is_some_and(|stored| {
                stored.item.get(REV) == Some(&AttributeValue::N(rev.to_string()))
            }),
        };
        if holds {
            Ok(())
        } else {
            Err(CommitError::Conflict)
        }
    }

    fn decided(&self, key: &Key) -> Option<&Stored> {
        self.seen(key, |transaction, _| transaction.decided)
    }

    fn shown(&self, key: &Key) -> Option<&Stored> {
        self.seen(key, |transaction, index| {
            transaction.shown.get(index).copied().unwrap_or_default()
        })
    }

    fn seen(&self, key: &Key, sees: impl Fn(&Transaction, usize) -> bool) -> Option<&Stored> {
        let pending = self
            .held
            .get(key)
            .and_then(|(id, index)| Some((self.under_way.get(id)?, *index)));
        match pending.filter(|(transaction, index)| sees(transaction, *index)) {
            Some((transaction, index)) => transaction
                .writes
                .get(index)
                .and_then(|(_, item)| item.as_ref()),
            None => self.items.get(key),
        }
    }
}

/// What a write leaves, keys included as DynamoDB keeps them.
fn action(write: Write) -> Result<(Key, Option<Stored>, Expect), CommitError> {
    let (key, item, expect) = match write {
        Write::Put(key, item, expect) => (key, Some(item), expect),
        Write::Delete(key, expect) => (key, None, expect),
    };
    let item = item.map(|mut item| {
        item.insert("pk".to_owned(), AttributeValue::S(key.pk.clone()));
        item.insert("sk".to_owned(), AttributeValue::S(key.sk.clone()));
        let bytes = item_bytes(&item);
        Stored {
            item,
            bytes,
            first: None,
        }
    });
    match item.as_ref().map(|stored| stored.bytes) {
        Some(bytes) if bytes > LARGEST_ITEM => {
            Err(invalid("PutItem", "Item size has exceeded the maximum allowed size").into())
        }
        _ => Ok((key, item, expect)),
    }
}

fn check_distinct<'a>(
    operation: &'static str,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<(), StoreError> {
    let mut keys: Vec<&Key> = keys.collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    match (count, keys.len()) {
        (0, _) => Err(invalid(
            operation,
            "Member must have length greater than or equal to 1",
        )),
        (count, _) if count > MOST_ACTIONS => Err(invalid(
            operation,
            "Member must have length less than or equal to 100",
        )),
        (count, distinct) if count != distinct => Err(invalid(
            operation,
            "Transaction request cannot include multiple operations on one item",
        )),
        _ => Ok(()),
    }
}

fn invalid(operation: &'static str, words: &str) -> StoreError {
    StoreError {
        operation,
        problem: format!("ValidationException {words}"),
    }
}
