//! Accounts, installations, repositories and groups, one by one.

use crate::id::{AccountId, GroupId, InstallationId, RepositoryId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// Permissions by name.
pub type Permissions = BTreeMap<String, Level>;

/// What the App is granted where it is installed.
#[must_use]
pub fn granted() -> Permissions {
    [
        ("actions", Level::Read),
        ("administration", Level::Write),
        ("metadata", Level::Read),
        ("organization_self_hosted_runners", Level::Write),
    ]
    .into_iter()
    .map(|(name, level)| (name.to_owned(), level))
    .collect()
}

/// Who owns repositories.
#[derive(Debug, Clone)]
pub struct Account {
    /// Never changes.
    pub id: AccountId,
    /// The name in URLs.
    pub login: String,
    /// Organizations have runners and groups of their own, users have not.
    pub organization: bool,
}

/// The App on an account.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Never changes.
    pub id: InstallationId,
    /// Whose.
    pub account: AccountId,
    /// What the owner granted.
    pub permissions: Permissions,
    /// Suspended by its owner: every call is refused, nothing is delivered.
    pub suspended_at: Option<Timestamp>,
    /// When it was installed.
    pub created_at: Timestamp,
}

/// A time in which the App was not on an account, or was suspended there.
#[derive(Debug, Clone)]
pub(super) struct Absence {
    pub(super) account: AccountId,
    pub(super) from: Timestamp,
    /// None: it still is.
    pub(super) until: Option<Timestamp>,
}

/// A repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Never changes.
    pub id: RepositoryId,
    /// Whose.
    pub owner: AccountId,
    /// Its name without the owner.
    pub name: String,
    /// Not public.
    pub private: bool,
    /// Read-only.
    pub archived: bool,
    /// Whether the installation of its owner covers it.
    pub installed: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which repositories may use a runner group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Every one.
    All,
    /// Private ones.
    Private,
    /// These.
    Selected(BTreeSet<String>),
}

/// A runner group of an organization.
#[derive(Debug, Clone)]
pub struct Group {
    /// 1 is the default group.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Who may use it.
    pub visibility: Visibility,
    /// Without this, jobs of public repositories silently stay queued.
    pub allows_public: bool,
}
