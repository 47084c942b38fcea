//! What GitHub says of a repository, asked as the App: for anyone who may read its key.

use std::collections::BTreeMap;
use std::fmt;

use mayfly_config::store::{Parameters, SettingsError};
use mayfly_domain::model::id::InstallationId;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::target::{Repository, Scope};
use mayfly_github::{AppApi, Github, Installation, Lookup, RunnerGroupAccess};
use serde::Serialize;

use crate::deployment::connect::Connected;
use crate::failure::Failure;
use crate::github::setup::{GithubSetup as _, RealGithub, patiently, soon};

/// Whether the App is where it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// It is installed on the owner.
    Installed,
    /// Its owner suspended it there: nothing is delivered.
    Suspended,
    /// It is not installed on the owner.
    NotInstalled,
}

/// Whether a pool's runner group admits a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Group {
    /// It does.
    Open,
    /// It is there, and does not.
    Closed,
    /// It does not admit public repositories, and this is one.
    NotForPublic,
    /// It admits some workflows only.
    Restricted,
    /// There is none of this name.
    Missing {
        /// Those that there are.
        there_are: Vec<String>,
    },
}

/// What GitHub says of a repository.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GithubAccess {
    /// Whether the App is installed on its owner.
    pub app: App,
    /// That installation.
    pub installation: Option<InstallationId>,
    /// Whether the installation sees the repository.
    pub sees_repository: bool,
    /// Whether it is private.
    pub private: Option<bool>,
    /// What the installation granted: level by permission.
    pub permissions: BTreeMap<String, String>,
    /// The repository, if it is seen.
    #[serde(skip)]
    pub repository: Option<Repository>,
}

/// Why GitHub cannot be asked as the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoApp {
    /// There is none yet.
    NotSetUp,
    /// These credentials may not read its key.
    MayNot {
        /// The parameter that holds it.
        parameter: String,
    },
    /// For another reason, in words.
    Because(String),
}

impl fmt::Display for NoApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSetUp => f.write_str("no GitHub App is set up yet (mayfly init)"),
            Self::MayNot { parameter } => {
                write!(
                    f,
                    "these credentials may not read the App's key in {parameter}; ask someone who has the policy SecretsPolicyArn"
                )
            }
            Self::Because(why) => f.write_str(why),
        }
    }
}

/// GitHub, through the App.
pub struct AppClient {
    /// The way there.
    pub github: Github,
    /// Where that is: the address that is stored with the App's key.
    pub url: String,
}

/// The App's way to the GitHub that its key belongs to.
///
/// # Errors
///
/// Why GitHub cannot be asked.
pub async fn app(connected: &Connected) -> Result<AppClient, NoApp> {
    let name = connected.parameter("github-app");
    let settings = connected.settings(Parameters {
        github_app: Some(name.clone()),
        ..Parameters::default()
    });
    let key = settings
        .github_app()
        .await
        .map_err(|problem| match problem {
            SettingsError::Missing { .. } => NoApp::NotSetUp,
            SettingsError::Unreadable(problem) if problem.denied => {
                NoApp::MayNot { parameter: name }
            }
            problem => NoApp::Because(problem.to_string()),
        })?;
    let github = RealGithub
        .enter(&key)
        .map_err(|failure| NoApp::Because(failure.to_string()))?;
    Ok(AppClient {
        github,
        url: key.url.clone(),
    })
}

/// Asks about a repository by its name.
///
/// # Errors
///
/// If GitHub does not answer.
pub async fn ask(github: &(impl AppApi + Lookup), name: &str) -> Result<GithubAccess, Failure> {
    let owner = name.split('/').next().unwrap_or_default();
    let installations = patiently("find the App's installation", || {
        github.installations(soon())
    })
    .await?;
    let on_owner = |one: &Installation| {
        one.account
            .as_ref()
            .is_some_and(|account| account.login.eq_ignore_ascii_case(owner))
    };
    let nowhere = GithubAccess {
        app: App::NotInstalled,
        installation: None,
        sees_repository: false,
        private: None,
        permissions: BTreeMap::new(),
        repository: None,
    };
    let Some(found) = installations.into_iter().find(on_owner) else {
        return Ok(nowhere);
    };
    let there = GithubAccess {
        installation: Some(found.id),
        permissions: found.permissions,
        ..nowhere
    };
    if found.suspended {
        return Ok(GithubAccess {
            app: App::Suspended,
            ..there
        });
    }
    let repository = patiently("read the repository", || {
        github.repository_named(found.id, name, soon())
    })
    .await?;
    Ok(GithubAccess {
        app: App::Installed,
        sees_repository: repository.is_some(),
        private: repository.as_ref().map(|repository| repository.private),
        repository,
        ..there
    })
}

