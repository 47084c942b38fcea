//! What `mayfly` says of the system: stories are told in virtual time, then the command asks and its answer is held against what it was.
//!
//! Times, spans, costs and ids are left out of what is compared: they depend on every draw of a story. How they are written is tested where they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod applied;
mod asked;
mod authority;
mod changing;
mod examined;
mod explained;
mod listed;
mod logged;
mod patient;
mod probed;
mod probing;
mod retried;
mod scene;
mod stood;
mod stopped;
#[path = "../system/told.rs"]
#[allow(dead_code, reason = "stories of the system need more of it")]
mod told;
