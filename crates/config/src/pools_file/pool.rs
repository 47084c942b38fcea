//! `[pools.<name>]`: one pool, with what `[defaults]` adds.

mod declared;
mod labels;
mod place;
mod size;

use std::ops::RangeInclusive;
use std::time::Duration;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::timeouts;

pub(super) use self::declared::Declared;
use self::labels::Offered;
use super::reader::{Field, Reader};
use super::units;

/// What `[defaults]` may set.
pub(super) const DEFAULT_KEYS: &[&str] = &[
    "any",
    "scope",
    "runner_group",
    "repositories",
    "public",
    "cpu",
    "memory",
    "disk",
    "architecture",
    "capacity",
    "max",
    "max_per_repository",
    "min_idle",
    "image",
    "task_role",
    "idle_timeout",
    "max_lifetime",
    "rerun_interrupted",
];

/// A key that is not allowed there, and why.
pub(super) const NO_DEFAULT: &[(&str, &str)] = &[
    (
        "labels",
        "labels tell the pools apart: write them in each pool",
    ),
    (
        "priority",
        "a priority that all pools share decides nothing: write it in a pool",
    ),
];

/// What a pool may set, but what the list of defaults lacks.
const POOL_KEYS: &[&str] = &["labels", "priority"];

/// What someone may look for in a pool.
const NOT_IN_A_POOL: &[(&str, &str)] = &[
    (
        "name",
        "the name of a pool is that of its table: [pools.<name>]",
    ),
    ("group", "did you mean runner_group?"),
    (
        "accounts",
        "accounts are served by all pools: write them under [github]; a pool narrows them down by repositories",
    ),
];

/// Words of keys by which credentials for a registry are given elsewhere.
const REGISTRY_CREDENTIALS: [&str; 4] =
    ["credential", "pullsecret", "registryauth", "registrysecret"];

/// The hint for a key that someone wrote to give credentials for a registry; none for any other.
pub(super) fn no_credentials(key: &str) -> Option<&'static str> {
    let folded: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    REGISTRY_CREDENTIALS.iter().any(|word| folded.contains(word)).then_some(
        "Mayfly gives ECS no credentials for a registry: keep the image in ECR (a pull-through cache fetches it from elsewhere with credentials of its own), \
         or make it public; README says what that needs",
    )
}

/// The image that runners use unless told otherwise: GitHub's own.
const IMAGE: &str = "ghcr.io/actions/actions-runner:latest";

/// Bounds of `idle_timeout`: GitHub takes a while to hand out a job, and a runner that waits is
/// paid for.
const IDLE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(60 * 60);

/// Bounds of `max_lifetime`: GitHub ends a job on a self-hosted runner after 5 days. Source:
/// docs.github.com, "Actions limits".
const MAX_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(10 * 60)..=Duration::from_secs(5 * 24 * 60 * 60);

/// Most runners of a pool: what GitHub allows in one runner group. Source: docs.github.com,
/// "Actions limits".
const MAX_RUNNERS: i64 = 10_000;

