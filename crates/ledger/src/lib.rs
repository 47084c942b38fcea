//! The ledger: jobs and runners, open and closed, in one DynamoDB table.
//!
//! Every change reads what it depends on, asks the domain what follows, and writes the answer in
//! one transaction that expects each item to be as it was read. Anyone who comes second starts over
//! with what the first one wrote.

pub mod closed_runners;
pub mod deliveries;
pub mod dynamo;
pub mod error;
pub mod history;
pub mod holds;
pub mod jobs;
pub mod key;
pub mod outbox;
pub mod pool_snapshot;
pub mod reconcile;
pub mod registrations;
pub mod repositories;
pub mod requests;
pub mod reruns;
pub mod runners;
pub mod store;
pub mod sweeps;

pub use dynamo::Dynamo;
pub use error::LedgerError;
pub use history::History;
pub use store::Store;

use error::Attempt;

/// The ledger over some store: DynamoDB in production, a model of it in tests.
#[derive(Clone, Debug)]
pub struct Ledger<S> {
    store: S,
}

impl<S: Store> Ledger<S> {
    /// A ledger over this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Has `attempt` read and write until it is settled, so many times at most, with a pause before
    /// each repetition. `what` is for the error.
    pub(crate) async fn with_retries<T, F>(
        &self,
        tries: u32,
        what: &'static str,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T, LedgerError>
    where
        T: Send,
        F: Future<Output = Result<Attempt<T>, LedgerError>> + Send,
    {
        for repetition in 0..tries {
            if repetition > 0 {
                self.store.pause(repetition).await;
            }
            if let Attempt::Done(done) = attempt().await? {
                return Ok(done);
            }
        }
        Err(LedgerError::Busy { tries, what })
    }
}

impl<S> Ledger<S> {
    /// The store beneath.
    pub fn store(&self) -> &S {
        &self.store
    }
}
