//! What tests and models share: where the repository lies, what is logged, and GitHub's published
//! descriptions.

pub mod log;
pub mod openapi;
pub mod repository;
