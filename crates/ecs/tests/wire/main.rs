//! What goes over the wire to ECS, and what its answers are taken for.
#![expect(clippy::unwrap_used, reason = "what arranges a test may fail it")]

mod against_the_model;
mod answers;
mod definitions;
mod ecs;
mod probes;
mod requests;
