//! A pools file as data, and the rules of docs/REFERENCE.md, "The pools file", once more, by other
//! code: what the invariants hold the product to.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Labels that say nothing about a pool, as docs/REFERENCE.md has them.
const DEFAULT_LABELS: [&str; 8] = [
    "self-hosted",
    "linux",
    "windows",
    "macos",
    "x64",
    "x86",
    "arm",
    "arm64",
];

/// What runners may have: vCPUs and memory.
pub(in crate::simulation) const SIZES: [(&str, &str); 3] =
    [("2", "8 GiB"), ("1", "4 GiB"), ("4", "16 GiB")];

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// What it offers.
    pub labels: Vec<String>,
    /// Most runners.
    pub max: u32,
    /// Runners that wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_idle: u32,
    /// Most runners of one repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_repository: Option<u32>,
    /// The runner group, for a pool at organization scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which repositories it serves; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Serves public ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// On Spot capacity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
    /// Its jobs have a role: admission that cannot be asked for is a refusal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub role: bool,
    /// Where several match, the highest wins.
    #[serde(default, skip_serializing_if = "is_even")]
    pub priority: i32,
    /// A number in the image's tag.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub image: u32,
    /// How large its runners are: 0 for 2 vCPU and 8 GiB, 1 for half of that, 2 for twice as much.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u32,
    /// Minutes that a registered runner may wait for a job; 5 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
    /// Jobs whose runner AWS reclaimed are run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rerun_interrupted: bool,
    /// Minutes that a runner may live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
pub(super) fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_even(priority: &i32) -> bool {
    *priority == 0
}

/// What a job asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct Asked<'a> {
    /// `owner/name`.
    pub(in crate::simulation) repository: &'a str,
    /// Not public.
    pub(in crate::simulation) private: bool,
    /// `runs-on`, run bindings filled in.
    pub(in crate::simulation) labels: &'a [String],
}

impl PoolSpec {
    /// True if the pool lets jobs of this repository run.
    #[must_use]
    pub fn admits(&self, repository: &str, private: bool) -> bool {
        let listed = self.repositories.is_empty()
            || self
                .repositories
                .iter()
                .any(|pattern| matches(pattern, repository));
        listed && (private || self.public)
    }

    /// True if it takes the job.
    #[must_use]
    pub(in crate::simulation) fn takes(&self, asked: Asked<'_>) -> bool {
        self.offers(asked.labels) && self.admits(asked.repository, asked.private)
    }

    /// True if its runners have these labels, one of its own among them.
    fn offers(&self, labels: &[String]) -> bool {
        let offered = |label: &str| {
            self.labels
                .iter()
                .any(|own| own.eq_ignore_ascii_case(label))
        };
        let own = |label: &str| {
            offered(label) && !DEFAULT_LABELS.contains(&label.to_lowercase().as_str())
        };
        labels
            .iter()
            .all(|label| offered(label) || label.starts_with("run="))
            && labels.iter().any(|label| own(label))
    }

    /// True if jobs that cannot ask for admission must not run.
    #[must_use]
    pub fn fails_closed(&self) -> bool {
        self.role || self.group.is_some()
    }
}

fn matches(pattern: &str, repository: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(owner) => repository
            .split('/')
            .next()
            .is_some_and(|is| is.eq_ignore_ascii_case(owner)),
        None => pattern.eq_ignore_ascii_case(repository),
    }
}

/// A pools file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolsFile {
    /// Who is served.
    pub accounts: Vec<String>,
    /// The pools.
    pub pools: Vec<PoolSpec>,
}

impl PoolsFile {
    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("[github]\naccounts = {}\n", list(&self.accounts));
        for pool in &self.pools {
            pool_text(&mut text, pool);
        }
        text
    }

    /// The pool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PoolSpec> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// True if the pool of this name lets jobs of this repository run.
    #[must_use]
    pub fn admits(&self, pool: &str, repository: &str, private: bool) -> bool {
        self.serves(repository)
            && self
                .get(pool)
                .is_some_and(|pool| pool.admits(repository, private))
    }

    /// True if the repository's owner is one of the accounts.
    fn serves(&self, repository: &str) -> bool {
        let owner = repository.split('/').next().unwrap_or_default();
        self.accounts
            .iter()
            .any(|account| account.eq_ignore_ascii_case(owner))
    }

    /// True if the job is to be written down: its account is served and its labels are some pool's,
    /// whether that takes it or not.
    #[must_use]
    pub(in crate::simulation) fn knows(&self, asked: Asked<'_>) -> bool {
        self.serves(asked.repository) && self.pools.iter().any(|pool| pool.offers(asked.labels))
    }

    /// True if some pool takes the job.
    #[must_use]
    pub(in crate::simulation) fn takes(&self, asked: Asked<'_>) -> bool {
        self.serves(asked.repository) && self.pools.iter().any(|pool| pool.takes(asked))
    }
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

