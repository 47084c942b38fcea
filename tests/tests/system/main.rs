//! Stories: the whole system in one process, in virtual time, on models of everything around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod admission;
mod bursts;
mod calls;
mod capacity;
mod crashes;
mod deliveries;
mod determinism;
mod failures;
mod foreign;
mod given_up;
mod handler_deadlines;
mod leftovers;
mod limits;
mod logs;
mod plain;
mod planners;
mod pools;
mod reads;
mod reasons;
mod redelivery;
mod registration;
mod repositories;
mod spot;
mod strays;
mod told;
mod truth;
mod weather;