/// Asks whether a pool's runner group admits a repository; none for a pool that registers at
/// repositories.
///
/// # Errors
///
/// If GitHub does not answer, or refuses.
pub async fn group(
    github: &impl Lookup,
    at: &GithubAccess,
    pool: &Pool,
) -> Result<Option<Group>, Failure> {
    let (Scope::Organization { group }, Some(installation), Some(repository)) =
        (&pool.scope, at.installation, &at.repository)
    else {
        return Ok(None);
    };
    let found = patiently("list the runner groups", || {
        github.group_named(installation, repository, group, soon())
    })
    .await?;
    Ok(Some(match found {
        RunnerGroupAccess::Missing(there_are) => Group::Missing { there_are },
        RunnerGroupAccess::Closed => Group::Closed,
        RunnerGroupAccess::Open { public: false, .. } if !repository.private => Group::NotForPublic,
        RunnerGroupAccess::Open {
            restricted: true, ..
        } => Group::Restricted,
        RunnerGroupAccess::Open { .. } => Group::Open,
    }))
}

/// GitHub's levels of a permission, the least first.
const LEVELS: [&str; 3] = ["read", "write", "admin"];

impl GithubAccess {
    /// Permissions that the installation lacks for a pool, each as `administration: write`.
    #[must_use]
    pub fn lacks(&self, pool: &Pool) -> Vec<String> {
        let runners = match pool.scope {
            Scope::Repository => "administration",
            Scope::Organization { .. } => "organization_self_hosted_runners",
        };
        let actions = if pool.rerun_interrupted {
            "write"
        } else {
            "read"
        };
        let rank = |level: &str| {
            LEVELS
                .iter()
                .position(|known| *known == level)
                .map_or(0, |at| at + 1)
        };
        let missing = [(runners, "write"), ("actions", actions)]
            .into_iter()
            .filter(|(name, level)| {
                let granted = self
                    .permissions
                    .get(*name)
                    .map(String::as_str)
                    .unwrap_or_default();
                rank(granted) < rank(level)
            });
        missing
            .map(|(name, level)| format!("{name}: {level}"))
            .collect()
    }

    /// What is wrong, in words; nothing if all is well. `name` is the repository's.
    #[must_use]
    pub fn problem(&self, name: &str) -> Option<String> {
        let owner = name.split('/').next().unwrap_or_default();
        match (self.app, self.sees_repository) {
            (App::NotInstalled, _) => Some(format!(
                "the App is not installed on {owner}: GitHub delivers none of its events; install it there"
            )),
            (App::Suspended, _) => Some(format!(
                "the App is suspended on {owner}: GitHub delivers none of its events; its owner can unsuspend it"
            )),
            (App::Installed, false) => Some(format!(
                "the App is installed on {owner}, but does not see {name}: is the name right, and was the repository selected?"
            )),
            (App::Installed, true) => None,
        }
    }
}

impl Group {
    /// What is wrong, in words; nothing if all is well. `name` is the group's.
    #[must_use]
    pub fn problem(&self, name: &str) -> Option<String> {
        Some(match self {
            Self::Open => return None,
            Self::Closed => format!(
                "runner group {name} does not admit the repository: GitHub would give its jobs to no runner there"
            ),
            Self::NotForPublic => format!("runner group {name} does not admit public repositories"),
            Self::Restricted => {
                format!("runner group {name} admits some workflows only: is the job's among them?")
            }
            Self::Missing { there_are } => format!(
                "there is no runner group {name}; there are {}",
                there_are.join(", ")
            ),
        })
    }
}
