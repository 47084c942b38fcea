//! The ledger: jobs and runners, open and closed, in one DynamoDB table.
//!
//! Every change reads what it depends on, asks the domain what follows, and writes the answer in
//! one transaction that expects each item to be as it was read. Anyone who comes second starts over
//! with what the first one wrote.

pub mod archive;
mod changes;
pub mod closed_runners;
pub mod deliveries;
pub mod dynamo;
pub mod error;
pub mod history;
pub mod holds;
pub mod jobs;
pub mod key;
mod ledger;
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
mod transaction;
pub mod version;

pub use dynamo::Dynamo;
pub use error::LedgerError;
pub use history::History;
pub use ledger::Ledger;
pub use store::Store;
pub use version::Versioned;
