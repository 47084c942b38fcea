//! What is possible but surely not meant.

use mayfly_domain::model::label;
use mayfly_domain::model::pool::{Pool, Pools, RepositoryPattern};
use mayfly_domain::model::size::Capacity;
use mayfly_domain::model::target::Scope;

use super::problem::Problem;
use super::reader::{Reader, Section};
use super::units::cpu_in_words;

/// Begin the labels of runners that GitHub hosts, as `ubuntu-latest`, `windows-2022`,
/// `macos-14-xlarge`. Source: docs.github.com, "GitHub-hosted runners reference".
const HOSTED: [&str; 3] = ["ubuntu-", "windows-", "macos-"];

/// The runner group that every organization has, and that all its private repositories use unless
/// someone changed it.
const DEFAULT_GROUP: &str = "Default";

/// CPU units of a vCPU.
const UNITS: u32 = 1024;

/// How many vCPUs an account may run at a time (Service Quotas, L-3032A538 and L-36FBB829); none:
/// not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vcpus {
    /// On demand.
    pub on_demand: Option<u32>,
    /// On Spot.
    pub spot: Option<u32>,
}

/// What looks like a mistake in a file without problems, in its order.
pub(super) fn about(text: &str, root: &Section<'_>, pools: &Pools, vcpus: Vcpus) -> Vec<Problem> {
    let mut warnings = Warnings {
        reader: Reader::new(text, true),
        root,
    };
    for pool in &pools.pools {
        warnings.labels(pool);
        warnings.rivals(pool, pools);
        warnings.access(pool);
        warnings.role(pool, pools);
        warnings.limits(pool, vcpus);
    }
    warnings.all_together(pools, vcpus);
    warnings.reader.into_problems()
}

struct Warnings<'t, 'd> {
    reader: Reader<'t>,
    root: &'d Section<'d>,
}

impl Warnings<'_, '_> {
    /// Reports at a key of a pool, be it the pool's own or a default; at the pool where it is
    /// neither.
    fn report(&mut self, pool: &Pool, key: &str, message: String, hint: &str) {
        let sections = |name: &str| {
            self.root
                .field(name)
                .and_then(|field| field.as_table().map(|table| Section::inline(&field, table)))
        };
        let place = |section: &Section<'_>| section.field(key).map(|field| (field.at, field.path));
        let of_pool = sections("pools").and_then(|pools| {
            let field = pools.field(pool.name.as_str())?;
            let own = Section::inline(&field, field.as_table()?);
            Some(
                place(&own)
                    .or_else(|| place(&sections("defaults")?))
                    .unwrap_or((own.at, own.path)),
            )
        });
        let (at, path) = of_pool.unwrap_or_default();
        self.reader.report(at, &path, message, hint);
    }

    fn labels(&mut self, pool: &Pool) {
        let hosted: Vec<&str> = pool
            .labels
            .iter()
            .filter(|name| {
                HOSTED
                    .iter()
                    .any(|hosted| label::folded(name).starts_with(hosted))
            })
            .collect();
        if !hosted.is_empty() {
            let message = format!(
                "{} {} what GitHub calls runners of its own",
                label::list(hosted.iter().copied()),
                if hosted.len() == 1 { "is" } else { "are" }
            );
            let hint = "jobs meant for GitHub's runners would land here: remove it, or use a name of your own";
            self.report(pool, "labels", message, hint);
        }
        let blank: Vec<&str> = pool
            .labels
            .iter()
            .filter(|name| name.contains(char::is_whitespace))
            .collect();
        if !blank.is_empty() {
            let (has, each) = if blank.len() == 1 {
                ("has", "it is one label")
            } else {
                ("have", "each is one label")
            };
            let message = format!(
                "{} {has} a blank inside, and {each}",
                label::list(blank.iter().copied())
            );
            self.report(pool, "labels", message, "jobs must write it the same way, in quotes; if you mean several labels, write several");
        }
    }

    /// Pools that take the same jobs.
    fn rivals(&mut self, pool: &Pool, pools: &Pools) {
        if let Some(other) = pools.pools.iter().find(|other| takes_all_of(other, pool)) {
            let message = format!(
                "this pool never gets a job: pool {} takes every job that it could take",
                other.name
            );
            let hint = "give this pool a label of its own or a higher priority, or remove it";
            return self.report(pool, "labels", message, hint);
        }
        let same = |other: &&Pool| {
            other.name != pool.name && other.labels.folded().eq(pool.labels.folded())
        };
        let ahead = pools
            .pools
            .iter()
            .filter(same)
            .find(|other| other.precedes(pool) && overlap(other, pool));
        if let Some(other) = ahead {
            let message = format!(
                "has the same labels as pool {}, which is preferred where both serve the repository",
                other.name
            );
            self.report(
                pool,
                "labels",
                message,
                "give each pool a label of its own, or set priority to say which one you mean",
            );
        }
    }

    fn access(&mut self, pool: &Pool) {
        if pool.public && pool.task_role.is_some() {
            let message = "anyone who can open a pull request at a public repository could use the pool's task role".to_owned();
            self.report(
                pool,
                "public",
                message,
                "serve public repositories from a pool without task_role",
            );
        }
        if let Scope::Organization { group } = &pool.scope
            && group.eq_ignore_ascii_case(DEFAULT_GROUP)
            && !pool.repositories.is_empty()
        {
            let message = format!(
                "all of the organization's repositories may use the runner group {group}, and this pool admits only some"
            );
            let hint = "GitHub gives its runners to the others, too, and each refusal costs a runner: create a runner group for these repositories";
            self.report(pool, "runner_group", message, hint);
        }
    }

