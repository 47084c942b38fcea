//! sweeper: the safety net. Every minute, one at a time: wakes every pool, minds the limits of
//! every runner, asks ECS and GitHub about what has been open for too long.
//!
//! One bad item never stops the rest; whatever a sweep does not get to, the next one does.

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

pub use sweeper::{Deps, EcsPort, GitHub, Sweeper};
