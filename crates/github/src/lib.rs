//! The one adapter to GitHub's REST API.
//!
//! [`Github`] implements narrow ports: [`Registrations`], [`Runners`], [`Jobs`], [`QueuedJobs`],
//! [`Reruns`], [`Repositories`], [`Lookup`], [`RunnerGroups`], [`Deliveries`], [`AppApi`];
//! [`Unauthenticated`] is for what needs no App ([`Conversions`], [`Releases`]). It proves itself
//! as a GitHub App (JWT), works with installation tokens that are narrowed to one permission and,
//! where it can be, to one repository, and never repeats a call: the caller decides about retries.
//!
//! hyper carries the requests and ring signs the App's JWT: what a GitHub library would add is
//! either done here with more care (tokens narrowed to one permission, redirects that never leave
//! GitHub, answers bounded in size) or not used. Wire types are private and hold only what is used.

mod address;
mod app;
mod call;
mod client;
mod connections;
mod deliveries;
mod endpoint;
mod error;
mod github;
mod group;
mod group_ids;
mod installation;
mod job;
mod jwt;
mod limit;
mod logins;
mod lookup;
mod registration;
mod reinstallations;
mod releases;
mod renames;
mod reply;
mod repository;
mod request;
mod rerun;
mod runner;
mod runner_groups;
mod setup;
mod timestamp;
mod token;
mod waiting_jobs;

pub use address::{BadAddress, api_url};
pub use app::{AppCredentials, CredentialsUnavailable};
pub use deliveries::{Deliveries, DeliveriesPage, DeliveryAttempt, DeliveryCursor, Redelivered};
pub use error::{CallError, RegisterError};
pub use github::Github;
pub use job::{JobStatus, Jobs, WorkflowJob};
pub use lookup::{Lookup, RunnerGroupAccess};
pub use registration::{Registration, Registrations};
pub use releases::{Release, Releases};
pub use repository::Repositories;
pub use request::Call;
pub use rerun::{Rerun, Reruns};
pub use runner::{Deleted, RunnerInfo, RunnerLookup, Runners};
pub use runner_groups::{MadeGroup, RunnerGroups};
pub use setup::{
    Account, AppApi, AppInfo, Conversions, Installation, NewApp, Unauthenticated, WebhookConfig,
    WebhookUpdate,
};
pub use waiting_jobs::{FoundJob, QueuedJobs};
