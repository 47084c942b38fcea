//! One module for each command.

pub mod advise;
pub mod apply;
pub mod check;
pub mod completions;
pub mod cost;
pub mod dashboard;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod jobs;
pub mod list_filter;
pub mod logs;
mod loopback;
pub mod matching;
pub mod plan;
pub mod pools;
pub mod report;
pub mod retry;
pub mod rotate;
pub mod runners;
pub mod schema;
pub mod status;
pub mod stop;
pub mod version;

pub use mayfly_reports::page as web_page;
