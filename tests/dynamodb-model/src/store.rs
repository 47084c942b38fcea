//! The ledger's port over the model.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_ledger::history::{After, ClosedPage, Span};
use mayfly_ledger::key::Key;
use mayfly_ledger::store::{CommitError, Item, Page, StoreError, Write};
use mayfly_ledger::{History, Store};

use super::capacity::{item_bytes, read_units, write_units};
use super::counts::Operation;
use super::fault::{What, When, inject};
use super::model::{Model, State};
use super::table::TransactionId;
use super::throughput::Way;

/// Attempts of the SDK at what is throttled, and its first pause, which doubles and is drawn from
/// (`mayfly_config::aws`).
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The table as one caller has it.
#[derive(Clone, Debug)]
pub struct Handle {
    model: Model,
    who: Arc<str>,
}

/// A transaction under way. Dropped half-way (its caller was killed) it is carried out all the
/// same: it is decided. At once: who wants it to go on at its own pace does not drop it.
struct UnderWay<'a> {
    model: &'a Model,
    id: TransactionId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.model.state().table.finish(self.id);
    }
}

impl Handle {
    /// The table as a caller of this name has it.
    #[must_use]
    pub fn new(model: Model, who: &str) -> Self {
        Self {
            model,
            who: who.into(),
        }
    }

    /// The table behind it.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Counts a call, and lets faults have their way before its work; a fault that strikes after it
    /// is given back.
    async fn called(&self, operation: Operation, keys: &str) -> Result<Option<What>, CommitError> {
        let struck = {
            let mut state = self.model.state();
            state.drop_expired();
            state.counts.of_mut(&self.who, operation).calls += 1;
            inject(&mut state.faults, &self.who, operation, keys)
        };
        self.step().await;
        match struck {
            Some((When::Before, what)) => spoil(operation, what).await.map(|()| None),
            Some((When::After, what)) => Ok(Some(what)),
            None => Ok(None),
        }
    }

    /// The way back, and what goes wrong on it.
    async fn answered(&self, operation: Operation, fault: Option<What>) -> Result<(), CommitError> {
        self.step().await;
        match fault {
            Some(what) => spoil(operation, what).await,
            None => Ok(()),
        }
    }

    async fn step(&self) {
        self.model.step().await;
    }

    fn count_read(&self, operation: Operation, partition: &str, units: u64) {
        let mut state = self.model.state();
        state.counts.of_mut(&self.who, operation).read_units += units;
        state.counts.read(partition, units);
        if let Some(partitions) = &mut state.partitions {
            partitions.spend(partition, Way::Read, units);
        }
    }

