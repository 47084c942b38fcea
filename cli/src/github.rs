//! GitHub, as commands ask it: as the App, or before there is one.

pub mod access;
pub mod runner_group;
pub mod setup;
