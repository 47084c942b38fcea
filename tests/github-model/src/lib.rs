//! GitHub, as far as Mayfly can see it: a state machine, and a thin HTTP server around it.
//!
//! [`model::Model`] has no async, no clock and no I/O. Every call takes the time, chance comes from
//! a seed, deliveries wait in an outbox until someone carries them out. So the HTTP server of the
//! local stack and a simulation in virtual time drive the very same code. What GitHub promises is
//! in here as rules, what it merely tends to do as [`faults`].
//!
//! | path | what |
//! | --- | --- |
//! | `/api/v3/…` and `/…` | GitHub's REST API ([`rest`]) |
//! | `/settings/apps/new` … | pages by which Apps are made and installed ([`pages`]) |
//! | `/_runner/…` | what a runner program speaks in the local stack ([`runner_api`]) |
//! | `/_model/…` | jobs, faults and everything else that only a test may touch ([`control`]) |

pub mod accounts;
pub mod app;
pub mod calls;
pub mod chance;
pub mod control;
pub mod deliveries;
pub mod exchanges;
pub mod faults;
pub mod hook;
pub mod id;
pub mod jit;
pub mod jobs;
pub mod key;
pub mod limits;
pub mod manifest;
pub mod model;
pub mod pages;
pub mod rest;
pub mod runner_api;
pub mod runners;
pub mod server;
pub mod settings;
pub mod shape;
pub mod signature;
pub mod tokens;
pub mod wire;
