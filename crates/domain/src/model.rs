//! The nouns: jobs, runners, pools, and all that is written down of them. No module here decides
//! what happens next.

pub mod app_key;
pub mod assignment;
pub mod end;
pub(crate) mod exit_code;
pub mod failed_delivery;
pub(crate) mod github_job;
pub mod hold;
pub mod id;
pub mod interruption;
pub mod job;
pub mod job_timeline;
pub mod label;
pub mod limits;
pub mod matching;
pub mod metric;
pub(crate) mod mistyped_label;
pub mod outbox;
pub mod placement;
pub mod pool;
pub mod price;
pub mod retention;
pub mod runner;
pub mod secret;
pub mod signature;
pub mod size;
pub mod spend;
pub mod start_failure;
pub mod start_health;
pub mod stop_request;
pub(crate) mod stored;
pub mod story;
pub mod target;
pub mod task;
pub mod time;
pub mod timeouts;
