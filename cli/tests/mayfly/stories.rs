//! What `mayfly` says of the system: stories are told in virtual time, then the command asks and
//! its answer is held against what it was.
//!
//! Times, spans, costs and ids are left out of what is compared: they depend on every draw of a
//! story. How they are written is tested where they are.

mod advise;
mod authority;
mod changing;
pub(crate) mod cost;
mod doctor;
mod doctor_fixture;
mod doctor_probe_report;
mod doctor_probe_run;
mod explain;
mod explain_github;
pub(crate) mod fixture;
mod lists;
mod logs;
mod plan_apply;
mod retry;
mod status;
mod stop;
#[path = "../../../tests/simulator/tests/system/start.rs"]
#[allow(dead_code, reason = "stories of the system need more of it")]
pub(crate) mod told;
