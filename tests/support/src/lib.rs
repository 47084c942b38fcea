//! What tests and models share: where the repository lies, and GitHub's published descriptions.

pub mod openapi;
pub mod repository;
