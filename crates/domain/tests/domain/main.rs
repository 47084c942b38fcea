//! Tests of this crate's public face, one module for each part.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod admission;
mod anew;
mod care;
mod carry_out;
mod ends;
mod launch_result;
mod lifecycle;
mod observe;
mod plan;
mod plan_halves;
mod plan_scenarios;
mod question;
mod redelivery;
mod registration;
mod story;
mod truth;
mod wishes;
mod world;
