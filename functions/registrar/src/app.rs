//! The App's key, as the GitHub adapter wants it.

use std::sync::Arc;

use async_trait::async_trait;
use mayfly_config::store::Settings;
use mayfly_domain::model::app_key::AppKey;
use mayfly_github::{AppCredentials, CredentialsUnavailable};

/// Hands the App's key from the settings to the GitHub adapter.
pub struct AppFromSettings(pub Arc<Settings>);

#[async_trait]
impl AppCredentials for AppFromSettings {
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable> {
        let key = self.0.github_app().await;
        key.map(|key| AppKey::clone(&key))
            .map_err(|problem| CredentialsUnavailable(problem.to_string()))
    }
}
