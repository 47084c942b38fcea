//! One module for each command.

pub mod check;
pub mod completions;
pub mod matching;
pub mod pools_file;
pub mod schema;
