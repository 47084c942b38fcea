//! Who there is: accounts, repositories, pools; and what becomes of the pools file.

use super::chance::Chance;
use crate::simulation::scenario::{PoolSpec, PoolsFile};

/// Labels that a pool may call its own. Some are offered by several.
const OWN: [&str; 5] = ["mayfly", "fast", "gpu", "small", "deploy"];
const SYSTEM: [&str; 3] = ["self-hosted", "linux", "x64"];

/// Who there is.
pub(super) struct House {
    pub(super) file: PoolsFile,
    pub(super) repositories: Vec<String>,
    pub(super) public: Vec<String>,
    pub(super) groups: Vec<String>,
}

pub(super) fn house(chance: &mut Chance) -> House {
    let accounts: Vec<String> = if chance.percent(30) {
        vec!["acme", "globex"]
    } else {
        vec!["acme"]
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    let mut repositories = Vec::new();
    for account in &accounts {
        let most = chance.between(1, 4);
        repositories.extend(
            ["app", "lib", "web", "ops"]
                .iter()
                .zip(0..most)
                .map(|(name, _)| format!("{account}/{name}")),
        );
    }
    let public = if repositories.len() > 1 && chance.one_in(5) {
        vec![chance.pick(&repositories)]
    } else {
        Vec::new()
    };
    let groups = if chance.one_in(6) {
        vec!["acme/builders".to_owned()]
    } else {
        Vec::new()
    };
    let count = chance.pick(&[1, 1, 1, 2, 2, 3, 4]);
    let pools = (0..count)
        .map(|which| pool(chance, which, &repositories))
        .collect();
    House {
        file: PoolsFile { accounts, pools },
        repositories,
        public,
        groups,
    }
}

fn pool(chance: &mut Chance, which: usize, repositories: &[String]) -> PoolSpec {
    let mut labels: Vec<String> = SYSTEM.map(str::to_owned).to_vec();
    labels.push(OWN[which].to_owned());
    for extra in chance.some(&OWN, 20) {
        if !labels.iter().any(|label| label == extra) {
            labels.push(extra.to_owned());
        }
    }
    let max = if chance.percent(50) {
        chance.count(2, 8)
    } else {
        chance.count(6, 20)
    };
    PoolSpec {
        name: ["linux", "fast-x64", "gpu", "tiny"][which].to_owned(),
        labels,
        max,
        min_idle: if chance.one_in(5) {
            chance.count(1, 2)
        } else {
            0
        },
        max_per_repository: chance.one_in(6).then(|| chance.count(1, max)),
        group: chance.one_in(5).then(|| "Default".to_owned()),
        repositories: if chance.one_in(6) {
            chance.some(repositories, 70)
        } else {
            Vec::new()
        },
        public: chance.one_in(3),
        spot: chance.one_in(5),
        role: chance.one_in(8),
        priority: if chance.one_in(6) { 1 } else { 0 },
        image: 1,
        size: 0,
        idle_timeout: None,
        rerun_interrupted: false,
        max_lifetime: None,
    }
}

/// A file with one pool, of private repositories of one account.
pub(in crate::simulation) fn one_pool(max: u32) -> PoolsFile {
    let pool = PoolSpec {
        name: "linux".to_owned(),
        labels: [SYSTEM[0], SYSTEM[1], SYSTEM[2], OWN[0]]
            .map(str::to_owned)
            .to_vec(),
        max,
        min_idle: 0,
        max_per_repository: None,
        group: None,
        repositories: Vec::new(),
        public: false,
        spot: false,
        role: false,
        priority: 0,
        image: 1,
        size: 0,
        idle_timeout: None,
        rerun_interrupted: false,
        max_lifetime: None,
    };
    PoolsFile {
        accounts: vec!["acme".to_owned()],
        pools: vec![pool],
    }
}

/// The file as someone changes it.
pub(super) fn changed(chance: &mut Chance, before: &PoolsFile) -> PoolsFile {
    let mut file = before.clone();
    let which = usize::try_from(chance.between(0, file.pools.len() as u64 - 1)).unwrap_or_default();
    match chance.between(0, 6) {
        0 if file.pools.len() > 1 => {
            file.pools.remove(which);
        }
        1 if file.pools.len() > 1 => {
            let other = (which + 1) % file.pools.len();
            if let Some(label) = file.pools[which]
                .labels
                .pop()
                .filter(|_| file.pools[which].labels.len() > SYSTEM.len())
            {
                if !file.pools[other].labels.contains(&label) {
                    file.pools[other].labels.push(label);
                }
            } else {
                file.pools[which]
                    .labels
                    .clone_from(&before.pools[which].labels);
            }
        }
        2 => {
            let max = file.pools[which].max;
            let lower = chance.count(1.max(file.pools[which].min_idle), max);
            file.pools[which].max = lower.max(1);
            if let Some(most) = &mut file.pools[which].max_per_repository {
                *most = (*most).min(lower.max(1));
            }
        }
        3 => file.pools[which].max += chance.count(1, 6),
        4 => file.pools[which].min_idle = chance.count(0, 3.min(file.pools[which].max)),
        5 => file.pools[which].image += 1,
        _ => {
            let labels = ["self-hosted", "linux", "x64", "late"]
                .map(str::to_owned)
                .to_vec();
            let model = PoolSpec {
                name: "late".to_owned(),
                labels,
                ..file.pools[which].clone()
            };
            if file.get("late").is_none() {
                file.pools.push(model);
            }
        }
    }
    file
}

/// What a job of this pool says that it needs: all that it may, or as little.
pub(super) fn wish(chance: &mut Chance, pool: &PoolSpec) -> Vec<String> {
    let own: Vec<String> = pool
        .labels
        .iter()
        .filter(|label| !SYSTEM.contains(&label.as_str()))
        .cloned()
        .collect();
    let mut labels = match chance.between(0, 3) {
        0 => pool.labels.clone(),
        1 => vec!["self-hosted".to_owned(), own[0].clone()],
        2 => vec![chance.pick(&own)],
        _ => vec![
            "self-hosted".to_owned(),
            "linux".to_owned(),
            own[0].to_uppercase(),
        ],
    };
    if chance.one_in(12) {
        labels.push("run={run_id}".to_owned());
    }
    labels
}

/// What no pool takes.
pub(super) fn nobodys(chance: &mut Chance) -> Vec<String> {
    let all = [
        &["self-hosted", "mainframe"][..],
        &["ubuntu-latest"],
        &["self-hosted"],
        &["self-hosted", "linux", "late"],
    ];
    chance
        .pick(&all)
        .iter()
        .map(|label| (*label).to_owned())
        .collect()
}

/// The file with a change of more than labels and numbers: what its runners are, where they
/// register, whom the pool serves.
pub(super) fn turned(
    chance: &mut Chance,
    before: &PoolsFile,
    repositories: &[String],
) -> PoolsFile {
    let mut file = before.clone();
    let which = usize::try_from(chance.between(0, file.pools.len() as u64 - 1)).unwrap_or_default();
    let Some(pool) = file.pools.get_mut(which) else {
        return file;
    };
    match chance.between(0, 11) {
        0 => pool.size = (pool.size + chance.count(1, 2)) % 3,
        1 => {
            pool.group = if pool.group.is_some() {
                None
            } else {
                Some("Default".to_owned())
            }
        }
        2 => {
            pool.repositories = if pool.repositories.is_empty() {
                chance.some(repositories, 60)
            } else {
                Vec::new()
            }
        }
        3 => pool.public = !pool.public,
        4 => {
            pool.max_per_repository = if pool.max_per_repository.is_some() {
                None
            } else {
                Some(chance.count(1, pool.max))
            }
        }
        5 => pool.spot = !pool.spot,
        6 => pool.role = !pool.role,
        7 => pool.image += 1,
        8 => pool.min_idle = chance.count(0, 2.min(pool.max)),
        9 => pool.idle_timeout = Some(chance.between(1, 10)),
        10 => pool.rerun_interrupted = !pool.rerun_interrupted,
        _ => {
            file.accounts = if file.accounts.len() > 1 {
                vec![file.accounts[0].clone()]
            } else {
                vec!["acme".to_owned(), "globex".to_owned()]
            }
        }
    }
    // A pool may list repositories of the accounts only.
    let PoolsFile { accounts, pools } = &mut file;
    for pool in pools {
        pool.repositories.retain(|one| {
            accounts
                .iter()
                .any(|account| one.split('/').next() == Some(account))
        });
    }
    file
}
