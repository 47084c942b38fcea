//! What someone knows only the name of.

use async_trait::async_trait;
use mayfly_domain::model::id::{InstallationId, OwnerId, RepositoryId};
use mayfly_domain::model::target::Repository;
use serde::Deserialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;
use crate::token::{Grant, Permission};

/// Groups on one page: the most that the API gives. Anyone who has more of them finds none beyond.
const PAGE: usize = 100;

/// A runner group, as one repository has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerGroupAccess {
    /// The organization has none of this name; these it has.
    Missing(Vec<String>),
    /// The group exists, but does not admit the repository.
    Closed,
    /// The repository may use it.
    Open {
        /// Public repositories may, too.
        public: bool,
        /// Only some workflows may.
        restricted: bool,
    },
}

/// Finds what only a name is known of.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// A repository by its name, `owner/name`, as an installation sees it; `None` if it does not.
    /// One call.
    ///
    /// # Errors
    /// [`CallError`].
    async fn repository_named(
        &self,
        installation: InstallationId,
        name: &str,
        by: Instant,
    ) -> Result<Option<Repository>, CallError>;

    /// Whether a repository of an organization may use the runner group of this name. One call or
    /// two.
    ///
    /// # Errors
    /// [`CallError::Refused`] also when the App may not look at the organization's groups.
    async fn group_named(
        &self,
        installation: InstallationId,
        repository: &Repository,
        group: &str,
        by: Instant,
    ) -> Result<RunnerGroupAccess, CallError>;
}

#[derive(Deserialize)]
struct Wire {
    id: RepositoryId,
    full_name: String,
    private: bool,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    id: OwnerId,
}

#[derive(Deserialize)]
struct Groups {
    runner_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    allows_public_repositories: bool,
    #[serde(default)]
    restricted_to_workflows: bool,
}

/// The place, with a token that is not narrowed to its repository.
fn of_the_installation(place: Endpoint) -> Endpoint {
    Endpoint {
        grant: Grant {
            repository: None,
            ..place.grant
        },
        ..place
    }
}

#[async_trait]
impl Lookup for Github {
    async fn repository_named(
        &self,
        installation: InstallationId,
        name: &str,
        by: Instant,
    ) -> Result<Option<Repository>, CallError> {
        // Checked as a name; the token cannot be narrowed to a repository whose id is what is asked
        // for.
        let place =
            Endpoint::repository(installation, RepositoryId(0), name, Permission::Metadata)?;
        let place = of_the_installation(place);
        let reply = self
            .reply(
                &place,
                &Request::get("get-repository", place.path.clone()),
                by,
            )
            .await?;
        // A repository that the installation may not see counts as missing: GitHub does not tell
        // the two apart.
        if reply.status.as_u16() == 404 {
            return Ok(None);
        }
        let reply = reply.success(self.now())?;
        match reply.read::<Wire>() {
            Ok(wire) => Ok(Some(Repository {
                id: wire.id,
                name: wire.full_name,
                owner: wire.owner.id,
                private: wire.private,
            })),
            Err(why) => Err(reply.unreadable(why)),
        }
    }

    async fn group_named(
        &self,
        installation: InstallationId,
        repository: &Repository,
        group: &str,
        by: Instant,
    ) -> Result<RunnerGroupAccess, CallError> {
        let place = Endpoint::repository(
            installation,
            repository.id,
            &repository.name,
            Permission::OrganizationRunners,
        )?;
        let place = of_the_installation(place);
        let groups = async |filter: String| {
            let path = format!(
                "/orgs/{}/actions/runner-groups?per_page={PAGE}{filter}",
                repository.owner_login()
            );
            let reply = self
                .reply(&place, &Request::get("list-runner-groups", path), by)
                .await?
                .success(self.now())?;
            reply
                .read::<Groups>()
                .map(|groups| groups.runner_groups)
                .map_err(|why| reply.unreadable(why))
        };
        let short = repository.name.split('/').nth(1).unwrap_or_default();
        let open = groups(format!("&visible_to_repository={short}")).await?;
        if let Some(found) = open.into_iter().find(|one| one.name == group) {
            return Ok(RunnerGroupAccess::Open {
                public: found.allows_public_repositories,
                restricted: found.restricted_to_workflows,
            });
        }
        let all: Vec<String> = groups(String::new())
            .await?
            .into_iter()
            .map(|one| one.name)
            .collect();
        Ok(if all.iter().any(|name| name == group) {
            RunnerGroupAccess::Closed
        } else {
            RunnerGroupAccess::Missing(all)
        })
    }
}
