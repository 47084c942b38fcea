//! Runners as GitHub sees them: to look at, and to take away.

use async_trait::async_trait;
use mayfly_domain::model::id::GithubRunnerId;
use mayfly_domain::model::target::Target;
use serde::Deserialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;

/// Runners on one page: the most that the API gives.
const PAGE: usize = 100;

/// The most pages that are read: 10,000 runners, the most that a runner group may have
/// (docs.github.com, Actions limits).
const PAGES: usize = 100;

/// A registered runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerInfo {
    /// GitHub's id of it.
    pub id: GithubRunnerId,
    /// Its name. Anyone who may register runners can give one of ours.
    pub name: String,
    /// It is connected.
    pub online: bool,
    /// It has a job. May be stale by minutes: only a refused [`Runners::delete`] is certain.
    pub busy: bool,
}

/// What was found of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerLookup {
    /// It is registered.
    Registered(RunnerInfo),
    /// GitHub does not show it.
    NotFound {
        /// The same token may list the target's runners, so it is gone. Else the App may no longer
        /// see the repository (renamed, transferred, uninstalled, suspended), and nothing is known.
        target_visible: bool,
    },
}

/// The result of deregistering a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone, and had no job (204).
    Gone,
    /// It has a job, and stays (422).
    Busy,
    /// GitHub does not show it (404).
    NotFound {
        /// The same token may list the target's runners, so it is gone. Else the App may no longer
        /// see the repository (renamed, transferred, uninstalled, suspended), and nothing is known.
        target_visible: bool,
    },
}

/// Looks at runners and takes them away. Lists may be stale by a minute.
#[async_trait]
pub trait Runners: Send + Sync {
    /// One runner. One call; one more if it is not found.
    ///
    /// # Errors
    /// [`CallError::Refused`] when the App may not see this target's runners.
    async fn get(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<RunnerLookup, CallError>;

    /// All runners of the target's repository or organization, whatever their labels. One call for
    /// every hundred.
    ///
    /// # Errors
    /// As [`Runners::get`]. All or nothing: a part of the list would look like missing runners.
    async fn list(&self, target: &Target, by: Instant) -> Result<Vec<RunnerInfo>, CallError>;

    /// Takes a runner away, unless it has a job. One call; one more if it is not found.
    ///
    /// # Errors
    /// [`CallError::Refused`] when the App may not change this target's runners. After
    /// [`CallError::Unavailable`] it may be gone: asking again is harmless.
    async fn delete(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<Deleted, CallError>;
}

#[derive(Deserialize)]
struct Page {
    runners: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    id: i64,
    name: String,
    status: String,
    busy: bool,
}

impl From<Wire> for RunnerInfo {
    fn from(wire: Wire) -> Self {
        Self {
            id: GithubRunnerId(wire.id),
            name: wire.name,
            online: wire.status == "online",
            busy: wire.busy,
        }
    }
}

#[async_trait]
impl Runners for Github {
    async fn get(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<RunnerLookup, CallError> {
        let place = Endpoint::of_runners(target)?;
        let request = Request::get(
            "get-runner",
            format!("{}/actions/runners/{runner}", place.path),
        );
        let reply = match self.reply(&place, &request, by).await {
            Ok(reply) if reply.status.as_u16() != 404 => reply.success(self.now())?,
            Ok(_) => {
                return Ok(RunnerLookup::NotFound {
                    target_visible: self.visible(&place, by).await?,
                });
            }
            Err(error) => {
                return unseen(error).map(|()| RunnerLookup::NotFound {
                    target_visible: false,
                });
            }
        };
        match reply.read::<Wire>() {
            Ok(wire) => Ok(RunnerLookup::Registered(wire.into())),
            Err(why) => Err(reply.unreadable(why)),
        }
    }

    async fn list(&self, target: &Target, by: Instant) -> Result<Vec<RunnerInfo>, CallError> {
        let place = Endpoint::of_runners(target)?;
        let mut runners = Vec::new();
        for page in 1..=PAGES {
            let request = Request::get(
                "list-runners",
                format!("{}/actions/runners?per_page={PAGE}&page={page}", place.path),
            );
            let reply = self
                .reply(&place, &request, by)
                .await?
                .success(self.now())?;
            let found: Page = match reply.read() {
                Ok(found) => found,
                Err(why) => return Err(reply.unreadable(why)),
            };
            let last = found.runners.len() < PAGE;
            runners.extend(found.runners.into_iter().map(RunnerInfo::from));
            if last {
                break;
            }
        }
        Ok(runners)
    }

    async fn delete(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<Deleted, CallError> {
        let place = Endpoint::of_runners(target)?;
        let request = Request::delete(
            "delete-runner",
            format!("{}/actions/runners/{runner}", place.path),
        );
        let reply = match self.reply(&place, &request, by).await {
            Ok(reply) => reply,
            Err(error) => {
                return unseen(error).map(|()| Deleted::NotFound {
                    target_visible: false,
                });
            }
        };
        match reply.status.as_u16() {
            404 => Ok(Deleted::NotFound {
                target_visible: self.visible(&place, by).await?,
            }),
            422 => Ok(Deleted::Busy),
            _ => reply.success(self.now()).map(|_| Deleted::Gone),
        }
    }
}

impl Github {
    /// Whether the token that did not find a runner may list the runners there.
    async fn visible(&self, place: &Endpoint, by: Instant) -> Result<bool, CallError> {
        let request = Request::get(
            "list-runners",
            format!("{}/actions/runners?per_page=1", place.path),
        );
        match self.reply(place, &request, by).await?.success(self.now()) {
            Ok(_) => Ok(true),
            Err(error) => unseen(error).map(|()| false),
        }
    }
}

/// A refusal means that the App may not see the place (any more): no token for it, or none that
/// opens it.
fn unseen(error: CallError) -> Result<(), CallError> {
    match error {
        CallError::Refused { .. } => Ok(()),
        other => Err(other),
    }
}
