//! Pools: which kinds of runner there are. Which of them takes a job is `placement`.

use std::cmp::Reverse;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::id::{InstallationId, OwnerId, PoolName};
use crate::model::label::{self, Labels, RunBinding};
use crate::model::metric::MetricsLevel;
use crate::model::price::OwnPrices;
use crate::model::retention::Retention;
use crate::model::size::Size;
use crate::model::story::Refusal;
use crate::model::target::{Repository, Scope, Target, TargetScope};

/// An organization or user whose jobs are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its login; compared without case when no id is given.
    pub login: String,
    /// GitHub's id, if the pools file pins it: a login can be given up and taken by someone else,
    /// an id cannot.
    pub id: Option<OwnerId>,
}

impl Account {
    /// True if this is the owner of the repository.
    #[must_use]
    pub fn owns(&self, repository: &Repository) -> bool {
        match self.id {
            Some(id) => id == repository.owner,
            None => self.login.eq_ignore_ascii_case(repository.owner_login()),
        }
    }
}

/// Which repositories a pool serves: `owner/name`, where `*` stands for any run of characters
/// within one of the two parts. Compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPattern(pub String);

impl RepositoryPattern {
    /// True if `name` (`owner/name`) matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match (self.0.split_once('/'), name.split_once('/')) {
            (Some((owner, repository)), Some((its_owner, its_name))) => {
                glob(&label::folded(owner), &label::folded(its_owner))
                    && glob(&label::folded(repository), &label::folded(its_name))
            }
            _ => false,
        }
    }
}

/// `*` matches any run of characters, everything else itself. Linear in practice: on a mismatch
/// only the last `*` is extended.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else {
        return rest.is_empty();
    };
    let Some(mut rest) = rest.strip_suffix(last) else {
        return false;
    };
    let inner = pattern.split('*').count().saturating_sub(2);
    for part in parts.take(inner) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// A kind of runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// The labels it offers.
    pub labels: Labels,
    /// Takes jobs that name only GitHub's default labels.
    pub any: bool,
    /// Where several pools match, the highest wins.
    pub priority: i32,
    /// Where its runners register.
    pub scope: Scope,
    /// Which repositories it serves; empty: every repository of the accounts.
    pub repositories: Vec<RepositoryPattern>,
    /// Serves public repositories, too.
    pub public: bool,
    /// How large its runners are.
    pub size: Size,
    /// The container image.
    pub image: String,
    /// Name of the task role for the jobs, under the stack's role path; none: a role that may do
    /// nothing but ask for registration.
    pub task_role: Option<String>,
    /// Most runners at a time, counted by rows; 0: the pool is paused.
    pub max: u32,
    /// Most runners at a time for one repository.
    pub max_per_repository: Option<u32>,
    /// How many runners are kept alive and unregistered, waiting for a job.
    pub min_idle: u32,
    /// How long a registered runner may wait for its job.
    pub idle_timeout: Duration,
    /// From the registration to the end.
    pub max_lifetime: Duration,
    /// GitHub is asked, once, to run a job again whose runner AWS reclaimed; that runs on demand.
    /// Needs the App's permission `actions: write`, which nothing else does.
    pub rerun_interrupted: bool,
}

impl Pool {
    /// A pool that is in no pools file any more: launches nothing, drains.
    #[must_use]
    pub fn removed(name: PoolName, size: Size) -> Self {
        Self {
            name,
            labels: Labels::default(),
            any: false,
            priority: 0,
            scope: Scope::Repository,
            repositories: Vec::new(),
            public: false,
            size,
            image: String::new(),
            task_role: None,
            max: 0,
            max_per_repository: None,
            min_idle: 0,
            idle_timeout: crate::model::timeouts::IDLE_TIMEOUT,
            max_lifetime: crate::model::timeouts::MAX_LIFETIME,
            rerun_interrupted: false,
        }
    }

