//! Installation tokens: narrowed to what a call needs, and kept until shortly before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, RepositoryId};
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::call::as_app;
use crate::client::Client;
use crate::error::CallError;
use crate::request::{Request, Sent};
use mayfly_domain::model::secret::Secret;

/// A token is not used for the last minutes of its hour: a call that began with it has to end with
/// it.
const SPARE: Duration = Duration::from_secs(5 * 60);

/// What the call for a token is called.
pub(crate) const ACCESS_TOKEN: &str = "access-token";

/// What a token may do: one permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Permission {
    /// Runners of a repository.
    Administration,
    /// Runners and runner groups of an organization.
    OrganizationRunners,
    /// Runs and jobs of a repository, to look at.
    Actions,
    /// Runs and jobs of a repository, to run them again.
    ActionsWrite,
    /// What a repository is.
    Metadata,
}

impl Permission {
    /// Name and level, as GitHub's `app-permissions` schema has them.
    fn wire(self) -> (&'static str, &'static str) {
        match self {
            Self::Administration => ("administration", "write"),
            Self::OrganizationRunners => ("organization_self_hosted_runners", "write"),
            Self::Actions => ("actions", "read"),
            Self::ActionsWrite => ("actions", "write"),
            Self::Metadata => ("metadata", "read"),
        }
    }
}

/// What a token is for; equal grants share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    pub(crate) installation: InstallationId,
    pub(crate) permission: Permission,
    /// The one repository it is good for. None for calls that are about an organization: no
    /// repository comes into those.
    pub(crate) repository: Option<RepositoryId>,
}

impl Grant {
    fn request(&self) -> Request {
        let (name, level) = self.permission.wire();
        let mut body = json!({ "permissions": { name: level } });
        if let Some(repository) = self.repository {
            body["repository_ids"] = json!([repository.0]);
        }
        Request::post(
            ACCESS_TOKEN,
            format!("/app/installations/{}/access_tokens", self.installation),
            body,
        )
    }
}

/// The wire form of a token. Some 520 characters since 2026, 40 before: nothing is expected of it.
#[derive(Deserialize)]
struct Wire {
    token: String,
    expires_at: jiff::Timestamp,
    /// Those that the token was narrowed to. Source: docs.github.com, REST "Create an installation
    /// access token for an app".
    repositories: Option<Vec<Value>>,
}

/// A repository as the answer with a token shows it.
#[derive(Deserialize)]
struct Covered {
    id: i64,
    full_name: String,
}

/// A client that works with an installation token.
#[derive(Clone)]
pub(crate) struct AuthenticatedClient {
    pub(crate) client: Client,
    /// The token was there already: GitHub may have ended it since.
    pub(crate) reused: bool,
    /// `owner/name` of the one repository that the token is good for, as it was when the token was
    /// made.
    pub(crate) name: Option<String>,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    expires_at: Timestamp,
}

/// A place for one token. Anyone who holds the lock asks for it; the others wait and share it.
type Slot = Arc<tokio::sync::Mutex<Option<AuthenticatedClient>>>;

/// All tokens of one App key.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<Grant, Slot>>,
}

impl Tokens {
    /// A client with a token for `grant`: the one that is there, or a new one.
    pub(crate) async fn authenticated_client(
        &self,
        app: &Client,
        grant: &Grant,
        now: Timestamp,
        by: Instant,
    ) -> Result<AuthenticatedClient, CallError> {
        let slot = self.slot(grant);
        let Ok(mut slot) = timeout_at(by, slot.lock()).await else {
            return Err(grant
                .request()
                .no_response(Sent::No, "someone else waits for this token already")
                .into());
        };
        if let Some(worker) = slot
            .as_ref()
            .filter(|worker| now.plus(SPARE) < worker.expires_at)
        {
            return Ok(AuthenticatedClient {
                reused: true,
                ..worker.clone()
            });
        }
        *slot = None;
        let worker = ask(app, grant, now, by).await?;
        *slot = Some(worker.clone());
        Ok(worker)
    }

    /// Drops a token that GitHub does not take any more.
    pub(crate) fn forget(&self, grant: &Grant) {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(grant);
    }

    fn slot(&self, grant: &Grant) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(grant.clone()).or_default())
    }
}

async fn ask(
    app: &Client,
    grant: &Grant,
    now: Timestamp,
    by: Instant,
) -> Result<AuthenticatedClient, CallError> {
    let reply = as_app(app, &grant.request(), by).await?.success(now)?;
    let wire: Wire = match reply.read() {
        Ok(wire) => wire,
        Err(why) => return Err(reply.unreadable(why)),
    };
    let mut covered = reply
        .each::<Covered>(wire.repositories.unwrap_or_default())
        .into_iter();
    let name = covered
        .find(|one| grant.repository.is_some_and(|id| id.0 == one.id))
        .map(|one| one.full_name);
    Ok(AuthenticatedClient {
        client: app.with_token(Secret::new(wire.token)),
        reused: false,
        name,
        made_at: now,
        expires_at: Timestamp::from_millis(wire.expires_at.as_millisecond()),
    })
}
