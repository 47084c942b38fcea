//! `mayfly init` and `mayfly rotate`: in virtual time on the whole system's models, over HTTP as a
//! browser goes, and in a real browser.

pub(crate) mod browser;
pub(crate) mod chromium;
mod fixture;
mod page;
mod rotate;
mod setup_flow;
mod wire;
