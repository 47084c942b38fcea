//! What a pools file would change, gathered from the file, the ledger and the account's quotas.

use std::time::Duration;

use mayfly_config::pools_file::Vcpus;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::price::{NanoDollars, NoPrice, PriceList};
use mayfly_domain::model::size::Capacity;
use mayfly_ledger::{Ledger, LedgerError, Store};
use serde::{Serialize, Serializer};

use super::difference::{self, Differing, KeyChange, Kind};
use super::effects::{Destinations, Live, effects};
use crate::commands::doctor::quota;
use crate::deployment::drift::Drift;
use crate::deployment::pools_store::Version;
use crate::input::pools_file::Readable;
use crate::terminal::time_format::Rfc3339;

/// Hours of a month, as AWS's price pages count them.
const MONTH: Duration = Duration::from_secs(730 * 60 * 60);

/// Waiting jobs of a pool that goes whose new pool is looked up; of more it is only said how many
/// they are.
const PLACED: usize = 50;

/// The version of the active file.
#[derive(Clone, Debug, Serialize)]
pub struct ActivePools {
    /// Its number.
    pub version: u64,
    /// When it was applied.
    pub applied_at: Option<Rfc3339>,
    /// By whom, if the store tells.
    pub applied_by: Option<String>,
}

/// What happens to one pool.
#[derive(Clone, Debug, Serialize)]
pub struct PoolPlan {
    /// Its name.
    pub pool: PoolName,
    /// What.
    pub change: Kind,
    /// Key by key.
    pub keys: Vec<KeyChange>,
    /// What is in it now.
    pub now: Live,
    /// What that means for what is in it now.
    pub effects: Vec<String>,
}

/// What runners that are kept waiting cost a month, each file at its own prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdleCost {
    /// Where the stack is.
    pub region: String,
    /// As it is, in billionths of a dollar; none if a price is not known.
    pub before_nanodollars: Option<NanoDollars>,
    /// As it would be.
    pub after_nanodollars: Option<NanoDollars>,
    /// Why one of them is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cost: Option<String>,
}

/// How many vCPUs run at a time when every pool is at its `max`, and how many the account may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VcpuPlan {
    /// Each capacity has a quota of its own.
    #[serde(serialize_with = "as_the_file_says")]
    pub capacity: Capacity,
    /// As it is.
    pub before: u64,
    /// As it would be.
    pub after: u64,
    /// The account's quota; none if it is not known.
    pub allowed: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_the_file_says<S: Serializer>(capacity: &Capacity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(difference::capacity(*capacity))
}

/// What a pools file would change.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The deployment.
    pub stack: String,
    /// The file.
    pub file: String,
    /// What it would take the place of.
    pub active_pools: Option<ActivePools>,
    /// It was written by other means than `mayfly apply`.
    pub drift: Option<Drift>,
    /// The file is the same to the byte.
    pub same: bool,
    /// What is different under `[github]`.
    pub github: Vec<KeyChange>,
    /// What is different under `[prices]`.
    pub prices: Vec<KeyChange>,
    /// What is different under `[metrics]`.
    pub metrics: Vec<KeyChange>,
    /// What is different under `[history]`.
    pub history: Vec<KeyChange>,
    /// Pools that are different.
    pub pools: Vec<PoolPlan>,
    /// The idle floor's price.
    pub idle_a_month: IdleCost,
    /// vCPUs at `max`, for each capacity that a pool has or had.
    pub vcpus: Vec<VcpuPlan>,
}

/// What a plan compares.
pub struct Compared<'a> {
    /// The newest version of the parameter, good or not.
    pub newest: Option<&'a Version>,
    /// Who wrote that.
    pub author: Option<String>,
    /// That it was not `mayfly apply` who did.
    pub drift: Option<Drift>,
    /// The active pools.
    pub before: Option<&'a Pools>,
    /// The file that would take its place.
    pub file: &'a Readable,
    /// The stack's region.
    pub region: &'a str,
    /// Runners have a public address, which costs.
    pub public_ip: bool,
    /// How many vCPUs the account may run, as far as that is known.
    pub allowed: Vcpus,
}

