//! Runner groups of an organization, to see which there are, and to make one.

use async_trait::async_trait;
use mayfly_domain::model::id::InstallationId;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::github::Github;
use crate::request::Request;
use crate::setup::Account;

/// Groups on one page: the most that the API gives.
const PAGE: usize = 100;

/// The most pages that are read: GitHub allows an organization 1,000 groups
/// (<https://docs.github.com/actions/reference/limits>), and one of its own is among the first
/// hundred nearly always.
const PAGES: usize = 10;

/// The result of creating a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MadeGroup {
    /// It is there now.
    Made,
    /// GitHub makes none here, in its words: groups need GitHub Team or Enterprise
    /// (<https://docs.github.com/actions/how-tos/manage-runners/self-hosted-runners/manage-access>).
    Refused(String),
}

/// Looks at an organization's runner groups, and makes one.
#[async_trait]
pub trait RunnerGroups: Send + Sync {
    /// The names of an organization's groups. One call for each hundred.
    ///
    /// # Errors
    /// [`CallError::Refused`] also when the App may not look at them.
    async fn runner_groups(
        &self,
        installation: InstallationId,
        organization: &Account,
        by: Instant,
    ) -> Result<Vec<String>, CallError>;

    /// Makes a group that all private repositories of the organization may use. One call; not to be
    /// repeated without a look.
    ///
    /// # Errors
    /// After [`CallError::Unavailable`] it may have been made.
    async fn make_runner_group(
        &self,
        installation: InstallationId,
        organization: &Account,
        name: &str,
        by: Instant,
    ) -> Result<MadeGroup, CallError>;
}

#[derive(Deserialize)]
struct Page {
    runner_groups: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    name: String,
}

#[async_trait]
impl RunnerGroups for Github {
    async fn runner_groups(
        &self,
        installation: InstallationId,
        organization: &Account,
        by: Instant,
    ) -> Result<Vec<String>, CallError> {
        let place = Endpoint::organization(installation, organization.id, &organization.login)?;
        let mut names = Vec::new();
        for page in 1..=PAGES {
            let request = Request::get(
                "list-runner-groups",
                format!(
                    "{}/actions/runner-groups?per_page={PAGE}&page={page}",
                    place.path
                ),
            );
            let reply = self
                .reply(&place, &request, by)
                .await?
                .success(self.now())?;
            let found: Page = match reply.read() {
                Ok(found) => found,
                Err(why) => return Err(reply.unreadable(why)),
            };
            let last = found.runner_groups.len() < PAGE;
            names.extend(found.runner_groups.into_iter().map(|one| one.name));
            if last {
                break;
            }
        }
        Ok(names)
    }

    async fn make_runner_group(
        &self,
        installation: InstallationId,
        organization: &Account,
        name: &str,
        by: Instant,
    ) -> Result<MadeGroup, CallError> {
        let place = Endpoint::organization(installation, organization.id, &organization.login)?;
        // What GitHub's page makes when nothing is changed on it; public repositories stay out
        // unless the organization lets them in.
        let body =
            json!({ "name": name, "visibility": "all", "allows_public_repositories": false });
        let request = Request::post(
            "make-runner-group",
            format!("{}/actions/runner-groups", place.path),
            body,
        );
        match self.reply(&place, &request, by).await?.success(self.now()) {
            Ok(_) => Ok(MadeGroup::Made),
            Err(CallError::Refused { message, .. }) => Ok(MadeGroup::Refused(message)),
            Err(error) => Err(error),
        }
    }
}
