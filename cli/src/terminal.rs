//! The terminal: where answers go, and in which form people read them.

pub mod progress;
pub mod screen;
pub mod table;
pub mod text_format;

pub use mayfly_reports::time_format;
