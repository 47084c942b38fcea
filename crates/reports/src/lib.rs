//! What the ledger says of pools, jobs, runners and costs, and the pages that show it. The command and
//! the `dashboard` function share it, so that both say the same. Nothing here writes.

pub mod cost;
pub mod drift;
pub mod ended;
pub mod hosted;
pub mod jobs;
pub mod killed;
pub mod live_page;
pub mod look;
pub mod page;
pub mod pool_status;
pub mod report_page;
pub mod runner_phase;
pub mod start_summary;
pub mod status;
pub mod summary;
pub mod text;
pub mod time_format;
pub mod wait_reason;
pub mod widget;
