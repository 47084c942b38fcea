//! Runner groups of an organization: pools name them, the API wants their ids.

use serde::Deserialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::group_ids::GroupName;
use crate::request::{Request, Sent, bounded};

/// Groups on one page: the most that the API gives.
const PAGE: usize = 100;

/// The most pages that are read: 10,000 groups, ten times what GitHub allows an organization.
const PAGES: usize = 100;

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
            .no_response(Sent::Maybe, "the list of runner groups does not end");
        Err(lost.into())
    }
}

fn missing(name: &str, names: &[String]) -> String {
    bounded(&format!(
        "the organization has no runner group {name:?}; it has {}",
        names.join(", ")
    ))
}