    /// A task role is a privilege, and which pool a job runs in is chosen by who writes its
    /// workflow.
    fn role(&mut self, pool: &Pool, pools: &Pools) {
        let all_of_an_owner = |pattern: &RepositoryPattern| pattern.0.ends_with("/*");
        if pool.task_role.is_none()
            || !(pool.repositories.is_empty() || pool.repositories.iter().any(all_of_an_owner))
        {
            return;
        }
        let mut owners: Vec<&str> = if pool.repositories.is_empty() {
            pools
                .accounts
                .iter()
                .map(|account| account.login.as_str())
                .collect()
        } else {
            pool.repositories
                .iter()
                .filter(|pattern| all_of_an_owner(pattern))
                .filter_map(|pattern| pattern.0.split('/').next())
                .collect()
        };
        owners.dedup();
        let message = format!(
            "anyone who can push a branch to any repository of {} gets this role",
            owners.join(", ")
        );
        self.report(
            pool,
            "task_role",
            message,
            "list repositories by name: repositories = [\"acme/deploy\"]",
        );
    }

    fn limits(&mut self, pool: &Pool, vcpus: Vcpus) {
        if !pool.is_paused() && pool.max_per_repository.is_some_and(|most| most > pool.max) {
            self.report(
                pool,
                "max_per_repository",
                format!(
                    "is above the pool's max of {}, and so limits nothing",
                    pool.max
                ),
                "lower it, or remove it",
            );
        }
        let needs = pool.max.saturating_mul(pool.size.cpu).div_ceil(UNITS);
        if let Some(quota) = quota(pool.size.capacity, vcpus).filter(|quota| needs > *quota) {
            let message = format!(
                "{} runners of {} vCPU need {needs} vCPU, and the account may run {quota}",
                pool.max,
                cpu_in_words(pool.size.cpu)
            );
            self.report(
                pool,
                "max",
                message,
                "lower max, or ask for more in Service Quotas (Fargate, L-3032A538 on demand, L-36FBB829 Spot)",
            );
        }
    }

    /// Pools that fit one by one and not together.
    fn all_together(&mut self, pools: &Pools, vcpus: Vcpus) {
        for capacity in [Capacity::OnDemand, Capacity::Spot] {
            let mine: Vec<&Pool> = pools
                .pools
                .iter()
                .filter(|pool| pool.size.capacity == capacity)
                .collect();
            let needs = |pool: &Pool| u64::from(pool.max) * u64::from(pool.size.cpu);
            let all = mine
                .iter()
                .map(|pool| needs(pool))
                .sum::<u64>()
                .div_ceil(UNITS.into());
            let Some(quota) = quota(capacity, vcpus).map(u64::from) else {
                continue;
            };
            let alone = mine
                .iter()
                .any(|pool| needs(pool).div_ceil(UNITS.into()) > quota);
            if all > quota
                && !alone
                && let Some(last) = mine.last()
            {
                let message = format!(
                    "with all pools at their max {all} vCPU would run, and the account may run {quota}"
                );
                self.report(
                    last,
                    "max",
                    message,
                    "lower max somewhere, or ask for more in Service Quotas (Fargate, L-3032A538 on demand, L-36FBB829 Spot)",
                );
            }
        }
    }
}

fn quota(capacity: Capacity, vcpus: Vcpus) -> Option<u32> {
    match capacity {
        Capacity::OnDemand => vcpus.on_demand,
        Capacity::Spot => vcpus.spot,
    }
}

/// True if `other` takes every job that `pool` takes, and is preferred for each.
fn takes_all_of(other: &Pool, pool: &Pool) -> bool {
    let same = other.labels.folded().eq(pool.labels.folded());
    let fits = pool.labels.iter().all(|own| other.labels.contains(own)) && (other.any || !pool.any);
    // Where `other` offers more, it names more that a job did not ask for: only its priority can
    // make up for that.
    let preferred = if same {
        other.precedes(pool)
    } else {
        other.priority > pool.priority
    };
    other.name != pool.name
        && fits
        && preferred
        && (other.public || !pool.public)
        && serves_all_of(other, pool)
}

/// True if every repository that `pool` serves is one that `other` serves. Patterns are compared as
/// they are written.
fn serves_all_of(other: &Pool, pool: &Pool) -> bool {
    let covered =
        |one: &RepositoryPattern| other.repositories.iter().any(|its| its.matches(&one.0));
    other.repositories.is_empty()
        || (!pool.repositories.is_empty() && pool.repositories.iter().all(covered))
}

/// True if some repository may be served by both, as far as the patterns tell.
fn overlap(one: &Pool, other: &Pool) -> bool {
    let meet = |one: &RepositoryPattern, other: &RepositoryPattern| {
        one.matches(&other.0) || other.matches(&one.0)
    };
    let any = one.repositories.is_empty() || other.repositories.is_empty();
    any || one
        .repositories
        .iter()
        .any(|one| other.repositories.iter().any(|other| meet(one, other)))
}
