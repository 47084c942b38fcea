//! Where things lie in the table (`docs/ARCHITECTURE.md`, the ledger).

use std::fmt;

use mayfly_domain::model::failed_delivery::DeliveryGuid;
use mayfly_domain::model::id::{
    InstallationId, JobId, PoolName, RepositoryId, RunId, RunnerAddress, RunnerId,
};
use mayfly_domain::model::outbox::FollowUp;
use serde::{Deserialize, Serialize};

/// Primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Partition key, attribute `pk`.
    pub pk: String,
    /// Sort key, attribute `sk`.
    pub sk: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// Begins the sort key of every waiting row.
pub const JOB_PREFIX: &str = "job#";

/// Begins the sort key of every runner's row.
pub const RUNNER_PREFIX: &str = "runner#";

fn key(pk: impl Into<String>, sk: impl Into<String>) -> Key {
    Key {
        pk: pk.into(),
        sk: sk.into(),
    }
}

/// Partition of a pool: its meta, health, waiting jobs and open runners.
#[must_use]
pub fn pool(pool: &PoolName) -> String {
    format!("pool#{pool}")
}

/// A pool's version.
#[must_use]
pub fn meta(name: &PoolName) -> Key {
    key(pool(name), "meta")
}

/// A pool's health.
#[must_use]
pub fn health(name: &PoolName) -> Key {
    key(pool(name), "health")
}

/// A waiting job's row. Twenty digits, so that the order of keys is the order of ids.
#[must_use]
pub fn waiting(name: &PoolName, job: JobId) -> Key {
    key(pool(name), format!("{JOB_PREFIX}{:020}", job.0))
}

/// An open runner's row.
#[must_use]
pub fn runner(address: &RunnerAddress) -> Key {
    key(
        pool(&address.pool),
        format!("{RUNNER_PREFIX}{}", address.runner),
    )
}

/// A job's record.
#[must_use]
pub fn job_record(job: JobId) -> Key {
    key(format!("job#{job}"), "record")
}

/// A closed runner's record.
#[must_use]
pub fn runner_record(runner: &RunnerId) -> Key {
    key(format!("runner#{runner}"), "record")
}

/// Partition of the active pools.
pub const POOLS: &str = "pools";

/// An active pool, or one that still drains.
#[must_use]
pub fn pool_entry(name: &PoolName) -> Key {
    key(POOLS, name.as_str())
}

/// Until when an installation has to leave GitHub alone.
#[must_use]
pub fn limit(installation: InstallationId) -> Key {
    key("limits", installation.to_string())
}

/// Who sweeps.
#[must_use]
pub fn lease() -> Key {
    key("sweeper", "lease")
}

/// Partition of what sweeper has to see to.
pub const OUTBOX: &str = "outbox";

/// A follow-up.
#[must_use]
pub fn outbox_entry(follow_up: &FollowUp) -> Key {
    outbox_entry_named(&follow_up.to_string())
}

/// The follow-up of this name.
#[must_use]
pub fn outbox_entry_named(name: &str) -> Key {
    key(OUTBOX, name)
}

/// How far sweeper got with a list that is longer than one sweep.
#[must_use]
pub fn cursor(list: &str) -> Key {
    key("sweeper", format!("cursor#{list}"))
}

/// The mark of a settled event: GitHub is not asked for it again.
#[must_use]
pub fn delivery(guid: &DeliveryGuid) -> Key {
    key("sweeper", format!("delivery#{guid}"))
}

/// Who applies a pools file.
#[must_use]
pub fn apply_lock() -> Key {
    key("apply_lock", "lock")
}

/// Partition of the repositories that jobs came from lately.
pub const REPOSITORIES: &str = "repositories";

/// A repository that jobs came from lately.
#[must_use]
pub fn repository(id: RepositoryId) -> Key {
    key(REPOSITORIES, id.to_string())
}

/// Partition of the repositories of an account that jobs came from while it was not served. Logins
/// are compared without case.
#[must_use]
pub fn unserved(login: &str) -> String {
    format!("unserved#{}", login.to_ascii_lowercase())
}

/// One of them.
#[must_use]
pub fn unserved_repository(login: &str, id: RepositoryId) -> Key {
    key(unserved(login), id.to_string())
}

/// What GitHub was asked to run again of a run.
#[must_use]
pub fn rerun(run: RunId) -> Key {
    key("reruns", run.to_string())
}