impl<'d> Declared<'_, 'd> {
    /// The pool; `None` if something that it cannot be without is wrong.
    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Option<Pool> {
        let known: Vec<&str> = DEFAULT_KEYS.iter().chain(POOL_KEYS).copied().collect();
        reader.check_keys(&self.own, &known, NOT_IN_A_POOL, no_credentials);
        let name = self.name(reader);
        let any = self.boolean(reader, "any");
        let Offered {
            labels,
            architecture,
        } = labels::read(reader, self, any);
        let size = size::read(reader, self, architecture);
        let scope = place::scope(reader, self);
        let repositories = place::repositories(reader, self);
        let public = self.boolean(reader, "public");
        let max = self.max(reader);
        let max_per_repository = self.count(reader, "max_per_repository", 1);
        let min_idle = self.min_idle(reader, max);
        let priority = self
            .field("priority")
            .and_then(|field| reader.integer(&field, i32::MIN.into(), i32::MAX.into()));
        let image = self.field("image").map_or_else(
            || Some(IMAGE.to_owned()),
            |field| place::image(reader, &field),
        );
        let task_role = self
            .field("task_role")
            .and_then(|field| place::task_role(reader, &field));
        let idle_timeout =
            self.duration(reader, "idle_timeout", timeouts::IDLE_TIMEOUT, IDLE_TIMEOUT);
        let max_lifetime =
            self.duration(reader, "max_lifetime", timeouts::MAX_LIFETIME, MAX_LIFETIME);
        let rerun_interrupted = self.boolean(reader, "rerun_interrupted");
        Some(Pool {
            name: name?,
            labels: labels?,
            any,
            priority: priority
                .and_then(|number| i32::try_from(number).ok())
                .unwrap_or_default(),
            scope: scope?,
            repositories,
            public,
            size: size?,
            image: image?,
            task_role,
            max: max?,
            max_per_repository,
            min_idle,
            idle_timeout,
            max_lifetime,
            rerun_interrupted,
        })
    }

    /// The field of this name: the pool's own, else the default.
    fn field(&self, key: &str) -> Option<Field<'d>> {
        self.own
            .field(key)
            .or_else(|| self.defaults.and_then(|defaults| defaults.field(key)))
    }

    /// The field, which must be there.
    fn required(&self, reader: &mut Reader<'_>, key: &str, example: &str) -> Option<Field<'d>> {
        let field = self.field(key);
        if field.is_none() {
            reader.report_absence(
                self.own.at,
                &self.own.path_of(key),
                "is missing",
                format!("add {example}"),
            );
        }
        field
    }

    fn name(&self, reader: &mut Reader<'_>) -> Option<PoolName> {
        let name = self.own.key.parse::<PoolName>();
        let refused = name.as_ref().err().map(|refused| refused.problem);
        if let Some(problem) = refused {
            let message = format!("the pool's name {problem}");
            reader.report(
                self.own.at,
                &self.own.path,
                message,
                "rename it, as [pools.linux-arm64]",
            );
        }
        name.ok()
    }

    fn boolean(&self, reader: &mut Reader<'_>, key: &str) -> bool {
        self.field(key)
            .and_then(|field| reader.boolean(&field))
            .unwrap_or_default()
    }

    fn count(&self, reader: &mut Reader<'_>, key: &str, low: i64) -> Option<u32> {
        let number = self
            .field(key)
            .and_then(|field| reader.integer(&field, low, MAX_RUNNERS))?;
        u32::try_from(number).ok()
    }

    fn max(&self, reader: &mut Reader<'_>) -> Option<u32> {
        let field = self.required(reader, "max", "max = 10, the most runners at a time")?;
        let number = reader.integer(&field, 0, MAX_RUNNERS)?;
        u32::try_from(number).ok()
    }

    fn min_idle(&self, reader: &mut Reader<'_>, max: Option<u32>) -> u32 {
        let min_idle = self.count(reader, "min_idle", 0).unwrap_or_default();
        if let (Some(field), Some(max)) = (self.field("min_idle"), max)
            && max > 0
            && min_idle > max
        {
            let hint = format!("keep at most {max} idle, or raise max");
            reader.report(
                field.at,
                &self.own.path_of("min_idle"),
                format!("{min_idle} is above the pool's max of {max}"),
                hint,
            );
        }
        min_idle
    }

    fn duration(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(field) = self.field(key) else {
            return default;
        };
        let example = format!("{key} = {:?}", units::duration_in_words(default));
        let Some(text) = reader.string(&field, &example) else {
            return default;
        };
        let Some(duration) = units::duration(text) else {
            reader.report(
                field.at,
                &field.path,
                format!("{text:?} is not a duration"),
                format!("write a whole number and s, m, h or d, as {example}"),
            );
            return default;
        };
        if !bounds.contains(&duration) {
            let hint = format!(
                "{} to {} are possible",
                units::duration_in_words(*bounds.start()),
                units::duration_in_words(*bounds.end())
            );
            reader.report(
                field.at,
                &field.path,
                format!("{text:?} is out of range"),
                hint,
            );
        }
        duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema: Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let keys = |at: &str| {
            schema
                .pointer(at)
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        let known = |keys: &[&[&str]]| keys.concat().into_iter().map(str::to_owned).collect();
        assert_eq!(
            keys("/properties/defaults/properties"),
            known(&[DEFAULT_KEYS])
        );
        assert_eq!(
            keys("/definitions/pool/properties"),
            known(&[DEFAULT_KEYS, POOL_KEYS])
        );
    }
}
