//! The deterministic simulation: the real functions on models of everything they talk to, in virtual time, told as many stories as there are seeds.
//!
//! A seed makes a [`Scenario`]: pools, pushes, cancellations, changes of settings, outages, attacks, and what goes wrong by itself. [`tell`] tells
//! it, and holds every step and the end of it against the promises of docs/RELIABILITY.md by what the models know. The same seed tells the same story.

mod budget;
mod deeds;
mod draw;
mod ending;
mod excuse;
mod figures;
mod files;
mod forecast;
mod hostile;
mod invariants;
mod leftovers;
mod logs;
mod mirror;
mod options;
mod pace;
mod panics;
mod patience;
mod quiet;
mod report;
mod reruns;
mod run;
mod scenario;
mod shrink;
mod spending;
mod tell;
mod trace;
mod undelivered;
mod violation;
mod watch;
mod workloads;

pub use draw::{Profile, scenario};
pub use figures::{Figures, JobEnd};
pub use pace::PerMinute;
pub use run::main;
pub use scenario::{
    Act, Batch, Blow, Deed, Fake, Moment, Outage, PoolSpec, PoolsFile, Rate, Scenario, Stranger, Strike, Tight, Timing, Trouble, Unkindness,
};
pub use shrink::{Shrunk, shrink, smallest};
pub use tell::{Told, tell};
pub use violation::{Invariant, Violation};
pub use watch::{CallName, Calls, Keep};
