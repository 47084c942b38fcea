//! Stories: the whole system in one process, in virtual time, on models of everything around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod admission;
mod bursts;
mod calls;
mod crashes;
mod deliveries;
mod failures;
mod limits;
mod plain;
mod planners;
mod pools;
mod registration;
mod told;
