//! The adapter against the model of ECS on Fargate, over HTTP.

mod definitions;
mod launches;
mod stand;
mod tasks;
