//! `mayfly init` and `mayfly rotate`: in virtual time on the whole system's models, over HTTP as a browser goes, and in a real browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod browser;
mod chromium;
mod making;
mod page;
mod rotating;
mod scene;
mod wire;
