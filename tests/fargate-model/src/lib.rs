//! A model of ECS on Fargate, and a server that runs its tasks as local processes.
//!
//! The inner half is pure: [`Fargate`] has no clock, no randomness and no I/O. The time and a
//! source of draws come in with every call as a [`Moment`]; what has to happen in the world comes
//! out as [`Effect`]s. A simulation drives the very same code that answers HTTP requests here.
//!
//! The outer half gives it a world: [`serve`] speaks the AWS JSON 1.1 protocol, runs tasks as
//! process sessions, serves their credentials and tells the observer function what became of them.
//!
//! Sources: the ECS API reference (shapes, limits and messages as in botocore's service model), the
//! ECS developer guide (task life cycle, idempotency, throttling, Fargate Spot). Where those are
//! silent, the unkindest behaviour that users have reported.

mod answer;
mod awslogs;
mod control;
mod credentials;
mod definitions;
mod delivery;
mod events;
mod faults;
mod flags;
mod host;
mod journal;
mod life;
mod model;
mod moment;
mod names;
mod placement;
mod processes;
mod protocol;
mod quotas;
mod reads;
mod recording;
mod requests;
mod requirements;
mod server;
mod session;
mod settings;
mod sizes;
mod status;
mod task;
mod throttle;
mod tokens;

pub use answer::{Answer, Delivery, Refusal};
pub use awslogs::LogStream;
pub use events::{EventCounts, TaskEvent};
pub use faults::{Fault, FaultKind};
pub use flags::Flags;
pub use journal::{Change, Journal};
pub use life::{ContainerSpec, Effect};
pub use model::Fargate;
pub use moment::Moment;
pub use names::{Operation, TaskId};
pub use placement::IDLE_COMMAND;
pub use processes::folder_of_image;
pub use server::{Server, serve};
pub use settings::Settings;
pub use status::{DesiredStatus, LastStatus, StopCode};
