//! Stories over the wire: the deployed local stack, release binaries, real HTTP. `make test` brings
//! the stack up around them.
//!
//! They share one stack, so they run one after the other; what one leaves behind is a failure of
//! that one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic, in its own helpers as well"
)]

mod attacks;
mod burst;
mod chaos;
mod command;
mod dashboard;
mod deploying;
mod doctor;
mod ecs_tasks;
mod first_minutes;
mod settled;
mod shuffled;
mod strangers;
mod wrong_runner;
