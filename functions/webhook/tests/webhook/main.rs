//! The function webhook as Lambda runs it, without Lambda.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

mod answers;
mod published_examples;
