//! The ledger: jobs and runners, open and closed, in one DynamoDB table.
//!
//! Every change reads what it depends on, asks the domain what follows, and writes the answer in one transaction that
//! expects each item to be as it was read. Whoever comes second starts over with what the first one wrote.

pub mod deliveries;
pub mod dynamo;
pub mod errands;
pub mod error;
pub mod jobs;
pub mod key;
pub mod look;
pub mod reasons;
pub mod records;
pub mod registrations;
pub mod repositories;
pub mod reruns;
pub mod runners;
pub mod store;
pub mod sweeps;
pub mod truths;

pub use dynamo::Dynamo;
pub use error::LedgerError;
pub use store::Store;

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

    /// The store beneath.
    pub fn store(&self) -> &S {
        &self.store
    }
}
