//! What a pools file names and does not hold: runner groups at GitHub, roles in the account. Looked
//! at where these credentials may, and told as warnings.

use std::time::Duration;

use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::target::Scope;
use mayfly_github::AppApi as _;

use crate::commands::doctor::finding::Level;
use crate::commands::doctor::roles;
use crate::deployment::connect::Connected;
use crate::deployment::iam::Iam;
use crate::deployment::launch_config::launch_config;
use crate::github::access;
use crate::github::runner_group::{self, FIX, NamedGroup};
use crate::github::setup::soon;

/// How long to wait for GitHub and IAM: neither planning nor applying depends on them.
const WITHIN: Duration = Duration::from_secs(10);

/// A warning, and what to do.
pub type Warning = (String, String);

/// What is missing or too wide. Nothing where it may not be looked at: not everyone who plans may
/// read the App's key, or roles; `mayfly doctor` looks again.
pub async fn warnings(connected: &Connected, pools: &Pools) -> Vec<Warning> {
    let look = async { futures::join!(groups(connected, pools), roles_of(connected, pools)) };
    let (mut groups, roles) = tokio::time::timeout(WITHIN, look).await.unwrap_or_default();
    groups.extend(roles);
    groups
}

async fn groups(connected: &Connected, pools: &Pools) -> Vec<Warning> {
    if pools
        .pools
        .iter()
        .all(|pool| pool.scope == Scope::Repository)
    {
        return Vec::new();
    }
    let Ok(app) = access::app(connected).await else {
        return Vec::new();
    };
    let Ok(installations) = app.github.installations(soon()).await else {
        return Vec::new();
    };
    missing(&runner_group::look(&app.github, &installations, pools).await)
}

/// What to say of groups that are not there.
#[must_use]
pub fn missing(groups: &[NamedGroup]) -> Vec<Warning> {
    groups
        .iter()
        .filter(|named| named.there == Ok(false))
        .map(|named| (named.missing(), FIX.to_owned()))
        .collect()
}

async fn roles_of(connected: &Connected, pools: &Pools) -> Vec<Warning> {
    let iam = Iam::new(&connected.sdk, &connected.deployment.task_role);
    let looked = roles::gather(&iam, Some(pools), &launch_config(connected)).await;
    let errors = roles::judge(&looked)
        .into_iter()
        .filter(|finding| finding.level == Level::Error);
    errors
        .map(|finding| (finding.what, finding.fix.unwrap_or_default()))
        .collect()
}
