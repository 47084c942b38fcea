//! Repositories: who can see them.

use async_trait::async_trait;
use mayfly_domain::model::id::{InstallationId, RepositoryId};
use serde::Deserialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;
use crate::token::Permission;

/// Looks at repositories.
#[async_trait]
pub trait Repositories: Send + Sync {
    /// Whether a repository is private (or internal); `None` if the App may not see it, or if the
    /// name belongs to another one by now. Always asked again: an old answer would let a repository
    /// in that was made public since.
    ///
    /// # Errors
    /// Whatever keeps GitHub from answering. Nothing is known then.
    async fn private(
        &self,
        installation: InstallationId,
        repository: RepositoryId,
        name: &str,
        by: Instant,
    ) -> Result<Option<bool>, CallError>;
}

#[derive(Deserialize)]
struct Wire {
    id: i64,
    private: bool,
}

#[async_trait]
impl Repositories for Github {
    async fn private(
        &self,
        installation: InstallationId,
        repository: RepositoryId,
        name: &str,
        by: Instant,
    ) -> Result<Option<bool>, CallError> {
        let place = Endpoint::repository(installation, repository, name, Permission::Metadata)?;
        let found = match self.shown(&place, by).await? {
            // Everyone may see a public repository, and another one has this name by now.
            Some(wire) if wire.id != repository.0 => {
                self.forget_name(&place, by).await?;
                self.shown(&place, by).await?
            }
            shown => shown,
        };
        Ok(found
            .filter(|wire| wire.id == repository.0)
            .map(|wire| wire.private))
    }
}

impl Github {
    /// The repository at a place; none if the App may not see it.
    async fn shown(&self, place: &Endpoint, by: Instant) -> Result<Option<Wire>, CallError> {
        let reply = match self
            .reply(
                place,
                &Request::get("get-repository", place.path.clone()),
                by,
            )
            .await
        {
            Ok(reply) => reply.success(self.now()),
            Err(error) => Err(error),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(CallError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match reply.read::<Wire>() {
            Ok(wire) => Ok(Some(wire)),
            Err(why) => Err(reply.unreadable(why)),
        }
    }
}
