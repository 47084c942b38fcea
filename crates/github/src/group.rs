//! Runner groups of an organization: pools name them, the API wants their ids.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, OwnerId};
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use crate::call::{Request, Sent, bounded};
use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;

/// How long a group's id is believed: groups are hardly ever made again.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// Groups on one page: the most that the API gives.
const PAGE: usize = 100;

/// The most pages that are read: 10,000 groups, ten times what GitHub allows an organization.
const PAGES: usize = 100;

/// A group by what it is called: installation, organization, name.
pub(crate) type GroupName = (InstallationId, OwnerId, String);

/// Ids of groups, as they were found last.
#[derive(Default)]
pub(crate) struct Groups {
    ids: Mutex<HashMap<GroupName, (i64, Timestamp)>>,
}

impl Groups {
    fn known(&self, group: &GroupName, now: Timestamp) -> Option<i64> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(group)
            .filter(|(_, seen)| now.since(*seen) < FRESH)
            .map(|(id, _)| *id)
    }

    fn keep(&self, group: GroupName, id: i64, now: Timestamp) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group, (id, now));
    }

    /// Drops an id that GitHub may not know any more.
    pub(crate) fn forget(&self, group: &GroupName) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(group);
    }
}

#[derive(Deserialize)]
struct Page {
    runner_groups: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    id: i64,
    name: String,
}

impl Github {
    /// The id of a runner group.
    ///
    /// # Errors
    /// Refused, with the names that there are, when it does not exist.
    pub(crate) async fn group_id(
        &self,
        place: &Endpoint,
        group: &GroupName,
        by: Instant,
    ) -> Result<i64, CallError> {
        let app = self.app().await?;
        if let Some(id) = app.groups.known(group, self.now()) {
            return Ok(id);
        }
        let mut names = Vec::new();
        for page in 1..=PAGES {
            let request = Request::get(
                "list-runner-groups",
                format!(
                    "{}/actions/runner-groups?per_page={PAGE}&page={page}",
                    place.path
                ),
            );
            let reply = self.reply(place, &request, by).await?.success(self.now())?;
            let found: Page = match reply.read() {
                Ok(found) => found,
                Err(why) => return Err(reply.unreadable(why)),
            };
            let last = found.runner_groups.len() < PAGE;
            if let Some(one) = found.runner_groups.iter().find(|one| one.name == group.2) {
                app.groups.keep(group.clone(), one.id, self.now());
                return Ok(one.id);
            }
            names.extend(found.runner_groups.into_iter().map(|one| one.name));
            if last {
                return Err(CallError::Refused {
                    status: 404,
                    message: missing(&group.2, &names),
                    call: reply.call,
                });
            }
        }
        let lost = Request::get("list-runner-groups", place.path.clone())
            .no_response(Sent::Maybe, "there is no end of runner groups");
        Err(lost.into())
    }
}

fn missing(name: &str, names: &[String]) -> String {
    bounded(&format!(
        "the organization has no runner group {name:?}; it has {}",
        names.join(", ")
    ))
}
