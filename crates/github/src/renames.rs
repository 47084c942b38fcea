//! Names that have changed. A repository keeps its id when it is renamed or transferred, an
//! organization when its login changes; jobs and runners that were written down before keep the old
//! name, and GitHub's documented API asks for names.
//!
//! - GitHub redirects from an old name to the new one until another repository takes the old one
//!   (docs.github.com, "Renaming a repository"); a redirect is followed. When another repository
//!   has the name, requests end there. A token is narrowed to one repository by its id, so whatever
//!   needs a permission is refused there (403, 404): a registration is never made at the wrong
//!   repository. What everyone may read of a public repository is answered, so lists of runs are
//!   held against the repository's id.
//! - The answer with a token shows the repository that it was narrowed to, by id and with its name
//!   of now: requests are made at that name, which costs no call. What is refused by a token of
//!   some age gets a new one, and is asked again if that has another name.
//! - An organization's login is in its installation (docs.github.com, REST "Get an installation for
//!   the authenticated app").
//! - `/repositories/{id}` is not used: GitHub's own redirects and links have it, but it is not
//!   documented, and GitHub does not want to (<https://github.com/github/docs/issues/45674>).
//!   Whether Enterprise Server takes `/repositories/{id}/actions/runners/generate-jitconfig` is
//!   nowhere said.

use std::time::Duration;

use http::StatusCode;
use mayfly_domain::model::id::OwnerId;
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use crate::app::App;
use crate::call::as_app;
use crate::endpoint::Endpoint;
use crate::limit::limited_until;
use crate::reply::Reply;
use crate::request::Request;
use crate::token::{AuthenticatedClient, Grant};

/// A name that GitHub told so recently is not asked for again: most of what is not found was
/// deleted.
const TRUSTED: Duration = Duration::from_secs(10);

impl Reply {
    /// True if the place may have another name by now: GitHub does not show it, or may not.
    pub(crate) fn may_have_moved(&self, now: Timestamp) -> bool {
        let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&self.status);
        refused && limited_until(self.status, &self.headers, &self.message(), now).is_none()
    }
}

/// The wire form of an installation.
#[derive(Deserialize)]
struct Installation {
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    id: OwnerId,
    login: String,
}

impl App {
    /// The name that a place has now, as far as is known.
    pub(crate) fn name_of(&self, place: &Endpoint, worker: &AuthenticatedClient) -> Option<String> {
        match place.organization {
            Some(organization) => self.logins.known(organization).and_then(|(login, _)| login),
            None => worker.name.clone(),
        }
    }

    /// The name that a place has now, and who works there, if that is not the name that was asked
    /// at. What goes wrong here leaves the answer that there is.
    pub(crate) async fn moved(
        &self,
        place: &Endpoint,
        grant: &Grant,
        worker: &AuthenticatedClient,
        now: Timestamp,
        by: Instant,
    ) -> Option<(AuthenticatedClient, String)> {
        let before = self.name_of(place, worker);
        let after = match place.organization {
            Some(organization) => {
                let asked = self.logins.known(organization).map(|(_, at)| at);
                if asked.is_some_and(|at| now.since(at) < TRUSTED) {
                    return None;
                }
                let login = self
                    .login(organization, grant, by)
                    .await
                    .or_else(|| before.clone());
                self.logins.keep(organization, login, now);
                worker.clone()
            }
            None if grant.repository.is_none() || now.since(worker.made_at) < TRUSTED => {
                return None;
            }
            None => {
                self.tokens.forget(grant);
                self.tokens
                    .authenticated_client(&self.client, grant, now, by)
                    .await
                    .ok()?
            }
        };
        let name = self.name_of(place, &after)?;
        let asked_at = before.unwrap_or_else(|| place.name().to_owned());
        if name == asked_at {
            return None;
        }
        tracing::info!(place = place.path, now = name, "it is called otherwise now");
        Some((after, name))
    }

    /// An organization's login, by its installation.
    async fn login(&self, organization: OwnerId, grant: &Grant, by: Instant) -> Option<String> {
        let request = Request::get(
            "get-installation",
            format!("/app/installations/{}", grant.installation),
        );
        let reply = as_app(&self.client, &request, by).await.ok()?;
        let wire: Installation = reply.read().ok()?;
        (wire.account.id == organization).then_some(wire.account.login)
    }
}
