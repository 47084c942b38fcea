//! The one adapter to GitHub's REST API.
//!
//! [`Github`] implements narrow ports: [`Registrations`], [`Runners`], [`Jobs`], [`QueuedJobs`], [`Reruns`], [`Repositories`], [`Named`],
//! [`RunnerGroups`], [`Deliveries`], [`AppItself`]; [`Stranger`] is for what needs no App ([`Conversions`], [`Releases`]). It proves itself as a GitHub
//! App (JWT), works with installation tokens that are narrowed to one permission and, where it can be, to one repository, and
//! asks nothing twice: whoever calls decides about repetition.
//!
//! hyper carries the requests and ring signs the App's JWT: what a GitHub library would add is either done here with more care (tokens narrowed to one
//! permission, redirects that never leave GitHub, answers bounded in size) or not used. Wire types are private and hold only what is used.

mod address;
mod app;
mod call;
mod client;
mod connections;
mod deliveries;
mod error;
mod github;
mod group;
mod installation;
mod job;
mod jwt;
mod limit;
mod moment;
mod moved;
mod named;
mod place;
mod queued;
mod registration;
mod releases;
mod repository;
mod rerun;
mod runner;
mod runner_groups;
mod secret;
mod setup;
mod token;

pub use address::{BadAddress, api_url};
pub use app::{AppCredentials, AppKey, CredentialsUnavailable};
pub use call::Call;
pub use deliveries::{Deliveries, DeliveriesPage, DeliveryCursor, DeliveryNow, Redelivered};
pub use error::{CallError, RegisterError};
pub use github::Github;
pub use job::{JobNow, JobStatus, Jobs};
pub use named::{GroupNow, Named};
pub use queued::{FoundJob, QueuedJobs};
pub use registration::{Registration, Registrations};
pub use releases::{Release, Releases};
pub use repository::Repositories;
pub use rerun::{Rerun, Reruns};
pub use runner::{Deleted, RunnerNow, Runners, Seen};
pub use runner_groups::{MadeGroup, RunnerGroups};
pub use secret::Secret;
pub use setup::{AccountNow, AppItself, AppNow, Conversions, HookNow, HookWanted, InstallationNow, NewApp, Stranger};
