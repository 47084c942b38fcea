//! The whole system in one process and in virtual time: the real functions, on models of everything
//! they talk to.
//!
//! | part | what it is here |
//! | --- | --- |
//! | webhook, scaler, registrar, observer, sweeper | the real ones |
//! | DynamoDB | [`mayfly_dynamodb_model::Model`]: transactions take time, and queries see them half done |
//! | ECS | the real adapter, over [`mayfly_fargate_model::Fargate`] in the place of HTTP |
//! | GitHub | [`mayfly_github_model::model::Model`] behind the adapter's ports |
//! | SQS, SSM, Lambda, EventBridge | [`Queue`], [`Parameters`], time limits and retries of invocations |
//! | containers | what `entrypoint.sh`, the runner and its hook do, step by step |
//!
//! One thread, tokio's paused clock, every draw from one seed: the same seed tells the same story.
//! A test says what happens ([`System::queue_jobs`], faults of the models), lets time pass
//! ([`System::until`]) and looks at what came of it.
//!
//! What goes wrong is said in four places: the [`FaultInjector`] strikes calls of functions, one by
//! one; [`PlatformRates`] are what Lambda, SQS and EventBridge may do without anything being at
//! fault; the models have faults of their own; and the table's
//! [`DynamoQuirks`](mayfly_dynamodb_model::DynamoQuirks). A [`EventListener`] is told everything that
//! happens. Processes of functions have memories of their own, which die with them.

mod archive;
mod calls;
mod capacity;
mod checks;
mod clock;
mod container;
mod drive;
mod ecs;
mod event;
mod faults;
mod functions;
mod github;
mod invocation;
mod journals;
mod parameters;
mod platform_rates;
mod process;
mod queue;
mod start;
mod steps;
mod table;
mod triggers;
mod underway;
mod world;

pub use capacity::Capacity;
pub use clock::Clock;
pub use event::{CallOutcome, End, Event, EventListener};
pub use faults::{CallFault, FaultInjector, Port, PortCall};
pub use functions::Functions;
pub use github::Github;
pub use parameters::Parameters;
pub use platform_rates::PlatformRates;
pub use queue::{Batch, Queue};
pub use start::{ONE_POOL, Start};
pub use table::TablePort;
pub use triggers::Reply;
pub use world::{BadImage, ContainerBehavior, World};

use std::sync::Arc;

/// The system: what it works on, and the functions at work.
#[derive(Clone)]
pub struct System {
    /// Everything outside of the functions.
    pub world: Arc<World>,
    /// The functions.
    pub functions: Arc<Functions>,
}
