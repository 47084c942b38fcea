//! The table as one function reaches it: the model, with the faults between.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_ledger::history::{After, ClosedPage, Span};
use mayfly_ledger::key::Key;
use mayfly_ledger::store::{CommitError, Expect, Item, Page, StoreError, Write};
use mayfly_ledger::{History, Ledger, Store};

use super::calls::{Leaving, Made, SILENCE};
use super::event::CallOutcome;
use super::faults::{CallFault, Port};
use super::world::World;
use mayfly_dynamodb_model::{Handle, Operation};

/// An attempt that no one answers is given up after this time and made again
/// (`mayfly_config::aws`).
const ATTEMPT: Duration = Duration::from_secs(3);

/// Share of the answers to plain writes that are lost so thoroughly that not even the SDK's
/// repetitions are answered. Else the repetition meets what the first attempt wrote, and is a
/// conflict with itself.
const LOST_FOR_GOOD: f64 = 0.25;

/// The table as one function reaches it.
pub struct TablePort {
    world: Arc<World>,
    who: &'static str,
    handle: Handle,
}

/// The ledger as one function has it.
pub(super) fn ledger(world: &Arc<World>, who: &'static str) -> Ledger<TablePort> {
    Ledger::new(TablePort {
        world: Arc::clone(world),
        who,
        handle: Handle::new(world.table.clone(), who),
    })
}

fn lost(operation: Operation) -> StoreError {
    StoreError {
        operation: operation.name(),
        problem: "InternalServerError (faults)".to_owned(),
    }
}

fn listed<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    keys.map(Key::to_string).collect::<Vec<_>>().join(", ")
}

/// What DynamoDB says of a plain read or of a transaction.
fn handling<T>(done: &Result<T, CommitError>) -> CallOutcome {
    match done {
        Ok(_) => CallOutcome::Done,
        Err(CommitError::Conflict) => CallOutcome::Refused("conflict".to_owned()),
        Err(CommitError::Store(error)) => CallOutcome::Refused(error.problem.clone()),
    }
}

fn no_conflict(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        CommitError::Conflict => StoreError {
            operation: "model",
            problem: "a conflict where none can be".to_owned(),
        },
    }
}

impl TablePort {
    fn leaves(&self, operation: Operation, about: impl FnOnce() -> String) -> Leaving {
        let conflicts = operation.knows_conflicts();
        self.world
            .leaves(self.who, Port::Table, operation.name(), about)
            .instead(|call_fault| match call_fault {
                CallFault::Conflict if !conflicts => CallFault::FailBefore,
                other => other,
            })
    }

    /// What the caller gets. `meets_itself`: the SDK's repetition of a write whose answer got lost
    /// meets the first one.
    async fn came<T>(
        &self,
        leaving: &Leaving,
        operation: Operation,
        meets_itself: bool,
        made: Made<Result<T, CommitError>>,
    ) -> Result<T, CommitError> {
        let (call_fault, seen, wait, result) = match made {
            Made::Well(done) => {
                match leaving.call_fault {
                    Some(call_fault) if done.is_ok() => {
                        leaving.note(|| CallOutcome::Faulted(call_fault, "done"))
                    }
                    _ => leaving.note(|| handling(&done)),
                }
                return done;
            }
            Made::Not(CallFault::Conflict) => (
                CallFault::Conflict,
                "a conflict",
                Duration::ZERO,
                Err(CommitError::Conflict),
            ),
            Made::Not(call_fault @ CallFault::HangBefore) => (
                call_fault,
                "an error after 9.5 s",
                SILENCE,
                Err(lost(operation).into()),
            ),
            Made::Not(call_fault) => (
                call_fault,
                "an error",
                Duration::ZERO,
                Err(lost(operation).into()),
            ),
            // The repetition says it again.
            Made::Unheard(call_fault, Err(CommitError::Conflict)) => (
                call_fault,
                "a conflict",
                Duration::ZERO,
                Err(CommitError::Conflict),
            ),
            Made::Unheard(call_fault, done) => {
                let hangs = call_fault == CallFault::HangAfter;
                if meets_itself && done.is_ok() && !self.world.chance(LOST_FOR_GOOD) {
                    let wait = if hangs { ATTEMPT } else { Duration::ZERO };
                    (
                        call_fault,
                        "a conflict with itself",
                        wait,
                        Err(CommitError::Conflict),
                    )
                } else if hangs {
                    (
                        call_fault,
                        "an error after 9.5 s",
                        SILENCE,
                        Err(lost(operation).into()),
                    )
                } else {
                    (
                        call_fault,
                        "an error",
                        Duration::ZERO,
                        Err(lost(operation).into()),
                    )
                }
            }
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, seen));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        result
    }
}

#[async_trait]
impl Store for TablePort {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let operation = Operation::GetItem;
        let leaving = self.leaves(operation, || key.to_string());
        let (handle, key) = (self.handle.clone(), key.clone());
        let made = leaving
            .make(async move { handle.get(&key).await.map_err(CommitError::from) })
            .await;
        self.came(&leaving, operation, false, made)
            .await
            .map_err(no_conflict)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        let operation = Operation::TransactGetItems;
        let leaving = self.leaves(operation, || listed(keys.iter()));
        let (handle, keys) = (self.handle.clone(), keys.to_vec());
        let made = leaving
            .make(async move { handle.get_many(&keys).await })
            .await;
        self.came(&leaving, operation, false, made).await
    }

    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError> {
        let operation = Operation::Query;
        let leaving = self.leaves(operation, || format!("{pk} {prefix}"));
        let (handle, pk, prefix, after) = (
            self.handle.clone(),
            pk.to_owned(),
            prefix.to_owned(),
            after.map(str::to_owned),
        );
        let made = leaving
            .make(async move {
                handle
                    .query(&pk, &prefix, after.as_deref(), limit)
                    .await
                    .map_err(CommitError::from)
            })
            .await;
        self.came(&leaving, operation, false, made)
            .await
            .map_err(no_conflict)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        if writes.is_empty() {
            return Ok(());
        }
        let operation = Operation::of(&writes);
        let meets_itself =
            writes.len() == 1 && writes.iter().all(|write| write.expect() != Expect::Any);
        let leaving = self.leaves(operation, || listed(writes.iter().map(Write::key)));
        let handle = self.handle.clone();
        let made = leaving
            .make(async move { handle.commit(writes).await })
            .await;
        self.came(&leaving, operation, meets_itself, made).await
    }

    async fn pause(&self, attempt: u32) {
        self.handle.pause(attempt).await;
    }
}

#[async_trait]
impl History for TablePort {
    async fn closed(
        &self,
        span: &Span,
        after: Option<&After>,
        limit: i32,
    ) -> Result<ClosedPage, StoreError> {
        let operation = Operation::Query;
        let leaving = self.leaves(operation, || format!("closed-by-day {}", span.day));
        let (handle, span, after) = (self.handle.clone(), span.clone(), after.cloned());
        let made = leaving
            .make(async move {
                handle
                    .closed(&span, after.as_ref(), limit)
                    .await
                    .map_err(CommitError::from)
            })
            .await;
        self.came(&leaving, operation, false, made)
            .await
            .map_err(no_conflict)
    }
}
