//! Another private key for the App. GitHub takes both until the old one is deleted on its page.

use mayfly_config::secrets::write_app_key;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::timeouts::SECRETS_FRESH;
use mayfly_github::AppApi as _;
use serde::Serialize;
use tokio::time::sleep;

use super::fingerprint::fingerprint;
use super::place::Place;
use crate::commands::init::permissions::settings_url;
use crate::deployment::secrets_store::{Existing, SecretsStore, app_of};
use crate::failure::Failure;
use crate::github::setup::{GithubSetup, patiently, soon};

/// What was done, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The App.
    pub app_id: u64,
    /// The new key, as GitHub's page names it; none if it is in a form that mayfly cannot read.
    pub new: Option<String>,
    /// The old key: to be deleted.
    pub old: Option<String>,
    /// Where.
    pub settings_url: String,
}

/// Replaces the key.
///
/// # Errors
///
/// If the key is not the App's, or GitHub or AWS refuses.
pub async fn rotate<D: GithubSetup, V: SecretsStore>(
    place: &Place<'_, D, V>,
    new: Secret,
) -> Result<Rotated, Failure> {
    let name = place.parameter("github-app");
    let kept = place
        .secrets_store
        .read(&name)
        .await?
        .ok_or_else(|| place.missing("github-app"))?;
    let old = app_of(&name, &kept)?;
    let key = AppKey {
        private_key: new,
        ..old.clone()
    };
    if key.private_key.expose().trim() == old.private_key.expose().trim() {
        return Err(Failure::new(
            "this is the key that is in use",
            "generate another one on the App's settings page",
        ));
    }
    let app = place.github_setup.enter(&key)?;
    let now = patiently("check the new key", || app.app_info(soon())).await?;
    if now.id != key.app_id {
        let problem = format!(
            "this key belongs to the App {} ({}), not to {}",
            now.id, now.name, key.app_id
        );
        return Err(Failure::new(
            problem,
            "generate one on the right App's settings page",
        ));
    }
    if place
        .secrets_store
        .write(&name, &write_app_key(&key), Existing::Replace)
        .await?
        != kept.version + 1
    {
        return Err(Failure::new(
            format!("someone else wrote the SSM parameter {name} in the meantime"),
            "decide which key to use, and run mayfly rotate key again with that one",
        ));
    }
    place
        .secrets_store
        .publish(&place.parameter("github"), &key.url)
        .await?;
    let seconds = SECRETS_FRESH.as_secs() + 30;
    place.teller.say(&format!(
        "stored the new key; waiting {seconds}s until no function uses the old one any more"
    ));
    sleep(std::time::Duration::from_secs(seconds)).await;
    let settings_url = settings_url(&key.url, &now);
    let rotated = Rotated {
        app_id: key.app_id,
        new: fingerprint(&key.private_key),
        old: fingerprint(&old.private_key),
        settings_url,
    };
    let which = rotated.old.as_deref().unwrap_or("that was there before");
    place.teller.say(&format!(
        "delete the old key {which} at {}, and the file with the new one",
        rotated.settings_url
    ));
    Ok(rotated)
}
