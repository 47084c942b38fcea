//! What Mayfly decides, without doing any of it.
//!
//! Every function here is pure and total: no async, no I/O, no clock, no environment, no randomness (`clippy.toml` holds
//! the crate to it). Functions load what they need from the ledger, ask this crate what follows, and carry it out.

pub mod admission;
pub mod anew;
pub mod assignment;
pub mod care;
mod cover;
pub mod dismissal;
pub mod errand;
mod first_sight;
pub mod health;
pub mod held;
pub mod id;
pub mod job;
pub mod label;
pub mod launch_result;
pub mod leftover;
pub mod matching;
pub mod observe;
pub mod plan;
pub mod pool;
pub mod price;
pub mod question;
pub mod reclaim;
pub mod redelivery;
pub mod refusal;
pub mod registration;
pub mod retry;
pub mod runner;
mod said;
pub mod signature;
pub mod size;
mod standing;
pub mod start_failure;
pub mod story;
pub mod stray;
pub mod target;
pub mod task;
pub mod time;
pub mod times;
pub mod truth;
