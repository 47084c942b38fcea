//! sweeper: the safety net. Runs every minute, one sweep at a time: wakes every pool, enforces the
//! time limits of every runner, and asks ECS and GitHub about what has been open for too long.
//!
//! One bad item never stops the rest; whatever a sweep does not get to, the next one does.

mod archive;
mod budget;
mod deliveries;
mod jobs;
mod listed_runners;
mod liveness;
mod may_ask;
mod orphans;
mod outbox;
mod pools;
mod reconcile;
mod registrations_gc;
mod repositories;
mod reruns;
mod runners;
mod sweep;
mod sweeper;
mod tasks;
mod work_outcome;

pub use sweeper::{Archive, Deps, EcsPort, GitHub, Sweeper};
