//! Tests of this crate's public face, one module for each part.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod asking;
mod aws;
mod changing;
mod checking;
mod matching;
mod setting_up;
