//! scaler: looks at a pool when it is woken, plans, commits the plan, and sends what it says.
//!
//! The only function that launches. Whatever kills it on the way, the rows tell the next run what
//! to finish.

mod batch;
mod holds;
mod launches;
mod plans;
mod repositories;
mod scaler;

pub use scaler::{Deps, EcsPort, Scaler, launch_config};
