//! The GitHub model behaves as GitHub does, and misbehaves as it is told.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

mod access;
mod app;
mod assignment;
mod control;
mod deliveries;
mod faults;
mod jobs;
mod manifest;
mod names;
mod openapi;
mod program;
mod runners;
mod server;
mod walk;
mod world;
