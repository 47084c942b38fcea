//! Installation tokens and what each may do.

use super::accounts::{Accounts, Installation, Level, Permissions};
use super::chance::Chance;
use super::id::{InstallationId, RepositoryId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many repositories one request may name: 500 (GitHub's OpenAPI description).
const MOST_REPOSITORIES: usize = 500;

/// Random bytes that stand for the signature: makes the whole about as long as a real one, 520
/// characters.
const SIGNATURE_BYTES: usize = 256;

/// What a token may do.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whose.
    pub installation: InstallationId,
    /// Only these repositories; none is all of the installation.
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// These permissions.
    pub permissions: Permissions,
    /// Until then.
    pub expires_at: Timestamp,
}

impl Grant {
    /// Whether it allows `level` on `permission`.
    #[must_use]
    pub fn allows(&self, permission: &str, level: Level) -> bool {
        self.permissions
            .get(permission)
            .is_some_and(|granted| *granted >= level)
    }

    /// Whether it covers a repository that its installation covers.
    #[must_use]
    pub fn covers(&self, repository: RepositoryId) -> bool {
        self.repositories
            .as_ref()
            .is_none_or(|some| some.contains(&repository))
    }
}

/// The body of a request for a token.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Narrowing {
    /// Names without the owner.
    pub repositories: Option<Vec<String>>,
    /// Ids.
    pub repository_ids: Option<Vec<i64>>,
    /// Less than what the installation has.
    pub permissions: Option<BTreeMap<String, Level>>,
}

/// Why no token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A repository is not there, or not in the installation.
    Repository,
    /// A permission is not granted, or less of it.
    Permission,
    /// More repositories than one request may name.
    TooMany,
}

impl Denied {
    /// GitHub's words; the status is 422.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Repository => {
                "There is at least one repository that does not exist or is not accessible to the parent installation."
            }
            Self::Permission => "The permissions requested are not granted to this installation.",
            Self::TooMany => "Too many repositories: at most 500 can be named.",
        }
    }
}

/// All tokens that were handed out.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    grants: BTreeMap<String, Grant>,
}

impl Tokens {
    /// Works out what a token may do.
    ///
    /// # Errors
    /// When it asks for more than the installation has.
    pub fn narrow(
        accounts: &Accounts,
        installation: &Installation,
        narrowing: &Narrowing,
        expires_at: Timestamp,
    ) -> Result<Grant, Denied> {
        let repositories = repositories(accounts, installation, narrowing)?;
        let mut permissions = match &narrowing.permissions {
            None => installation.permissions.clone(),
            Some(wanted) => {
                let has = |(name, level): (&String, &Level)| {
                    installation
                        .permissions
                        .get(name)
                        .is_some_and(|granted| granted >= level)
                };
                if wanted.is_empty() || !wanted.iter().all(has) {
                    return Err(Denied::Permission);
                }
                wanted.clone()
            }
        };
        // GitHub adds the right to see that a repository exists.
        permissions
            .entry("metadata".to_owned())
            .or_insert(Level::Read);
        Ok(Grant {
            installation: installation.id,
            repositories,
            permissions,
            expires_at,
        })
    }

    /// Hands out a token: the stateless form, `ghs_<app id>_<JWT>`, some 520 characters (GitHub
    /// changelog, 2026-05-15). No one may expect the 40 characters of old.
    pub fn issue(&mut self, app_id: i64, grant: Grant, chance: &mut Chance) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let claims = format!(
            r#"{{"iss":"github","inst":{},"exp":{},"jti":"{}"}}"#,
            grant.installation,
            grant.expires_at.as_second(),
            chance.guid()
        );
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let signature = URL_SAFE_NO_PAD.encode(chance.bytes(SIGNATURE_BYTES));
        let token = format!("ghs_{app_id}_{header}.{claims}.{signature}");
        self.grants.insert(token.clone(), grant);
        token
    }

    /// What a token may do, while it lives.
    #[must_use]
    pub fn grant(&self, token: &str, now: Timestamp) -> Option<&Grant> {
        self.grants
            .get(token)
            .filter(|grant| grant.expires_at > now)
    }

    /// Ends every token, as if an hour had gone by.
    pub fn expire_all(&mut self) {
        self.grants.clear();
    }
}

/// The repositories that a request names, all of them within the installation.
fn repositories(
    accounts: &Accounts,
    installation: &Installation,
    narrowing: &Narrowing,
) -> Result<Option<BTreeSet<RepositoryId>>, Denied> {
    let names = narrowing.repositories.as_deref().unwrap_or_default();
    let ids = narrowing.repository_ids.as_deref().unwrap_or_default();
    if names.is_empty() && ids.is_empty() {
        return Ok(None);
    }
    if names.len() + ids.len() > MOST_REPOSITORIES {
        return Err(Denied::TooMany);
    }
    let own: Vec<_> = accounts
        .repositories()
        .filter(|one| one.owner == installation.account && one.installed)
        .collect();
    let by_name = names
        .iter()
        .map(|name| own.iter().find(|one| one.name.eq_ignore_ascii_case(name)));
    let by_id = ids.iter().map(|id| own.iter().find(|one| one.id.0 == *id));
    by_name
        .chain(by_id)
        .map(|found| found.map(|one| one.id).ok_or(Denied::Repository))
        .collect::<Result<_, _>>()
        .map(Some)
}
