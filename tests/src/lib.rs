//! Models of what Mayfly talks to, and the means to test it against them.
//!
//! The models are as unkind as the originals: what GitHub or AWS may do, they do when told to.

pub mod bucket;
pub mod demo;
pub mod events;
pub mod fargate;
pub mod github;
pub mod inspect;
pub mod ledger;
pub mod openapi;
pub mod repository;
pub mod simulation;
pub mod stack;
pub mod system;
