//! The active pools, and what is left of others.

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::{Pool, Pools as InForce, RepositoryPattern};
use mayfly_domain::model::target::Scope;
use mayfly_ledger::{Ledger, LedgerError, Store};
use serde::Serialize;

use crate::commands::plan::difference;
use crate::commands::plan::effects::Live;
use crate::deployment::pools_store::Version;
use crate::terminal::text_format::size;
use crate::terminal::time_format::Rfc3339;

/// The active pools, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct PoolsReport {
    /// The active version.
    pub version: u64,
    /// A newer version that is broken, and so is active nowhere.
    pub broken: Option<u64>,
    /// When the newest version was applied.
    pub applied_at: Option<Rfc3339>,
    /// By whom, if the store tells.
    pub applied_by: Option<String>,
    /// Who is served.
    pub accounts: Vec<String>,
    /// The pools, in the file's order.
    pub pools: Vec<Shown>,
    /// Pools that are gone and not empty.
    pub draining: Vec<Draining>,
}

/// One pool.
#[derive(Clone, Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "each is the pools file's key of the same name, with its unit"
)]
pub struct Shown {
    pub pool: PoolName,
    pub labels: Vec<String>,
    pub any: bool,
    pub priority: i32,
    pub scope: &'static str,
    pub runner_group: Option<String>,
    pub repositories: Vec<String>,
    pub public: bool,
    pub vcpu: f64,
    pub memory_mib: u32,
    pub disk_gib: u32,
    pub architecture: &'static str,
    pub capacity: &'static str,
    pub image: String,
    pub task_role: Option<String>,
    pub max: u32,
    pub max_per_repository: Option<u32>,
    pub min_idle: u32,
    pub idle_timeout_seconds: u64,
    pub max_lifetime_seconds: u64,
    pub rerun_interrupted: bool,
    /// The size in words.
    #[serde(skip)]
    pub size: String,
}

/// A pool that no pools file has, and that is not empty yet.
#[derive(Clone, Debug, Serialize)]
pub struct Draining {
    /// Its name.
    pub pool: PoolName,
    /// Since when it is gone, once a sweep has noticed.
    pub gone_at: Option<Rfc3339>,
    /// What is left in it.
    pub now: Live,
}

/// What is known of the file.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The newest version.
    pub newest: &'a Version,
    /// Who wrote it.
    pub author: Option<String>,
    /// The active pools, of that version or an earlier one.
    pub pools: &'a InForce,
}

/// Puts the answer together.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store>(
    ledger: &Ledger<S>,
    known: &Known<'_>,
) -> Result<PoolsReport, LedgerError> {
    let Known {
        newest,
        author,
        pools,
    } = known;
    let mut draining = Vec::new();
    for entry in ledger
        .pool_entries()
        .await?
        .into_iter()
        .filter(|entry| pools.get(&entry.name).is_none())
    {
        let now = Live::of(
            &ledger.runners(&entry.name).await?,
            ledger.waiting_jobs(&entry.name).await?.len(),
        );
        if !now.is_empty() {
            draining.push(Draining {
                pool: entry.name,
                gone_at: entry.gone_at.map(Rfc3339),
                now,
            });
        }
    }
    Ok(PoolsReport {
        version: pools.version,
        broken: (newest.number != pools.version).then_some(newest.number),
        applied_at: newest.at.map(Rfc3339),
        applied_by: author.clone(),
        accounts: pools
            .accounts
            .iter()
            .map(|account| account.login.clone())
            .collect(),
        pools: pools.pools.iter().map(shown).collect(),
        draining,
    })
}

fn shown(pool: &Pool) -> Shown {
    let (scope, runner_group) = match &pool.scope {
        Scope::Repository => ("repository", None),
        Scope::Organization { group } => ("organization", Some(group.clone())),
    };
    Shown {
        pool: pool.name.clone(),
        labels: pool.labels.iter().map(str::to_owned).collect(),
        any: pool.any,
        priority: pool.priority,
        scope,
        runner_group,
        repositories: pool
            .repositories
            .iter()
            .map(|RepositoryPattern(pattern)| pattern.clone())
            .collect(),
        public: pool.public,
        vcpu: f64::from(pool.size.cpu) / 1024.0,
        memory_mib: pool.size.memory_mib,
        disk_gib: pool.size.disk_gib,
        architecture: difference::architecture(pool.size.architecture),
        capacity: difference::capacity(pool.size.capacity),
        image: pool.image.clone(),
        task_role: pool.task_role.clone(),
        max: pool.max,
        max_per_repository: pool.max_per_repository,
        min_idle: pool.min_idle,
        idle_timeout_seconds: pool.idle_timeout.as_secs(),
        max_lifetime_seconds: pool.max_lifetime.as_secs(),
        rerun_interrupted: pool.rerun_interrupted,
        size: size(&pool.size),
    }
}
