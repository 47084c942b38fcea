//! What is different between two pools files, key by key, as the file would say it. Comments and layout do not count.

use std::collections::BTreeSet;

use mayfly_domain::id::PoolName;
use mayfly_domain::pool::{Account, Pool, Pools, RepositoryPattern, Scope};
use mayfly_domain::size::{Architecture, Capacity};
use mayfly_settings::pools_file::{cpu_in_words, duration_in_words, memory_in_words};
use serde::Serialize;

/// One key with another value. Values are written as TOML has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The key, as the pools file calls it.
    pub key: &'static str,
    /// What it was; none if it was not there.
    pub before: Option<String>,
    /// What it is to be; none if it goes.
    pub after: Option<String>,
}

/// What happens to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is new.
    Add,
    /// It says something else.
    Change,
    /// It goes.
    Remove,
}

/// A pool that the two files do not agree on.
#[derive(Clone, Debug)]
pub struct Differing<'a> {
    /// Its name.
    pub name: &'a PoolName,
    /// As it is in force.
    pub before: Option<&'a Pool>,
    /// As it is to be.
    pub after: Option<&'a Pool>,
    /// What is different.
    pub keys: Vec<KeyChange>,
}

impl Differing<'_> {
    /// What happens to it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.before, self.after) {
            (None, _) => Kind::Add,
            (Some(_), None) => Kind::Remove,
            (Some(_), Some(_)) => Kind::Change,
        }
    }

    /// True if one of these keys is different.
    #[must_use]
    pub fn touches(&self, keys: &[&str]) -> bool {
        self.keys.iter().any(|change| keys.contains(&change.key))
    }
}

/// The pools that two files do not agree on, by name.
#[must_use]
pub fn pools<'a>(before: Option<&'a Pools>, after: &'a Pools) -> Vec<Differing<'a>> {
    let known = before.map(|before| before.pools.as_slice()).unwrap_or_default();
    let names: BTreeSet<&PoolName> = known.iter().chain(&after.pools).map(|pool| &pool.name).collect();
    let differing = names.into_iter().filter_map(|name| {
        let (before, after) = (before.and_then(|before| before.get(name)), after.get(name));
        let keys = changes(before.map(of_pool), after.map(of_pool));
        (before != after).then_some(Differing { name, before, after, keys })
    });
    differing.collect()
}

/// What is different in `[github]`.
#[must_use]
pub fn github(before: Option<&Pools>, after: &Pools) -> Vec<KeyChange> {
    changes(before.map(of_file), Some(of_file(after)))
}

type Keys = Vec<(&'static str, Option<String>)>;

fn changes(before: Option<Keys>, after: Option<Keys>) -> Vec<KeyChange> {
    let find = |keys: &Option<Keys>, key: &str| keys.as_ref().and_then(|keys| keys.iter().find(|(name, _)| *name == key)?.1.clone());
    let names = before.as_ref().or(after.as_ref()).map(|keys| keys.iter().map(|(key, _)| *key).collect::<Vec<_>>()).unwrap_or_default();
    let changes = names.into_iter().map(|key| KeyChange { key, before: find(&before, key), after: find(&after, key) });
    changes.filter(|change| change.before != change.after).collect()
}

fn of_file(pools: &Pools) -> Keys {
    let Pools { github_url, accounts, pools: _, generation: _ } = pools;
    vec![("url", Some(text(github_url))), ("accounts", Some(list(accounts.iter().map(account))))]
}

fn account(account: &Account) -> String {
    match account.id {
        Some(id) => format!("{{ login = {}, id = {id} }}", text(&account.login)),
        None => text(&account.login),
    }
}

/// Every key of a pool with its value, defaults filled in; what is not said and has no default has no value.
fn of_pool(pool: &Pool) -> Keys {
    // Whoever gives a pool another key must say here how it is shown.
    let Pool {
        name: _,
        labels,
        any,
        priority,
        scope,
        repositories,
        public,
        size,
        image,
        task_role,
        max,
        max_per_repository,
        min_idle,
        idle_timeout,
        max_lifetime,
        rerun_reclaimed,
    } = pool;
    let (scope, group) = match scope {
        Scope::Repository => ("repository", None),
        Scope::Organization { group } => ("organization", Some(text(group))),
    };
    let patterns = || list(repositories.iter().map(|RepositoryPattern(pattern)| text(pattern)));
    vec![
        ("labels", Some(list(labels.iter().map(text)))),
        ("any", any.then(|| "true".to_owned())),
        ("priority", (*priority != 0).then(|| priority.to_string())),
        ("scope", Some(text(scope))),
        ("runner_group", group),
        ("repositories", (!repositories.is_empty()).then(patterns)),
        ("public", public.then(|| "true".to_owned())),
        ("cpu", Some(cpu_in_words(size.cpu))),
        ("memory", Some(text(&memory_in_words(size.memory_mib)))),
        ("disk", Some(text(&format!("{} GiB", size.disk_gib)))),
        ("architecture", Some(text(architecture(size.architecture)))),
        ("capacity", Some(text(capacity(size.capacity)))),
        ("image", Some(text(image))),
        ("task_role", task_role.as_deref().map(text)),
        ("max", Some(max.to_string())),
        ("max_per_repository", max_per_repository.map(|most| most.to_string())),
        ("min_idle", Some(min_idle.to_string())),
        ("idle_timeout", Some(text(&duration_in_words(*idle_timeout)))),
        ("max_lifetime", Some(text(&duration_in_words(*max_lifetime)))),
        ("rerun_reclaimed", rerun_reclaimed.then(|| "true".to_owned())),
    ]
}

/// As the pools file says it.
pub(in crate::commands) fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X64 => "x64",
        Architecture::Arm64 => "arm64",
    }
}

/// As the pools file says it.
pub(in crate::commands) fn capacity(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::OnDemand => "on-demand",
        Capacity::Spot => "spot",
    }
}

/// A string as TOML writes it. A JSON string is one of TOML's basic strings.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}
