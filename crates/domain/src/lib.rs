//! What Mayfly decides, without doing any of it.
//!
//! Every function here is pure and total: no async, no I/O, no clock, no environment, no randomness
//! (`clippy.toml` holds the crate to it). Functions load what they need from the ledger, ask this
//! crate what follows, and carry it out.
//!
//! Two layers:
//! - [`model`]: the nouns. It knows no verb.
//! - [`transitions`]: the verbs. Each takes what the ledger holds, an event and the time, and
//!   returns what changes.

pub mod model;
pub mod transitions;