    /// True if the pool takes jobs and starts nothing for them until its `max` is raised.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.max == 0
    }

    /// How many idle runners there are to be now: a pool that is paused keeps none, whatever its
    /// `min_idle` says.
    #[must_use]
    pub fn floor(&self) -> u32 {
        self.min_idle.min(self.max)
    }

    /// True if jobs of this pool that cannot ask for admission must not run: a refusal that is
    /// missed would cost more than a job.
    #[must_use]
    pub fn fails_closed(&self) -> bool {
        self.task_role.is_some() || matches!(self.scope, Scope::Organization { .. })
    }

    /// Whether the pool's labels fit those of a job: all of them offered, or binding the job to its
    /// own run (`bound`), and at least one that is the pool's own.
    pub(crate) fn fit<'a>(
        &self,
        labels: &'a Labels,
        bound: impl Fn(RunBinding) -> bool,
    ) -> Result<(), Misfit<'a>> {
        if labels.is_empty() {
            return Err(Misfit::Nothing);
        }
        let bound = |l: &str| RunBinding::parse(l).is_some_and(&bound);
        let lacks: Vec<&str> = labels
            .iter()
            .filter(|l| !self.labels.contains(l) && !bound(l))
            .collect();
        if !lacks.is_empty() {
            return Err(Misfit::Lacks(lacks));
        }
        let named = |l: &str| self.labels.contains(l) && (self.any || !label::is_default(l));
        if labels.iter().any(named) {
            Ok(())
        } else {
            Err(Misfit::NoneOfItsOwn)
        }
    }

    /// Why the pool does not serve this repository, or `None` if it does.
    #[must_use]
    pub fn refuses(&self, repository: &Repository) -> Option<Refusal> {
        if !self.repositories.is_empty()
            && !self
                .repositories
                .iter()
                .any(|pattern| pattern.matches(&repository.name))
        {
            return Some(Refusal::Repository);
        }
        (!repository.private && !self.public).then_some(Refusal::Public)
    }

    /// Where and as what the runner for a job of this pool registers.
    #[must_use]
    pub fn target(
        &self,
        installation: InstallationId,
        repository: &Repository,
        labels: &Labels,
    ) -> Target {
        let scope = match &self.scope {
            Scope::Repository => TargetScope::Repository {
                id: repository.id,
                name: repository.name.clone(),
            },
            Scope::Organization { group } => TargetScope::Organization {
                id: repository.owner,
                login: repository.owner_login().to_owned(),
                group: group.clone(),
            },
        };
        Target {
            installation,
            scope,
            labels: labels.clone(),
        }
    }

    /// What decides which labels it takes and where its runners register.
    #[must_use]
    pub fn match_key(&self) -> MatchKey {
        let mut hash = Sha256::new();
        match &self.scope {
            Scope::Repository => hash.update(b"r"),
            Scope::Organization { group } => {
                hash.update(b"o");
                hash.update(group.as_bytes());
            }
        }
        hash.update([0, u8::from(self.any)]);
        for label in self.labels.folded() {
            hash.update([0]);
            hash.update(label.as_bytes());
        }
        MatchKey(
            hash.finalize()
                .iter()
                .take(3)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// True if it is preferred to a pool with the same labels.
    #[must_use]
    pub fn precedes(&self, other: &Self) -> bool {
        (Reverse(self.priority), &self.name) < (Reverse(other.priority), &other.name)
    }

    /// Its place among pools that take a job with these labels, the lowest wins: priority, labels
    /// that the job does not name, name.
    pub(crate) fn rank(&self, labels: &Labels) -> (Reverse<i32>, usize, &PoolName) {
        let surplus = self
            .labels
            .folded()
            .filter(|own| !labels.contains(own))
            .count();
        (Reverse(self.priority), surplus, &self.name)
    }
}

/// A short name of what a pool was like when a job was matched to it: 6 hexadecimal digits. While
/// it is the same, the job's pool and target are as the pools file says; where it is not, the job
/// is matched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MatchKey(pub String);

/// Why a pool's labels do not fit those of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit<'a> {
    /// The job names no label.
    Nothing,
    /// The pool does not offer these.
    Lacks(Vec<&'a str>),
    /// The job names only labels that say nothing about this pool.
    NoneOfItsOwn,
}

/// The pools file, checked: what Mayfly serves, and how. Nothing, while none is active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    /// Who is served.
    pub accounts: Vec<Account>,
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// Prices that are not the list's.
    pub prices: OwnPrices,
    /// How much is sent to CloudWatch.
    pub metrics: MetricsLevel,
    /// How long records are kept that are made while it is active.
    pub keep: Retention,
    /// Number of the file's version in SSM: the generation that jobs carry.
    pub version: u64,
}

impl Pools {
    /// The pool of this name.
    #[must_use]
    pub fn get(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == *name)
    }

    /// True if the owner of the repository is among the accounts.
    #[must_use]
    pub fn serves(&self, repository: &Repository) -> bool {
        self.accounts.iter().any(|account| account.owns(repository))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RepositoryId;

    fn repository(name: &str, private: bool) -> Repository {
        Repository {
            id: RepositoryId(1),
            name: name.into(),
            owner: OwnerId(9),
            private,
        }
    }

    #[test]
    fn an_account_with_an_id_is_compared_by_it_alone() {
        let account = Account {
            login: "acme".into(),
            id: Some(OwnerId(8)),
        };
        assert!(!account.owns(&repository("acme/app", true)));
        let account = Account {
            login: "renamed".into(),
            id: Some(OwnerId(9)),
        };
        assert!(account.owns(&repository("acme/app", true)));
    }

    #[test]
    fn star_stands_for_any_run_of_characters_within_a_part() {
        let matches = |pattern: &str, name| RepositoryPattern(pattern.into()).matches(name);
        for (pattern, name) in [
            ("acme/*", "acme/app"),
            ("*/*", "a/b"),
            ("acme/a*b*c", "acme/aXbYbc"),
            ("acme/a*", "acme/a"),
            ("a*/x", "acme/x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("acme/*", "acme2/app"),
            ("acme/a*a", "acme/a"),
            ("acme/app", "acme/app2"),
            ("*", "a/b"),
            ("acme/a*b*c", "acme/acb"),
            ("acme/*", "acme"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
