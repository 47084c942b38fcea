//! How functions log: [`init`] makes `tracing` events lines of JSON on standard output, where Lambda
//! picks them up.

mod log;

pub use log::init;
