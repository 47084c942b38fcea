//! The verbs: from what the ledger holds, an event and the time to what changes. Pure functions, tied to the model and to little else.

pub mod admission;
pub mod anew;
pub mod care;
pub mod changes;
pub mod close;
pub(crate) mod cover;
pub mod dismissal;
pub(crate) mod first_sight;
pub mod launch_result;
pub mod leftover;
pub mod observe;
pub mod plan;
pub mod question;
pub mod reclaim;
pub mod redelivery;
pub mod refusal;
pub mod registration;
pub mod retry;
pub(crate) mod standing;
pub mod stray;
pub mod truth;
