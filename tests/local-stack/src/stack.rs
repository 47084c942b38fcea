//! The local stack: AWS, GitHub and Fargate as processes on loopback, with the unchanged template
//! deployed on them.
//!
//! [`up`] starts it and returns when a signed delivery is answered, [`down`] ends every process of
//! it, also those that a killed `up` left behind. Anyone who wants to talk to a running stack reads
//! its [`Stack`] description.
//!
//! | process | what |
//! | --- | --- |
//! | `ministack` | AWS: API Gateway, Lambda (functions as processes), DynamoDB, SQS, SSM, IAM, STS, EventBridge |
//! | `github` | the GitHub model of this crate |
//! | `fargate` | the Fargate stand-in of this crate: ECS, and the tasks as processes |
//!
//! It needs Linux: processes are found by what `/proc` says of them.

mod aws;
mod delivery;
mod deployment;
mod description;
mod functions;
mod invocation;
mod lifecycle;
mod logs;
mod machine;
mod members;
#[cfg(test)]
mod permissions;
mod places;
mod processes;
mod session;

pub use description::Stack;
pub use functions::{FunctionProcess, LogMark, function_processes};
pub use invocation::invoke;
pub use lifecycle::{Ground, down, running, status, up};
pub use places::Places;
pub use session::with;
