//! Where and as what a runner registers.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::id::{InstallationId, OwnerId, RepositoryId};
use crate::model::label::Labels;

/// A repository as a delivery names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// GitHub's id: what two mentions of a repository are compared by.
    pub id: RepositoryId,
    /// `owner/name` at the time of the delivery: what the REST API is asked with.
    pub name: String,
    /// GitHub's id of the owner.
    pub owner: OwnerId,
    /// False for a public repository.
    pub private: bool,
}

impl Repository {
    /// The owner's login, the part of the name before the `/`.
    #[must_use]
    pub fn owner_login(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// Where the runners of a pool register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// At the job's repository.
    Repository,
    /// At the organization, in this runner group.
    Organization {
        /// The runner group's name.
        group: String,
    },
}

impl Scope {
    /// In words for the user: where a runner registers.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Repository => "at its repository".to_owned(),
            Self::Organization { group } => format!("at the organization, in group {group}"),
        }
    }
}

/// At which level runners register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetScope {
    /// At the repository itself (App permission `administration: write`).
    Repository {
        /// The repository's id.
        id: RepositoryId,
        /// `owner/name`.
        name: String,
    },
    /// At the organization, in one runner group (App permission
    /// `organization_self_hosted_runners: write`).
    Organization {
        /// The organization's id.
        id: OwnerId,
        /// The organization's login.
        login: String,
        /// The runner group's name.
        group: String,
    },
}

/// Where and as what a runner registers: installation, scope with runner group, and exactly the
/// labels of the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The App's installation on the account.
    pub installation: InstallationId,
    /// Repository or organization.
    pub scope: TargetScope,
    /// Exactly the job's labels: GitHub gives a runner any job that its labels cover, so more
    /// labels would invite strangers.
    pub labels: Labels,
}

/// A target's short name, for rows that must stay small: 16 hexadecimal digits. Equal targets have
/// equal keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetKey(pub String);

impl Target {
    /// The short name of this target. Names that can change (a repository's, a login) do not enter
    /// it, ids do.
    #[must_use]
    pub fn key(&self) -> TargetKey {
        let mut hash = Sha256::new();
        hash.update(self.installation.0.to_be_bytes());
        match &self.scope {
            TargetScope::Repository { id, .. } => {
                hash.update(b"r");
                hash.update(id.0.to_be_bytes());
            }
            TargetScope::Organization { id, group, .. } => {
                hash.update(b"o");
                hash.update(id.0.to_be_bytes());
                hash.update(group.as_bytes());
            }
        }
        for label in self.labels.folded() {
            hash.update([0]);
            hash.update(label.as_bytes());
        }
        TargetKey(
            hash.finalize()
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// True if GitHub lists the runners of both in one list.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let same_place = match (&self.scope, &other.scope) {
            (TargetScope::Repository { id, .. }, TargetScope::Repository { id: its, .. }) => {
                id == its
            }
            (TargetScope::Organization { id, .. }, TargetScope::Organization { id: its, .. }) => {
                id == its
            }
            _ => false,
        };
        same_place && self.installation == other.installation
    }

    /// True if a job of this repository can be given to a runner that is registered here.
    #[must_use]
    pub fn reaches(&self, repository: &Repository) -> bool {
        match &self.scope {
            TargetScope::Repository { id, .. } => *id == repository.id,
            TargetScope::Organization { id, .. } => *id == repository.owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(labels: &[&str]) -> Target {
        Target {
            installation: InstallationId(1),
            scope: TargetScope::Repository {
                id: RepositoryId(7),
                name: "acme/app".into(),
            },
            labels: labels.iter().copied().collect(),
        }
    }

    #[test]
    fn key_ignores_order_case_and_renames_and_nothing_else() {
        let key = target(&["a", "b"]).key();
        assert_eq!(target(&["B", "A"]).key(), key);
        let mut renamed = target(&["a", "b"]);
        renamed.scope = TargetScope::Repository {
            id: RepositoryId(7),
            name: "acme/new".into(),
        };
        assert_eq!(renamed.key(), key);
        assert_ne!(target(&["a"]).key(), key);
        assert_ne!(target(&["ab"]).key(), key);
    }
}
