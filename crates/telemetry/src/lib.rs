//! How functions speak, and what they never say.
//!
//! [`init`] makes `tracing` events lines of JSON on standard output, where Lambda picks them up;
//! [`Secret`] holds what must not appear there.

mod log;
mod secret;

pub use log::init;
pub use secret::Secret;
