//! Everything about ECS: tasks are started, stopped and looked at here, and nowhere else.
//!
//! The ports ([`Registry`], [`Launcher`], [`Stopper`], [`Tasks`]) are one capability each; [`Fleet`] has them all, over
//! the ECS API. What is to be sent is plain data made by pure functions ([`LaunchRequest`], [`Definition`]), so that a
//! launch can be written to the ledger first and repeated to the letter.

mod definition;
mod error;
pub mod event;
mod fleet;
mod launch;
mod look;
mod pace;
pub mod probe;
mod reason;
mod register;
mod request;
mod site;
mod state;
mod stop;

pub use definition::{Definition, without_comments};
pub use error::{FailedCall, FleetError, Verdict};
pub use fleet::Fleet;
pub use launch::{LaunchAnswer, LaunchFailure, Launcher};
pub use look::{Described, Tasks};
pub use pace::{Pace, Sending, Sent, launch_all};
pub use register::Registry;
pub use request::{LaunchRequest, Network, Placement, Resources};
pub use site::Site;
pub use stop::Stopper;
