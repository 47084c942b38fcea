//! Wakes: how a scaler is told to look at a pool.
//!
//! A wake is a message in a FIFO queue whose group is the pool, so that one scaler at a time plans
//! it. It carries no data: lost, repeated or late, it only changes when scaler looks, never what it
//! concludes.

mod sqs;
mod wake;

pub use sqs::SqsWakes;
pub use wake::{InvalidWake, NotSent, Wake, Wakes};
