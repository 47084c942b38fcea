//! The decisions: each maps what the ledger holds, an event and the time to what changes. Pure
//! functions, tied to the model and to little else.

pub mod admission;
pub mod archive;
pub mod changes;
pub mod close;
pub(crate) mod coverage;
pub mod delivery;
pub mod interruption;
pub(crate) mod job_state;
pub mod launch_result;
pub mod liveness;
pub(crate) mod new_record;
pub mod orphan;
pub mod plan;
pub mod pool_gauges;
pub mod probes;
pub mod reconcile;
pub mod redelivery;
pub mod refusal;
pub mod registration;
pub mod rematch;
pub mod retry;
pub mod snapshot;
pub mod stale_registration;
pub mod stop;
pub mod time_limits;
pub mod usage;
