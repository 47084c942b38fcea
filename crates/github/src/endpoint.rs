//! Where things are in GitHub's API, and what may be done there.

use mayfly_domain::model::id::{InstallationId, OwnerId, RepositoryId};
use mayfly_domain::model::target::{Target, TargetScope};

use crate::error::CallError;
use crate::request::{Request, Sent, bounded};
use crate::token::{Grant, Permission};

/// A repository or an organization, and the token that works there.
pub(crate) struct Endpoint {
    /// `/repos/<owner>/<name>` or `/orgs/<login>`.
    pub(crate) path: String,
    pub(crate) grant: Grant,
    /// Of an organization, its id: a login that was given up may be someone else's.
    pub(crate) organization: Option<OwnerId>,
}

impl Endpoint {
    /// Where the runners of a target are.
    ///
    /// # Errors
    /// Refused when a name is none.
    pub(crate) fn of_runners(target: &Target) -> Result<Self, CallError> {
        match &target.scope {
            TargetScope::Repository { id, name } => {
                Self::repository(target.installation, *id, name, Permission::Administration)
            }
            TargetScope::Organization { id, login, .. } => {
                Self::organization(target.installation, *id, login)
            }
        }
    }

    /// An organization, for its runners and their groups.
    ///
    /// # Errors
    /// Refused when its login is none.
    pub(crate) fn organization(
        installation: InstallationId,
        id: OwnerId,
        login: &str,
    ) -> Result<Self, CallError> {
        let grant = Grant {
            installation,
            permission: Permission::OrganizationRunners,
            repository: None,
        };
        let place = || Self {
            path: format!("/orgs/{login}"),
            grant,
            organization: Some(id),
        };
        is_name(login).then(place).ok_or_else(|| nameless(login))
    }

    /// `owner/name` or the login that the place was written down with.
    pub(crate) fn name(&self) -> &str {
        self.path.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// A request to this place, at the name that the place has now.
    pub(crate) fn request_at(&self, name: Option<&str>, request: &Request) -> Request {
        let path = match (name, self.organization) {
            (Some(login), Some(_)) if is_name(login) => format!("/orgs/{login}"),
            (Some(name), None)
                if name
                    .split_once('/')
                    .is_some_and(|(owner, name)| is_name(owner) && is_name(name)) =>
            {
                format!("/repos/{name}")
            }
            _ => return request.clone(),
        };
        match request.path.strip_prefix(&self.path) {
            Some(rest) => Request {
                path: format!("{path}{rest}"),
                ..request.clone()
            },
            None => request.clone(),
        }
    }

    /// A repository.
    ///
    /// # Errors
    /// Refused when its name is none.
    pub(crate) fn repository(
        installation: InstallationId,
        id: RepositoryId,
        name: &str,
        permission: Permission,
    ) -> Result<Self, CallError> {
        let grant = Grant {
            installation,
            permission,
            repository: Some(id),
        };
        match name.split_once('/') {
            Some((owner, repository)) if is_name(owner) && is_name(repository) => Ok(Self {
                path: format!("/repos/{name}"),
                grant,
                organization: None,
            }),
            _ => Err(nameless(name)),
        }
    }
}

/// Names of owners and repositories have letters, digits, `-`, `_` and `.`; anything else could
/// lead to another path.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(allowed) && text != "." && text != ".."
}

fn nameless(name: &str) -> CallError {
    let request = Request::get("none", "/".to_owned());
    let lost = request.no_response(
        Sent::No,
        format!("{:?} is not a name that GitHub gives", bounded(name)),
    );
    CallError::Refused {
        status: 404,
        message: lost.message,
        call: lost.call,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_names_become_paths() {
        let path = |name: &str| {
            Endpoint::repository(
                InstallationId(1),
                RepositoryId(2),
                name,
                Permission::Actions,
            )
            .map(|place| place.path)
            .ok()
        };
        assert_eq!(
            path("acme_emu/app.rs-2"),
            Some("/repos/acme_emu/app.rs-2".to_owned())
        );
        for name in [
            "",
            "acme",
            "acme/",
            "/app",
            "acme/..",
            "acme/a/b",
            "acme/a?b",
            "acme/a%2e",
            "acme/a b",
            "acme/ä",
        ] {
            assert_eq!(path(name), None, "{name}");
        }
    }
}
