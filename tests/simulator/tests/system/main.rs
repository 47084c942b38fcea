//! Stories: the whole system in one process, in virtual time, on models of everything around it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

mod admission;
mod archive;
mod bursts;
mod calls;
mod capacity;
mod crashes;
mod deliveries;
mod determinism;
mod failures;
mod faults;
mod foreign;
mod given_up;
mod handler_deadlines;
mod history;
mod limits;
mod logs;
mod metrics;
mod orphans;
mod plain;
mod planners;
mod pools;
mod reads;
mod reasons;
mod reconcile;
mod redelivery;
mod registration;
mod repositories;
mod spot;
mod stale_registrations;
mod start;
mod usage;
