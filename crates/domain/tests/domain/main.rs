//! Tests of this crate's public face, one module for each part.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

mod admission;
mod archive;
mod assignment;
mod carry_out;
mod close;
mod delivery;
mod fixture;
mod interruption;
mod job_timeline;
mod launch_result;
mod liveness;
mod metrics;
mod plan;
mod plan_halves;
mod plan_scenarios;
mod pool_gauges;
mod reconcile;
mod redelivery;
mod registration;
mod rematch;
mod runner_end;
mod spend;
mod stop_and_retry;
mod story;
mod time_limits;
mod usage;
