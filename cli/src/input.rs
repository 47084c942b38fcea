//! What people name and hand in: jobs, runners, pools files, keys.

pub mod job_arg;
pub mod key_file;
pub mod pools_file;
pub mod runner_arg;
