//! What goes over the wire to ECS, and what its answers are taken for.

// `cfg(test)` tells clippy that all of it is tests.
#[path = "wire/answers.rs"]
#[cfg(test)]
mod answers;
#[path = "wire/definitions.rs"]
#[cfg(test)]
mod definitions;
#[path = "wire/ecs.rs"]
#[cfg(test)]
mod ecs;
#[path = "wire/requests.rs"]
#[cfg(test)]
mod requests;
