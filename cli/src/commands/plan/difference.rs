//! What is different between two pools files, key by key, as the file would say it. Comments and
//! layout do not count.

use std::collections::BTreeSet;

use mayfly_config::pools_file::{duration_in_words, memory_in_words};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::metric::MetricsLevel;
use mayfly_domain::model::pool::{Account, Pool, Pools, RepositoryPattern};
use mayfly_domain::model::price::{
    BasisPoints, HostedPrices, NanoDollars, OwnPrices, OwnTaskPrices,
};
use mayfly_domain::model::retention::Retention;
use mayfly_domain::model::size::{Architecture, Capacity};
use mayfly_domain::model::target::Scope;
use serde::Serialize;
use serde_json::{Number, Value, json};

/// One key with another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The key, as the pools file calls it.
    pub key: &'static str,
    /// What it was; none if it was not there.
    pub before: Option<Value>,
    /// What it is to be; none if it goes.
    pub after: Option<Value>,
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
    /// As it is active.
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
    let known = before
        .map(|before| before.pools.as_slice())
        .unwrap_or_default();
    let names: BTreeSet<&PoolName> = known
        .iter()
        .chain(&after.pools)
        .map(|pool| &pool.name)
        .collect();
    let differing = names.into_iter().filter_map(|name| {
        let (before, after) = (before.and_then(|before| before.get(name)), after.get(name));
        let keys = changes(before.map(of_pool), after.map(of_pool));
        (before != after).then_some(Differing {
            name,
            before,
            after,
            keys,
        })
    });
    differing.collect()
}

/// What is different in `[github]`.
#[must_use]
pub fn github(before: Option<&Pools>, after: &Pools) -> Vec<KeyChange> {
    changes(before.map(of_file), Some(of_file(after)))
}

/// What is different in `[prices]`.
#[must_use]
pub fn prices(before: Option<&Pools>, after: &Pools) -> Vec<KeyChange> {
    let none = OwnPrices::default();
    let before = before.map_or(&none, |before| &before.prices);
    changes(Some(of_prices(before)), Some(of_prices(&after.prices)))
}

/// What is different in `[metrics]`.
#[must_use]
pub fn metrics(before: Option<&Pools>, after: &Pools) -> Vec<KeyChange> {
    let level = |pools: Option<&Pools>| {
        let level = pools.map_or(MetricsLevel::default(), |pools| pools.metrics);
        vec![("level", Some(json!(level.word())))]
    };
    changes(Some(level(before)), Some(level(Some(after))))
}

/// What is different in `[history]`.
#[must_use]
pub fn history(before: Option<&Pools>, after: &Pools) -> Vec<KeyChange> {
    let of = |keep: Retention| vec![("keep", Some(json!(format!("{}d", keep.days()))))];
    let before = before.map(|before| before.keep).unwrap_or_default();
    changes(Some(of(before)), Some(of(after.keep)))
}

