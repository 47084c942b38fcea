//! The ways in which runners live here: each gets a probe.

use std::collections::BTreeMap;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::size::Capacity;
use mayfly_ecs::LaunchConfig;

/// A way in which runners live: what of their pools decides whether they can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The pools whose runners live so.
    pub pools: Vec<PoolName>,
    /// One of them, with the largest disk of all: the image may need it.
    pub pool: Pool,
    /// ARN of the role of their tasks.
    pub role: String,
}

impl Kind {
    /// Whom it is about, in words.
    #[must_use]
    pub fn whose(&self) -> String {
        let names: Vec<&str> = self.pools.iter().map(PoolName::as_str).collect();
        match names.as_slice() {
            [one] => format!("pool {one}"),
            [first, .., last] if names.len() > 4 => {
                format!("{} pools ({first} … {last})", names.len())
            }
            _ => format!("pools {}", names.join(", ")),
        }
    }

    /// The role's name.
    #[must_use]
    pub fn role_name(&self) -> &str {
        self.role.rsplit('/').next().unwrap_or(&self.role)
    }
}

/// The ways in which runners of these pools live: by image, architecture, capacity and role.
#[must_use]
pub fn kinds(pools: &Pools, site: &LaunchConfig) -> Vec<Kind> {
    let mut kinds: BTreeMap<_, Kind> = BTreeMap::new();
    for pool in &pools.pools {
        let role = site.role_of(pool);
        let alike = (
            pool.image.clone(),
            pool.size.architecture,
            pool.size.capacity,
            role.clone(),
        );
        let kind = kinds.entry(alike).or_insert_with(|| Kind {
            pools: Vec::new(),
            pool: pool.clone(),
            role,
        });
        kind.pools.push(pool.name.clone());
        kind.pool.size.disk_gib = kind.pool.size.disk_gib.max(pool.size.disk_gib);
    }
    let mut kinds: Vec<Kind> = kinds.into_values().collect();
    kinds.sort_by(|one, other| one.pools.cmp(&other.pools));
    kinds
}

/// On which capacity, in words.
#[must_use]
pub fn capacity(kind: &Kind) -> &'static str {
    match kind.pool.size.capacity {
        Capacity::OnDemand => "Fargate",
        Capacity::Spot => "Fargate Spot",
    }
}