fn pool_text(text: &mut String, pool: &PoolSpec) {
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{key} = {value}");
    };
    let quoted = |value: &str| format!("{value:?}");
    line(
        &format!("\n[pools.{}]\nlabels", pool.name),
        &list(&pool.labels),
    );
    let (cpu, memory) = SIZES[usize::try_from(pool.size).unwrap_or_default() % SIZES.len()];
    line("cpu", &cpu);
    line("memory", &quoted(memory));
    line("max", &pool.max);
    line(
        "image",
        &quoted(&format!("registry.test/runner:{}", pool.image)),
    );
    if pool.min_idle > 0 {
        line("min_idle", &pool.min_idle);
    }
    if let Some(most) = pool.max_per_repository {
        line("max_per_repository", &most);
    }
    if let Some(group) = &pool.group {
        line("scope", &quoted("organization"));
        line("runner_group", &quoted(group));
    }
    if !pool.repositories.is_empty() {
        line("repositories", &list(&pool.repositories));
    }
    if pool.public {
        line("public", &true);
    }
    if pool.spot {
        line("capacity", &quoted("spot"));
    }
    if pool.role {
        line("task_role", &quoted(&format!("mayfly-{}", pool.name)));
    }
    if pool.priority != 0 {
        line("priority", &pool.priority);
    }
    if let Some(minutes) = pool.idle_timeout {
        line("idle_timeout", &quoted(&format!("{minutes}m")));
    }
    if pool.rerun_interrupted {
        line("rerun_interrupted", &true);
    }
    if let Some(minutes) = pool.max_lifetime {
        line("max_lifetime", &quoted(&format!("{minutes}m")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> PoolSpec {
        PoolSpec {
            name: "linux".to_owned(),
            labels: ["self-hosted", "linux", "x64", "mayfly"]
                .map(str::to_owned)
                .to_vec(),
            max: 5,
            min_idle: 2,
            max_per_repository: Some(3),
            group: Some("Default".to_owned()),
            repositories: vec!["acme/app".to_owned(), "globex/*".to_owned()],
            public: true,
            spot: true,
            role: true,
            priority: -2,
            image: 7,
            size: 1,
            idle_timeout: Some(7),
            rerun_interrupted: true,
            max_lifetime: Some(90),
        }
    }

    #[test]
    fn the_text_is_a_pools_file() {
        let file = PoolsFile {
            accounts: vec!["acme".to_owned(), "globex".to_owned()],
            pools: vec![pool()],
        };
        let parsed = mayfly_config::pools_file::parse(&file.text(), 3).unwrap();
        let pool = &parsed.pools[0];
        assert_eq!(
            (
                pool.max,
                pool.min_idle,
                pool.max_per_repository,
                pool.priority
            ),
            (5, 2, Some(3), -2),
            "{}",
            file.text()
        );
        assert!(
            pool.fails_closed()
                && pool.public
                && pool.rerun_interrupted
                && pool.repositories.len() == 2
        );
        assert_eq!(
            (pool.size.cpu, pool.idle_timeout),
            (1_024, std::time::Duration::from_secs(420))
        );
    }

    #[test]
    fn a_job_is_taken_by_its_labels_and_its_repository() {
        let file = PoolsFile {
            accounts: vec!["acme".to_owned()],
            pools: vec![PoolSpec {
                public: false,
                ..pool()
            }],
        };
        let takes = |repository, private, labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            file.takes(Asked {
                repository,
                private,
                labels: &labels,
            })
        };
        assert!(takes("acme/app", true, &["self-hosted", "MAYFLY", "run=5"]));
        let knows = |repository, labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            file.knows(Asked {
                repository,
                private: false,
                labels: &labels,
            })
        };
        assert!(
            knows("acme/app", &["mayfly"])
                && !knows("globex/a", &["mayfly"])
                && !knows("acme/app", &["gpu"])
        );
        assert!(
            !takes("acme/app", true, &["self-hosted", "linux"])
                && !takes("acme/app", true, &["mayfly", "gpu"])
        );
        assert!(
            !takes("acme/app", false, &["mayfly"])
                && !takes("acme/lib", true, &["mayfly"])
                && !takes("globex/a", true, &["mayfly"])
        );
    }
}
