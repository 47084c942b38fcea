//! The adapter against servers that answer whatever a test wants, and against the model of GitHub:
//! what is asked, and what comes of each answer.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly, like tests"
)]

mod against_the_model;
mod deadlines;
mod deliveries;
mod jobs;
mod lookup;
mod registrations;
mod releases;
mod renames;
mod runners;
mod stub;
mod tokens;
mod waiting_jobs;
