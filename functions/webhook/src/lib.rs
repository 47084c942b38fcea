//! The function `webhook`: GitHub's deliveries into the ledger.
//!
//! verify → identify → record → answer. Nothing is read or written for a delivery whose signature
//! is not known to be right.

mod answer;
mod delivery;
mod handler;
mod payload;
mod request;
mod seen_repositories;

pub use answer::{Answer, Outcome};
pub use handler::{Deps, Jobs, RecordError, Webhook};
pub use request::Request;
