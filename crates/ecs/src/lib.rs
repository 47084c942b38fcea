//! Everything about ECS: tasks are started, stopped and looked at here, and nowhere else.
//!
//! The ports ([`TaskDefinitions`], [`RunTask`], [`StopTask`], [`DescribeTasks`]) are one capability
//! each; [`Ecs`] has them all, over the ECS API. What is to be sent is plain data made by pure
//! functions ([`LaunchRequest`], [`TaskDefinitionSpec`]), so that a launch can be written to the
//! ledger first and repeated to the letter.

mod client;
mod describe;
mod error;
pub mod event;
mod launch_config;
mod launch_failure;
pub mod probe;
mod rate_limiter;
mod request;
mod run_task;
mod state;
mod stop;
mod task_definition;
mod task_definitions;

pub use client::Ecs;
pub use describe::{DescribeTasks, Described};
pub use error::{EcsError, FailedCall, Verdict};
pub use launch_config::LaunchConfig;
pub use launch_failure::LaunchFailure;
pub use rate_limiter::{LaunchAttempt, LaunchOutcome, RateLimiter, launch_all};
pub use request::{LaunchRequest, Network, Placement, Resources};
pub use run_task::{LaunchAnswer, RunTask};
pub use stop::StopTask;
pub use task_definition::{TaskDefinitionSpec, without_comments};
pub use task_definitions::TaskDefinitions;
