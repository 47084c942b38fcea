//! Tests of this crate's public face, one module for each part.

mod pools_file;
mod store;
