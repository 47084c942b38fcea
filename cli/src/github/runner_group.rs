//! The runner group that a pool at organization scope names: whether it is there, and making it.

use mayfly_domain::model::id::InstallationId;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::target::Scope;
use mayfly_github::{Account, Installation, MadeGroup, RunnerGroups};

use crate::failure::Failure;
use crate::github::setup::{patiently, refused, soon};

/// The group that `init` makes for Mayfly's runners.
pub const OWN: &str = "mayfly";

/// The group that every organization has, and the only one without GitHub Team or Enterprise.
pub const DEFAULT: &str = "Default";

/// The result of ensuring that a group exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It was there.
    Found,
    /// It was made.
    Made,
    /// GitHub makes none, in its words.
    Refused(String),
}

/// Makes a group unless it is there.
///
/// # Errors
///
/// If GitHub does not answer, or does not let the App look.
pub async fn ensure(
    github: &impl RunnerGroups,
    installation: InstallationId,
    organization: &Account,
    name: &str,
) -> Result<Ensured, Failure> {
    if names(github, installation, organization)
        .await?
        .iter()
        .any(|one| one == name)
    {
        return Ok(Ensured::Found);
    }
    // Not repeated: an answer that is lost may be of a group that was made, which the next run
    // finds.
    match github
        .make_runner_group(installation, organization, name, soon())
        .await
    {
        Ok(MadeGroup::Made) => Ok(Ensured::Made),
        Ok(MadeGroup::Refused(why)) => Ok(Ensured::Refused(why)),
        Err(error) => Err(refused("create the runner group", &error)),
    }
}

/// An organization's groups.
///
/// # Errors
///
/// If GitHub does not answer, or does not let the App look.
pub async fn names(
    github: &impl RunnerGroups,
    installation: InstallationId,
    organization: &Account,
) -> Result<Vec<String>, Failure> {
    patiently("list the runner groups", || {
        github.runner_groups(installation, organization, soon())
    })
    .await
}

/// A group that a pool names, at one of the organizations that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGroup {
    /// Where the App is installed.
    pub installation: InstallationId,
    /// On whom.
    pub organization: Account,
    /// The group's name.
    pub group: String,
    /// The pools that name it.
    pub pools: Vec<String>,
    /// Whether it is there.
    pub there: Result<bool, Failure>,
}

/// Looks for each group that a pool names, at each organization that the file serves and the App is
/// installed on.
pub async fn look(
    github: &impl RunnerGroups,
    installations: &[Installation],
    pools: &Pools,
) -> Vec<NamedGroup> {
    let mut found = Vec::new();
    for one in installations.iter().filter(|one| !one.suspended) {
        let Some(organization) = one.account.as_ref().filter(|account| account.organization) else {
            continue;
        };
        let serves = pools.accounts.iter().any(|served| {
            served.id.map_or_else(
                || served.login.eq_ignore_ascii_case(&organization.login),
                |id| id == organization.id,
            )
        });
        let wanted = if serves { wanted(pools) } else { Vec::new() };
        if wanted.is_empty() {
            continue;
        }
        let names = names(github, one.id, organization).await;
        found.extend(wanted.into_iter().map(|(group, pools)| {
            let there = names
                .as_ref()
                .map(|names| names.contains(&group))
                .map_err(Clone::clone);
            NamedGroup {
                installation: one.id,
                organization: organization.clone(),
                group,
                pools,
                there,
            }
        }));
    }
    found
}

/// The groups that pools name, each with its pools.
fn wanted(pools: &Pools) -> Vec<(String, Vec<String>)> {
    let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
    for pool in &pools.pools {
        let Scope::Organization { group } = &pool.scope else {
            continue;
        };
        match wanted.iter_mut().find(|(name, _)| name == group) {
            Some((_, pools)) => pools.push(pool.name.to_string()),
            None => wanted.push((group.clone(), vec![pool.name.to_string()])),
        }
    }
    wanted
}

impl NamedGroup {
    /// What is wrong if the group is not there, in words.
    #[must_use]
    pub fn missing(&self) -> String {
        let Self {
            organization,
            group,
            pools,
            ..
        } = self;
        format!(
            "{} has no runner group {group:?}, which pool {} names: GitHub registers no runner for it",
            organization.login,
            pools.join(", ")
        )
    }
}

/// What to do about a group that is not there.
pub const FIX: &str = "mayfly doctor --fix creates it; without GitHub Team or Enterprise there is only runner_group = \"Default\"";
