//! Installations that are gone, or have lost a repository. An App that is reinstalled has a new id,
//! and anyone who wrote the old one down still asks with it; a repository that is transferred
//! belongs to another account's installation, while another repository may have its old name.
//! GitHub is asked for the new one, once for each place, and a token for the repository's id proves
//! that it is.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mayfly_domain::model::id::InstallationId;
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::app::App;
use crate::call::as_app;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::reinstallations::Found;
use crate::request::Request;
use crate::token::{ACCESS_TOKEN, AuthenticatedClient, Grant};

/// For how long it is believed that the App is not installed at a place: anyone who installs it
/// again waits no longer than that.
const AWAY: Duration = Duration::from_secs(5 * 60);

/// The App's installations. Source: docs.github.com, REST "List installations for the authenticated
/// app".
const LIST: &str = "/app/installations?per_page=100";

/// Installations that are tried for one place at most, besides the one at its name: a call each.
const MOST_TRIED: usize = 20;

/// The wire form of an installation.
#[derive(Deserialize)]
struct Wire {
    id: i64,
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    id: i64,
}

impl App {
    /// A client that may work at a place, and what its token is for: of the installation that is
    /// there now, if the one that is asked for is gone, or has lost the repository to another
    /// account.
    ///
    /// # Errors
    /// Refused if the App is not there.
    pub(crate) async fn authenticated_client(
        &self,
        place: &Endpoint,
        now: Timestamp,
        by: Instant,
    ) -> Result<(Grant, AuthenticatedClient), CallError> {
        let known = self.successors.found(place);
        let installation = match known {
            Some(Found::Now(installation)) => installation,
            Some(Found::None(_)) | None => place.grant.installation,
        };
        let grant = Grant {
            installation,
            ..place.grant.clone()
        };
        match self
            .tokens
            .authenticated_client(&self.client, &grant, now, by)
            .await
        {
            Err(gone) if is_gone(&gone, place) && is_provable(place) => {
                let away = matches!(known, Some(Found::None(at)) if now.since(at) < AWAY);
                let found = if away {
                    None
                } else {
                    Box::pin(self.reinstallation(place, installation, now, by)).await?
                };
                found.ok_or(gone)
            }
            made => made.map(|worker| (grant, worker)),
        }
    }

    /// Finds the installation that works at a place now, by its token: the one at the place's name
    /// first. Another repository may have that name, and then its installation makes no token for
    /// the id of ours, so the App's others are tried.
    async fn reinstallation(
        &self,
        place: &Endpoint,
        gone: InstallationId,
        now: Timestamp,
        by: Instant,
    ) -> Result<Option<(Grant, AuthenticatedClient)>, CallError> {
        let mut tried = BTreeSet::from([gone]);
        let named = installed(&self.client, place, now, by).await?;
        let mut candidates: VecDeque<InstallationId> = named.into_iter().collect();
        let mut listed = false;
        loop {
            let Some(candidate) = candidates.pop_front() else {
                if std::mem::replace(&mut listed, true) {
                    break;
                }
                candidates.extend(self.others(place, now, by).await?);
                continue;
            };
            if !tried.insert(candidate) {
                continue;
            }
            let grant = Grant {
                installation: candidate,
                ..place.grant.clone()
            };
            match self
                .tokens
                .authenticated_client(&self.client, &grant, now, by)
                .await
            {
                Ok(worker) => {
                    tracing::info!(installation.id = %place.grant.installation, place = place.path, now = %candidate, "the App has another installation there");
                    self.successors.keep(place, Found::Now(candidate));
                    return Ok(Some((grant, worker)));
                }
                // Another account's, or one that is suspended: no news of ours.
                Err(CallError::Refused { .. }) => {}
                Err(problem) => return Err(problem),
            }
        }
        self.successors.keep(place, Found::None(now));
        Ok(None)
    }

    /// The App's installations that may be at a place: of an organization the one on its id, else
    /// the first ones of the list.
    async fn others(
        &self,
        place: &Endpoint,
        now: Timestamp,
        by: Instant,
    ) -> Result<Vec<InstallationId>, CallError> {
        let reply = match as_app(
            &self.client,
            &Request::get("list-installations", LIST.to_owned()),
            by,
        )
        .await?
        .success(now)
        {
            Ok(reply) => reply,
            Err(CallError::Refused { .. }) => return Ok(Vec::new()),
            Err(problem) => return Err(problem),
        };
        let items: Vec<Value> = match reply.read() {
            Ok(items) => items,
            Err(why) => return Err(reply.unreadable(why)),
        };
        let there = |wire: &Wire| {
            place
                .organization
                .is_none_or(|organization| organization.0 == wire.account.id)
        };
        let found = reply
            .each::<Wire>(items)
            .into_iter()
            .filter(there)
            .map(|wire| InstallationId(wire.id));
        Ok(found.take(MOST_TRIED).collect())
    }
}

/// True if there is no token because the installation is not there (404), or does not have the
/// repository (422), which another account may have now. (One that is suspended answers 403; of a
/// permission that it does not have, 422 speaks, too, and of no repository.)
fn is_gone(error: &CallError, place: &Endpoint) -> bool {
    let CallError::Refused {
        status,
        message,
        call,
    } = error
    else {
        return false;
    };
    let lacks =
        || *status == 422 && place.grant.repository.is_some() && message.contains("repository");
    call.name == ACCESS_TOKEN && (*status == 404 || lacks())
}

/// True if it can be told that what is found at a place is what was meant: a token names the
/// repository by its id, an organization's id is compared. By a name alone one might end up at
/// anyone who has that name now.
fn is_provable(place: &Endpoint) -> bool {
    place.grant.repository.is_some() || place.organization.is_some()
}

/// The installation at a place.
async fn installed(
    app: &Client,
    place: &Endpoint,
    now: Timestamp,
    by: Instant,
) -> Result<Option<InstallationId>, CallError> {
    let reply = match as_app(
        app,
        &Request::get("get-installation", format!("{}/installation", place.path)),
        by,
    )
    .await?
    .success(now)
    {
        Ok(reply) => reply,
        Err(CallError::Refused { .. }) => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let wire: Wire = match reply.read() {
        Ok(wire) => wire,
        Err(why) => return Err(reply.unreadable(why)),
    };
    let same = place
        .organization
        .is_none_or(|organization| organization.0 == wire.account.id);
    Ok(same.then_some(InstallationId(wire.id)))
}
