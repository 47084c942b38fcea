//! How functions log: [`init`] makes `tracing` events lines of JSON on standard output, where Lambda
//! picks them up, and tells CloudWatch which of their fields are metrics.

mod emf;
mod log;

pub use log::init;
