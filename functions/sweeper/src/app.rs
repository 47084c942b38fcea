//! The App's key, as the GitHub adapter wants it.

use std::sync::Arc;

use async_trait::async_trait;
use mayfly_config::store::Settings;
use mayfly_github::{AppCredentials, AppKey, CredentialsUnavailable, Secret};

/// Hands the App's key from the settings to the GitHub adapter.
pub struct AppFromSettings(pub Arc<Settings>);

#[async_trait]
impl AppCredentials for AppFromSettings {
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable> {
        let app = self
            .0
            .github_app()
            .await
            .map_err(|problem| CredentialsUnavailable(problem.to_string()))?;
        Ok(AppKey {
            app_id: app.id,
            private_key: Secret::new(app.private_key.expose().as_str()),
            url: app.url.clone(),
        })
    }
}
