//! Tests of this crate's public face, one module for each part.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

mod aws;
mod check;
mod dashboard;
mod init_and_rotate;
mod matching;
mod read_commands;
mod report;
mod setup;
mod stories;
mod write_commands;