    /// Waits until these partitions give something, for as long as the SDK tries. A transaction is
    /// not tried again: the SDK takes its cancellation for an answer.
    async fn let_in(&self, operation: Operation, keys: &[&str]) -> Result<(), StoreError> {
        let reads = matches!(
            operation,
            Operation::GetItem | Operation::Query | Operation::TransactGetItems
        );
        let way = if reads { Way::Read } else { Way::Write };
        let transaction = matches!(
            operation,
            Operation::TransactGetItems | Operation::TransactWriteItems
        );
        let attempts = if transaction { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts {
            let pause = {
                let mut state = self.model.state();
                let Some(partitions) = &mut state.partitions else {
                    return Ok(());
                };
                if partitions.let_in(keys.iter().copied(), way) {
                    return Ok(());
                }
                (FIRST_PAUSE * 2_u32.pow(attempt - 1)).mul_f64(state.draws.f64())
            };
            if attempt < attempts {
                tokio::time::sleep(pause).await;
            }
        }
        let code = if transaction {
            "TransactionCanceledException ThrottlingError"
        } else {
            "ThrottlingException"
        };
        let way = if reads { "Read" } else { "Write" };
        Err(StoreError {
            operation: operation.name(),
            problem: format!("{code} Table{way}KeyRangeThroughputExceeded"),
        })
    }

    /// Carries a transaction out, step by step.
    async fn transact(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let units: u64 = writes
            .iter()
            .map(|write| 2 * write_units(written_bytes(write)))
            .sum();
        let id = {
            let mut state = self.model.state();
            spend_writes(&mut state, writes.iter(), 2);
            let begun = state.table.begin(writes);
            let count = state
                .counts
                .of_mut(&self.who, Operation::TransactWriteItems);
            count.write_units += units;
            count.conflicts += u64::from(matches!(begun, Err(CommitError::Conflict)));
            begun?
        };
        let under_way = UnderWay {
            model: &self.model,
            id,
        };
        self.step().await;
        let (order, hold, lingers) = {
            let mut state = self.model.state();
            state.table.decide(id);
            let keys = state.table.keys_of(id);
            let mut order: Vec<usize> = (0..keys.len()).collect();
            state.draws.shuffle(&mut order);
            let own = state
                .hold
                .as_ref()
                .is_some_and(|(who, _)| who.as_ref().is_none_or(|who| **who == *self.who));
            let hold = state.hold.take_if(|_| own);
            if let Some((_, shows)) = &hold {
                for index in (0..keys.len()).filter(|index| shows(&keys[*index])) {
                    state.table.show(id, index);
                }
            }
            let lingers = state
                .unkindness
                .lingers
                .filter(|(who, _)| **who == *self.who)
                .map_or(0, |(_, steps)| steps);
            (order, hold.is_some(), lingers)
        };
        if hold {
            self.model.reached.notify_one();
            self.model.released.notified().await;
        }
        for index in order {
            for _ in 0..=lingers {
                self.step().await;
            }
            self.model.state().table.show(id, index);
        }
        drop(under_way);
        Ok(())
    }

    fn write(&self, write: Write) -> Result<(), CommitError> {
        let operation = plain(&write);
        let units = write_units(written_bytes(&write));
        let mut state = self.model.state();
        spend_writes(&mut state, std::iter::once(&write), 1);
        let written = state.table.write(write);
        let count = state.counts.of_mut(&self.who, operation);
        count.write_units += units;
        count.conflicts += u64::from(matches!(written, Err(CommitError::Conflict)));
        written
    }
}

fn written_bytes(write: &Write) -> usize {
    match write {
        Write::Put(_, item, _) => item_bytes(item),
        Write::Delete(..) => 0,
    }
}

/// A partition is charged for a write whether or not its condition holds.
fn spend_writes<'a>(state: &mut State, writes: impl Iterator<Item = &'a Write>, times: u64) {
    if let Some(partitions) = &mut state.partitions {
        for write in writes {
            partitions.spend(
                &write.key().pk,
                Way::Write,
                times * write_units(written_bytes(write)),
            );
        }
    }
}

fn plain(write: &Write) -> Operation {
    match write {
        Write::Put(..) => Operation::PutItem,
        Write::Delete(..) => Operation::DeleteItem,
    }
}

async fn spoil(operation: Operation, what: What) -> Result<(), CommitError> {
    match what {
        What::Fails => Err(StoreError {
            operation: "model",
            problem: format!("InternalServerError: {operation} (a fault of the model)"),
        }
        .into()),
        What::Conflicts => Err(CommitError::Conflict),
        What::Hangs => std::future::pending().await,
    }
}

/// For operations that know no conflict.
fn no_conflict(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        CommitError::Conflict => StoreError {
            operation: "model",
            problem: "a conflict where none can be".to_owned(),
        },
    }
}

fn texts<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    keys.map(Key::to_string).collect::<Vec<_>>().join("\n")
}

