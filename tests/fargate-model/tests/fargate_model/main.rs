//! The model of ECS on Fargate keeps the rules it stands for, and its tasks are real processes over
//! HTTP.

#![expect(clippy::unwrap_used, reason = "what arranges a test may fail it")]

mod calls;
mod faults;
mod life;
mod processes;
mod runner;
mod tokens;
mod world;
