//! A model of the ledger's table, as unkind as DynamoDB.
//!
//! [`Table`] is pure: no async, no clock, no randomness. A transaction goes through it in steps
//! (begun, decided, shown item by item, finished), so that a simulation can put anything between
//! two of them. [`Model`] gives it a [`Store`](mayfly_ledger::Store): who calls is counted, what
//! goes wrong is said by [`Fault`]s, and how long each step takes by a [`Pace`].
//!
//! What DynamoDB promises (developer guide, "Isolation levels for DynamoDB transactions"), and so
//! the model:
//!
//! | operation | of a transaction under way it sees |
//! | --- | --- |
//! | `get` (GetItem) | all or nothing; item by item with [`DynamoQuirks::gets_item_by_item`] |
//! | `get_many` (TransactGetItems), `commit` | nothing: it is refused as a conflict |
//! | `query` (Query) | any part, once it is decided that the transaction will be carried out |

pub mod bucket;
mod capacity;
mod counts;
mod dump;
mod expiry;
mod fault;
mod model;
mod pace;
mod store;
mod table;
mod tally;
mod throughput;

pub use capacity::item_bytes;
pub use counts::{Count, Counts, Operation};
pub use fault::{Fault, What, When};
pub use model::{DynamoQuirks, Model};
pub use pace::{Pace, at_once, yielding};
pub use store::Handle;
pub use table::{Table, TransactionId};
pub use tally::{Rows, Tally};
pub use throughput::{Now, Throughput};
