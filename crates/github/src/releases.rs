//! Releases of the runner: what everyone may read.

use async_trait::async_trait;
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::call::perform;
use crate::error::CallError;
use crate::request::Request;
use crate::setup::Unauthenticated;
use crate::timestamp;

/// Releases that are asked for: some ten months of them (one every four to six weeks).
const RELEASES: u8 = 10;

/// A release of the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version, as `2.338.1`.
    pub version: String,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Reads releases.
#[async_trait]
pub trait Releases: Send + Sync {
    /// The newest releases of `actions/runner`, as GitHub lists them; what is not published for
    /// everyone is left out.
    ///
    /// # Errors Whatever keeps GitHub from answering: it allows 60 unauthenticated requests an hour
    /// from one address.
    async fn runner_releases(&self, by: Instant) -> Result<Vec<Release>, CallError>;
}

#[derive(Deserialize)]
struct Wire {
    tag_name: String,
    #[serde(default, deserialize_with = "timestamp::shown")]
    published_at: Option<Timestamp>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
}

#[async_trait]
impl Releases for Unauthenticated {
    async fn runner_releases(&self, by: Instant) -> Result<Vec<Release>, CallError> {
        let request = Request::get(
            "list-releases",
            format!("/repos/actions/runner/releases?per_page={RELEASES}"),
        );
        let reply = perform(&self.client()?, &request, by)
            .await?
            .success(self.now())?;
        let listed: Vec<Value> = match reply.read() {
            Ok(listed) => listed,
            Err(why) => return Err(reply.unreadable(why)),
        };
        let published = reply
            .each::<Wire>(listed)
            .into_iter()
            .filter(|release| !release.draft && !release.prerelease);
        let read = |release: Wire| {
            let version = release
                .tag_name
                .strip_prefix('v')
                .unwrap_or(&release.tag_name)
                .to_owned();
            Some(Release {
                version,
                published_at: release.published_at?,
            })
        };
        Ok(published.filter_map(read).collect())
    }
}