#[async_trait]
impl Store for Handle {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let operation = Operation::GetItem;
        let fault = self
            .called(operation, &key.to_string())
            .await
            .map_err(no_conflict)?;
        self.let_in(operation, &[&key.pk]).await?;
        let item = {
            let state = self.model.state();
            state.table.get(key, state.unkindness.gets_item_by_item)
        };
        self.count_read(
            operation,
            &key.pk,
            read_units(item.as_ref().map_or(0, item_bytes)),
        );
        self.answered(operation, fault).await.map_err(no_conflict)?;
        Ok(item)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        let operation = Operation::TransactGetItems;
        let fault = self.called(operation, &texts(keys.iter())).await?;
        self.let_in(
            operation,
            &keys.iter().map(|key| key.pk.as_str()).collect::<Vec<_>>(),
        )
        .await?;
        let items = {
            let mut state = self.model.state();
            let items = state.table.get_many(keys);
            let count = state.counts.of_mut(&self.who, operation);
            count.conflicts += u64::from(matches!(items, Err(CommitError::Conflict)));
            items?
        };
        for (key, item) in keys.iter().zip(&items) {
            self.count_read(
                operation,
                &key.pk,
                2 * read_units(item.as_ref().map_or(0, item_bytes)),
            );
        }
        self.answered(operation, fault).await?;
        Ok(items)
    }

    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError> {
        let operation = Operation::Query;
        let fault = self
            .called(operation, &format!("{pk} {prefix}"))
            .await
            .map_err(no_conflict)?;
        if after.is_some_and(|after| !after.starts_with(prefix)) {
            let problem = "ValidationException The provided starting key does not match the range key predicate".to_owned();
            return Err(StoreError {
                operation: "Query",
                problem,
            });
        }
        self.let_in(operation, &[pk]).await?;
        let (page, bytes) = {
            let state = self.model.state();
            let asked = limit.and_then(|limit| usize::try_from(limit).ok());
            let limit = asked.into_iter().chain(state.unkindness.page).min();
            state.table.query(pk, prefix, after, limit)
        };
        self.count_read(operation, pk, read_units(bytes));
        self.answered(operation, fault).await.map_err(no_conflict)?;
        Ok(page)
    }

    async fn commit(&self, mut writes: Vec<Write>) -> Result<(), CommitError> {
        let keys = texts(writes.iter().map(Write::key));
        let only = if writes.len() == 1 {
            writes.pop()
        } else {
            None
        };
        match only {
            Some(write) => {
                let operation = plain(&write);
                let fault = self.called(operation, &keys).await?;
                self.let_in(operation, &[&write.key().pk]).await?;
                self.write(write)?;
                self.answered(operation, fault).await
            }
            None if writes.is_empty() => Ok(()),
            None => {
                let operation = Operation::TransactWriteItems;
                let fault = self.called(operation, &keys).await?;
                self.let_in(
                    operation,
                    &writes
                        .iter()
                        .map(|write| write.key().pk.as_str())
                        .collect::<Vec<_>>(),
                )
                .await?;
                self.transact(writes).await?;
                self.answered(operation, fault).await
            }
        }
    }

    async fn pause(&self, _attempt: u32) {
        self.step().await;
    }
}

#[async_trait]
impl History for Handle {
    async fn closed(
        &self,
        span: &Span,
        after: Option<&After>,
        limit: i32,
    ) -> Result<ClosedPage, StoreError> {
        let operation = Operation::Query;
        let fault = self
            .called(operation, &format!("closed-by-day {}", span.day))
            .await
            .map_err(no_conflict)?;
        let page = {
            let state = self.model.state();
            let limit = usize::try_from(limit).unwrap_or(0);
            state.table.closed(
                span,
                after,
                limit.min(state.unkindness.page.unwrap_or(usize::MAX)),
            )
        };
        self.count_read(
            operation,
            "closed-by-day",
            page.items
                .iter()
                .map(|(_, item)| read_units(item_bytes(item)))
                .sum(),
        );
        self.answered(operation, fault).await.map_err(no_conflict)?;
        Ok(page)
    }
}
