//! The functions' settings: the environment, the pools file, secrets, and how AWS is reached.

pub mod aws;
pub mod environment;
pub mod parameter;
pub mod pools_file;
pub mod secrets;
pub mod store;