type Keys = Vec<(&'static str, Option<Value>)>;

fn changes(before: Option<Keys>, after: Option<Keys>) -> Vec<KeyChange> {
    let find = |keys: &Option<Keys>, key: &str| {
        keys.as_ref()
            .and_then(|keys| keys.iter().find(|(name, _)| *name == key)?.1.clone())
    };
    let names = before
        .as_ref()
        .or(after.as_ref())
        .map(|keys| keys.iter().map(|(key, _)| *key).collect::<Vec<_>>())
        .unwrap_or_default();
    let changes = names.into_iter().map(|key| KeyChange {
        key,
        before: find(&before, key),
        after: find(&after, key),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

fn of_file(pools: &Pools) -> Keys {
    let Pools {
        accounts,
        pools: _,
        prices: _,
        metrics: _,
        keep: _,
        version: _,
    } = pools;
    vec![("accounts", Some(accounts.iter().map(account).collect()))]
}

/// Every price, none where the list's is used.
fn of_prices(prices: &OwnPrices) -> Keys {
    // A new key of [prices] must be shown here, too.
    let OwnPrices {
        x64,
        arm64,
        disk_gib_hour,
        public_ipv4_hour,
        discount,
    } = prices;
    let OwnTaskPrices {
        vcpu_hour,
        gib_hour,
        spot_vcpu_hour,
        spot_gib_hour,
        hosted: minutes,
    } = x64;
    vec![
        (
            "discount",
            (discount.0 > 0).then(|| json!(percent(*discount))),
        ),
        ("disk_gib_hour", disk_gib_hour.map(price)),
        ("public_ipv4_hour", public_ipv4_hour.map(price)),
        ("x64.vcpu_hour", vcpu_hour.map(price)),
        ("x64.gib_hour", gib_hour.map(price)),
        ("x64.spot_vcpu_hour", spot_vcpu_hour.map(price)),
        ("x64.spot_gib_hour", spot_gib_hour.map(price)),
        ("x64.github_minute", hosted(minutes)),
        ("arm64.vcpu_hour", arm64.vcpu_hour.map(price)),
        ("arm64.gib_hour", arm64.gib_hour.map(price)),
        ("arm64.spot_vcpu_hour", arm64.spot_vcpu_hour.map(price)),
        ("arm64.spot_gib_hour", arm64.spot_gib_hour.map(price)),
        ("arm64.github_minute", hosted(&arm64.hosted)),
    ]
}

fn hosted(minutes: &HostedPrices) -> Option<Value> {
    let by_vcpus = |(vcpus, minute): (&u32, &NanoDollars)| (vcpus.to_string(), price(*minute));
    (!minutes.is_empty()).then(|| minutes.iter().map(by_vcpus).collect())
}

/// Dollars, as the pools file says them: at most ten of them have all their digits in a double.
fn price(price: NanoDollars) -> Value {
    let text = format!("{}.{:09}", price.0 / 1_000_000_000, price.0 % 1_000_000_000);
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

/// `12.5%`.
fn percent(points: BasisPoints) -> String {
    let text = format!("{}.{:02}", points.0 / 100, points.0 % 100);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

fn account(account: &Account) -> Value {
    match account.id {
        Some(id) => json!({ "login": account.login, "id": id }),
        None => json!(account.login),
    }
}

/// Every key of a pool with its value, defaults filled in; what is not said and has no default has
/// no value.
fn of_pool(pool: &Pool) -> Keys {
    // A new key of a pool must be shown here, too.
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
        rerun_interrupted,
    } = pool;
    let (scope, group) = match scope {
        Scope::Repository => ("repository", None),
        Scope::Organization { group } => ("organization", Some(json!(group))),
    };
    let patterns = || {
        repositories
            .iter()
            .map(|RepositoryPattern(pattern)| json!(pattern))
            .collect::<Value>()
    };
    vec![
        ("labels", Some(labels.iter().map(Value::from).collect())),
        ("any", any.then(|| json!(true))),
        ("priority", (*priority != 0).then(|| json!(priority))),
        ("scope", Some(json!(scope))),
        ("runner_group", group),
        ("repositories", (!repositories.is_empty()).then(patterns)),
        ("public", public.then(|| json!(true))),
        ("cpu", Some(vcpu(size.cpu))),
        ("memory", Some(json!(memory_in_words(size.memory_mib)))),
        ("disk", Some(json!(format!("{} GiB", size.disk_gib)))),
        ("architecture", Some(json!(architecture(size.architecture)))),
        ("capacity", Some(json!(capacity(size.capacity)))),
        ("image", Some(json!(image))),
        ("task_role", task_role.as_deref().map(Value::from)),
        ("max", Some(json!(max))),
        ("max_per_repository", max_per_repository.map(Value::from)),
        ("min_idle", Some(json!(min_idle))),
        (
            "idle_timeout",
            Some(json!(duration_in_words(*idle_timeout))),
        ),
        (
            "max_lifetime",
            Some(json!(duration_in_words(*max_lifetime))),
        ),
        ("rerun_interrupted", rerun_interrupted.then(|| json!(true))),
    ]
}

/// What a key is where a pool does not say it, as TOML. Keys that are not here have no default, or
/// are not shown at theirs.
const DEFAULTS: [(&str, &str); 8] = [
    ("scope", "\"repository\""),
    ("disk", "\"20 GiB\""),
    ("architecture", "\"x64\""),
    ("capacity", "\"on-demand\""),
    ("image", "\"ghcr.io/actions/actions-runner:latest\""),
    ("min_idle", "0"),
    ("idle_timeout", "\"5m\""),
    ("max_lifetime", "\"1d\""),
];

/// True if the key is to be what it is where nothing is said.
#[must_use]
pub fn is_default(change: &KeyChange) -> bool {
    let default = DEFAULTS
        .iter()
        .find(|(key, _)| *key == change.key)
        .map(|(_, value)| *value);
    change.after.as_ref().map(toml).as_deref() == default
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

/// vCPUs, as the pools file says them: `2`, `0.25`.
fn vcpu(units: u32) -> Value {
    if units.is_multiple_of(1024) {
        json!(units / 1024)
    } else {
        Number::from_f64(f64::from(units) / 1024.0).map_or(Value::Null, Value::Number)
    }
}

/// A value as TOML writes it. A JSON string is one of TOML's basic strings.
#[must_use]
pub fn toml(value: &Value) -> String {
    match value {
        Value::Array(values) => format!(
            "[{}]",
            values.iter().map(toml).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(keys) => {
            let keys: Vec<String> = keys
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml(value)))
                .collect();
            format!("{{ {} }}", keys.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the reader of pools files fills in is a default here, too.
    #[test]
    fn what_a_pool_does_not_say_is_not_shown_of_a_new_one() {
        let text = "[github]\naccounts = [\"acme\"]\n[pools.small]\nlabels = [\"small\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 3\n";
        let least = mayfly_config::pools_file::parse(text, 1).unwrap();
        let differing = pools(None, &least).remove(0);
        let said = differing
            .keys
            .iter()
            .filter(|change| !is_default(change))
            .map(|change| change.key)
            .collect::<Vec<_>>();
        assert_eq!(said, ["labels", "cpu", "memory", "max"]);
    }

    #[test]
    fn values_have_types_in_json_and_are_written_as_the_pools_file_has_them() {
        let cases = [
            (json!(["linux", "a \"b\""]), r#"["linux", "a \"b\""]"#),
            (
                json!([{ "login": "acme", "id": 5 }, "globex"]),
                r#"[{ login = "acme", id = 5 }, "globex"]"#,
            ),
            (vcpu(8192), "8"),
            (vcpu(256), "0.25"),
            (vcpu(512), "0.5"),
            (json!(true), "true"),
        ];
        for (value, written) in cases {
            assert_eq!(toml(&value), written);
        }
        assert!(vcpu(8192).is_u64() && vcpu(256).is_f64());
    }
}