/// Makes the plan.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store>(
    ledger: &Ledger<S>,
    compared: &Compared<'_>,
    stack: &str,
    file: String,
) -> Result<Plan, LedgerError> {
    let Compared {
        newest,
        author,
        drift,
        before,
        file: Readable { text, pools: after },
        region,
        public_ip,
        allowed,
    } = compared;
    let mut pools = Vec::new();
    for differing in difference::pools(*before, after) {
        pools.push(pool_plan(ledger, &differing, after).await?);
    }
    let active_pools = newest.map(|version| ActivePools {
        version: version.number,
        applied_at: version.at.map(Rfc3339),
        applied_by: author.clone(),
    });
    Ok(Plan {
        stack: stack.to_owned(),
        file,
        active_pools,
        drift: drift.clone(),
        same: newest.is_some_and(|version| version.text == *text),
        github: difference::github(*before, after),
        prices: difference::prices(*before, after),
        metrics: difference::metrics(*before, after),
        history: difference::history(*before, after),
        pools,
        idle_a_month: idle_cost(*before, after, region, *public_ip),
        vcpus: vcpus(*before, after, *allowed),
    })
}

async fn pool_plan<S: Store>(
    ledger: &Ledger<S>,
    differing: &Differing<'_>,
    after: &Pools,
) -> Result<PoolPlan, LedgerError> {
    let runners = ledger.runners(differing.name).await?;
    let waiting = ledger.waiting_jobs(differing.name).await?;
    let now = Live::of(&runners, waiting.len());
    let mut jobs = Vec::new();
    if differing.kind() == Kind::Remove {
        for row in waiting.iter().take(PLACED) {
            jobs.extend(ledger.job(row.id).await?);
        }
    }
    let effects = effects(differing, &now, &Destinations::of(&jobs, after));
    Ok(PoolPlan {
        pool: differing.name.clone(),
        change: differing.kind(),
        keys: differing.keys.clone(),
        now,
        effects,
    })
}

/// vCPUs at `max`, before and after, by capacity.
fn vcpus(before: Option<&Pools>, after: &Pools, allowed: Vcpus) -> Vec<VcpuPlan> {
    let kinds = [
        (Capacity::OnDemand, allowed.on_demand),
        (Capacity::Spot, allowed.spot),
    ];
    let each = kinds.map(|(capacity, allowed)| VcpuPlan {
        capacity,
        before: before.map_or(0, |before| quota::at_max(&before.pools, capacity)),
        after: quota::at_max(&after.pools, capacity),
        allowed,
    });
    each.into_iter()
        .filter(|one| one.before > 0 || one.after > 0)
        .collect()
}

/// What idle floors cost a month, before and after.
fn idle_cost(before: Option<&Pools>, after: &Pools, region: &str, public_ip: bool) -> IdleCost {
    let before = before.map_or(Ok(NanoDollars(0)), |before| {
        idle_a_month(before, region, public_ip)
    });
    let after = idle_a_month(after, region, public_ip);
    let unknown = after.as_ref().err().or(before.as_ref().err());
    IdleCost {
        region: region.to_owned(),
        no_cost: unknown.map(ToString::to_string),
        before_nanodollars: before.ok(),
        after_nanodollars: after.ok(),
    }
}

/// What the idle floors of all pools cost a month.
fn idle_a_month(pools: &Pools, region: &str, public_ip: bool) -> Result<NanoDollars, NoPrice> {
    let list = PriceList {
        region,
        own: &pools.prices,
        public_ip,
    };
    let mut floors = pools.pools.iter().filter(|pool| pool.floor() > 0);
    floors.try_fold(NanoDollars(0), |sum, pool| {
        let one = list.hourly(&pool.size)?.cost(MONTH);
        let all = one.0.saturating_mul(pool.floor().into());
        Ok(NanoDollars(sum.0.saturating_add(all)))
    })
}

impl Plan {
    /// True if applying the file changes what Mayfly does.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        self.sections().iter().any(|(_, keys)| !keys.is_empty()) || !self.pools.is_empty()
    }

    /// The sections beside the pools, and what is different in each.
    #[must_use]
    pub fn sections(&self) -> [(&'static str, &[KeyChange]); 4] {
        [
            ("github", &self.github),
            ("prices", &self.prices),
            ("metrics", &self.metrics),
            ("history", &self.history),
        ]
    }

    /// How many pools this happens to.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.pools.iter().filter(|pool| pool.change == kind).count()
    }
}
