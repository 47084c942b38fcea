//! A probe's result, and what else is known.

use std::time::Duration;

use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::LaunchFailure;
use mayfly_ecs::probe::Report;

use super::kind::Kind;
use crate::commands::doctor::runner_version::Newest;
use crate::failure::Failure;

/// How long one may take from the call to the last line: Fargate needs about a minute, and what
/// needs five will not live.
pub const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A probe's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// ECS took no task definition, or started no task.
    NotStarted {
        /// Why, by what can be done about it; none: ECS did not say.
        kind: Option<LaunchFailure>,
        /// ECS's words.
        reason: String,
    },
    /// Its task ended, or said all it had to say.
    Ended {
        /// What ECS says of it.
        task: Box<Task>,
        /// What it said.
        report: Report,
    },
    /// Its time was over.
    Late {
        /// How far ECS came with it; none: it never showed it.
        task: Option<Box<Task>>,
    },
    /// What became of it cannot be seen.
    Unseen(Failure),
}

/// A probe, and its task if it may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// What it tried.
    pub kind: Kind,
    /// The result.
    pub came: ProbeResult,
    /// A task that could not be stopped.
    pub left: Option<TaskArn>,
}

/// What is known besides.
#[derive(Clone, Debug)]
pub struct ProbeContext {
    /// Where the deployment is.
    pub region: String,
    /// Tasks have public addresses.
    pub public_ip: bool,
    /// Where the endpoint is.
    pub url: String,
    /// What must answer: its name, its URL.
    pub reach: Vec<(String, String)>,
    /// What GitHub says of the runner's versions.
    pub newest: Newest,
    /// The present.
    pub now: Timestamp,
}
