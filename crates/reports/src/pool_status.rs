//! Every pool as the ledger has it now: active, or gone and draining.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use mayfly_domain::model::id::{JobId, PoolName, RunnerId};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::{Plan, plan};
use mayfly_ledger::pool_snapshot::PoolSnapshot;
use mayfly_ledger::{Ledger, LedgerError, Store, Versioned};

/// How many items are asked for at a time.
const AT_ONCE: usize = 16;

/// One pool.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// As the pools file has it; one that is gone launches nothing (`max` 0).
    pub pool: Pool,
    /// No pools file has it any more: what is left in it drains.
    pub gone: bool,
    /// What scaler would see.
    pub look: PoolSnapshot,
    /// What it would do.
    pub plan: Plan,
}

/// The pools, by name. Those of the ledger are read even if no pools file is known.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn read<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    now: Timestamp,
) -> Result<Vec<PoolStatus>, LedgerError> {
    let looks = stream::iter(known(ledger, pools).await?.into_values())
        .map(|(pool, gone)| looked_at(ledger, pool, gone, now));
    looks.buffered(AT_ONCE).try_collect().await
}

/// The pools of the ledger, and those of the pools file that have not been planned yet; with each,
/// whether it is gone from the file.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn known<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
) -> Result<BTreeMap<PoolName, (Pool, bool)>, LedgerError> {
    let mut all: BTreeMap<PoolName, (Pool, bool)> = BTreeMap::new();
    for entry in ledger.pool_entries().await? {
        all.insert(
            entry.name.clone(),
            (Pool::removed(entry.name, entry.size), true),
        );
    }
    for pool in pools.iter().flat_map(|pools| &pools.pools) {
        all.insert(pool.name.clone(), (pool.clone(), false));
    }
    Ok(all)
}

/// One pool. `size` is for one that is gone.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn one<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    name: &PoolName,
    size: Size,
    now: Timestamp,
) -> Result<PoolStatus, LedgerError> {
    let known = pools.and_then(|pools| pools.get(name));
    let pool = known
        .cloned()
        .unwrap_or_else(|| Pool::removed(name.clone(), size));
    looked_at(ledger, pool, known.is_none(), now).await
}

async fn looked_at<S: Store>(
    ledger: &Ledger<S>,
    pool: Pool,
    gone: bool,
    now: Timestamp,
) -> Result<PoolStatus, LedgerError> {
    let look = ledger.pool_snapshot(&pool.name).await?;
    let plan = planned(&pool, &look, now);
    Ok(PoolStatus {
        pool,
        gone,
        look,
        plan,
    })
}

/// What scaler would do with a look, as far as that can be known from outside. It compares
/// definitions of tasks with those that starts failed or went well with; here the one that was used
/// last stands for the one it would use.
fn planned(pool: &Pool, look: &PoolSnapshot, now: Timestamp) -> Plan {
    let of_health = look.health.sizes.iter().filter_map(|(size, health)| {
        let definition = health
            .failed_definition
            .as_ref()
            .or(health.verified_definition.as_ref())?;
        Some((size.clone(), definition.clone()))
    });
    let mut definitions: BTreeMap<String, String> = of_health.collect();
    for runner in &look.runners {
        definitions
            .entry(runner.size.to_string())
            .or_insert_with(|| runner.launch.definition.clone());
    }
    let limits = Limits {
        github: look.limits.clone(),
        launches: usize::MAX,
        definitions,
    };
    plan(pool, &look.health, &look.jobs, &look.runners, &limits, now)
}

impl PoolStatus {
    /// An open runner of it.
    #[must_use]
    pub fn runner(&self, id: &RunnerId) -> Option<&Runner> {
        self.look.runners.iter().find(|runner| runner.id == *id)
    }
}

/// Records of jobs, several at a time. One that is not there is left out.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn records<S: Store>(
    ledger: &Ledger<S>,
    jobs: BTreeSet<JobId>,
) -> Result<BTreeMap<JobId, JobRecord>, LedgerError> {
    let reads = stream::iter(jobs).map(|job| async move {
        Ok::<_, LedgerError>(ledger.job(job).await?.map(|record| (job, record)))
    });
    let found: Vec<Option<(JobId, JobRecord)>> =
        reads.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Most follow-ups that are read: more are open only after an outage, and the oldest are not the
/// first.
const MOST_OUTBOX_ENTRIES: usize = 2_000;

/// What sweeper has yet to see to; `false` with it if there is more than was read.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn outbox_entries<S: Store>(
    ledger: &Ledger<S>,
) -> Result<(Vec<OutboxEntry>, bool), LedgerError> {
    let mut open = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = ledger.outbox_page("", after.as_deref()).await?;
        open.extend(page.entries.into_iter().map(Versioned::into_inner));
        after = page.next;
        if after.is_none() || open.len() >= MOST_OUTBOX_ENTRIES {
            return Ok((open, after.is_none()));
        }
    }
}

/// All that is open: what every report of the moment is made of, read once for them all.
#[derive(Clone, Debug)]
pub struct OpenWork {
    /// The pools, with what scaler would do.
    pub pools: Vec<PoolStatus>,
    /// What sweeper has yet to see to.
    pub outbox: Vec<OutboxEntry>,
    /// That is all of it.
    pub whole: bool,
}

impl OpenWork {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn read<S: Store>(
        ledger: &Ledger<S>,
        pools: Option<&Pools>,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        let (pools, (outbox, whole)) =
            futures::try_join!(read(ledger, pools, now), outbox_entries(ledger))?;
        Ok(Self {
            pools,
            outbox,
            whole,
        })
    }
}

/// The job that a follow-up is about, if it is one that is not over as far as is known.
#[must_use]
pub fn job_of(follow_up: &FollowUp) -> Option<JobId> {
    match follow_up {
        FollowUp::CheckJob(job) | FollowUp::MatchJob { job, .. } => Some(*job),
        _ => None,
    }
}
