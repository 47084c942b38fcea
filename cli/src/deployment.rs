//! A deployment in AWS: how it is reached, its parameters, and what its ledger says of pools, jobs
//! and runners.

pub mod active_pools;
pub mod caller;
pub mod connect;
mod credentials;
pub mod drift;
pub mod iam;
pub mod launch_config;
pub mod parameter;
pub mod pools_store;
pub mod refused;
pub mod secrets_store;
#[cfg(test)]
mod ssm_on_loopback;

pub use mayfly_reports::{
    ended, hosted, killed, pool_status, runner_phase, start_summary, wait_reason,
};
