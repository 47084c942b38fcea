//! The GitHub adapter and the GitHub model, over HTTP: what the one asks, the other knows.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

mod authority;
mod deliveries;
mod failures;
mod jobs;
mod named;
mod published;
mod queued;
mod registrations;
mod runners;
mod tokens;
mod world;
