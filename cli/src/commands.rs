//! One module for each command.

pub mod check;
pub mod completions;
pub mod jobs;
pub mod jobs_table;
pub mod matching;
pub mod pools_file;
pub mod runners;
pub mod schema;
pub mod status;
pub mod status_text;
