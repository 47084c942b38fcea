//! The deterministic simulation: the real functions on models of everything they talk to, in
//! virtual time, told as many stories as there are seeds.
//!
//! A seed makes a [`Scenario`]: pools, pushes, cancellations, changes of settings, outages,
//! attacks, and what goes wrong by itself. [`run_story`] tells it, and holds every step and the end
//! of it against the promises of docs/RELIABILITY.md by what the models know. The same seed tells
//! the same story.

mod actions;
mod attackers;
mod budget;
mod cost_bounds;
mod exemptions;
mod fault_schedule;
mod figures;
mod files;
mod final_checks;
mod garbage;
mod generate;
mod invariants;
mod last_fault;
mod liveness;
mod logs;
mod options;
mod pace;
mod panics;
mod recorder;
mod report;
mod reruns;
mod run;
mod scenario;
mod shadow_model;
mod shrink;
mod story_run;
mod trace;
mod undelivered;
mod violation;
mod workloads;

pub use figures::{Figures, JobEnd};
pub use generate::{Profile, scenario};
pub use pace::PerMinute;
pub use recorder::{CallName, Calls, Keep};
pub use run::main;
pub use scenario::{
    Act, Action, Batch, CallFaultKind, Fake, FaultProfile, Moment, NthCallFault, Outage,
    PlatformSpec, PoolSpec, PoolsFile, Rate, Scenario, Stranger, Tight, Timing,
};
pub use shrink::{Shrunk, shrink, smallest};
pub use story_run::{RunResult, run_story};
pub use violation::{Invariant, Violation};
