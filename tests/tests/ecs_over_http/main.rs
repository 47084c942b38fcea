//! `mayfly-ecs` against the model of ECS on Fargate, over HTTP.
#![expect(clippy::unwrap_used, reason = "what arranges a test may fail it")]

mod definitions;
mod launches;
mod stand;
mod tasks;
