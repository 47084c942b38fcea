//! The adapter and the model of GitHub, over HTTP: what the one asks, the other knows.

mod deliveries;
mod failures;
mod jobs;
mod named;
mod published;
mod queued;
mod registrations;
mod runners;
mod tokens;
mod world;
