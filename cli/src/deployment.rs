//! A deployment in AWS: how it is reached, its parameters, and what its ledger says of pools, jobs
//! and runners.

pub mod active_pools;
pub mod caller;
pub mod connect;
mod credentials;
pub mod drift;
pub mod ended;
pub mod hosted;
pub mod iam;
pub mod killed;
pub mod launch_config;
pub mod parameter;
pub mod pool_status;
pub mod pools_store;
pub mod refused;
pub mod runner_phase;
pub mod secrets_store;
#[cfg(test)]
mod ssm_on_loopback;
pub mod start_summary;
pub mod wait_reason;
