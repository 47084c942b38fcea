//! Who calls, and what the caller may do.

use super::Model;
use crate::app::Rejection;
use crate::id::InstallationId;
use crate::settings::after;
use crate::tokens::{Denied, Grant, Narrowing, Tokens};
use jiff::Timestamp;

/// Who makes a call.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The App itself, by its JWT.
    App,
    /// One of its installations, by a token.
    Installation(Grant),
}

impl Model {
    /// The caller behind an `Authorization` header.
    ///
    /// # Errors
    /// None if it is no one; the JWT's fault if it is a JWT.
    pub fn caller(
        &self,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Option<Rejection>> {
        let (scheme, secret) = authorization
            .and_then(|text| text.split_once(' '))
            .ok_or(None)?;
        if !["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(None);
        }
        let secret = secret.trim();
        if secret.starts_with("ghs_") {
            return self
                .tokens
                .grant(secret, now)
                .cloned()
                .map(Caller::Installation)
                .ok_or(None);
        }
        self.app
            .check(secret, now)
            .map(|()| Caller::App)
            .map_err(Some)
    }

    /// Makes an installation token. None if the installation is not there.
    ///
    /// # Errors
    /// When it asks for more than the installation has.
    pub fn make_token(
        &mut self,
        id: InstallationId,
        narrowing: &Narrowing,
        now: Timestamp,
    ) -> Option<Result<(String, Grant), Denied>> {
        let expires_at = after(now, self.settings.token_life);
        let installation = self.accounts.installation(id)?;
        Some(
            Tokens::narrow(&self.accounts, installation, narrowing, expires_at).map(|grant| {
                let token = self
                    .tokens
                    .issue(self.app.id, grant.clone(), &mut self.chance);
                (token, grant)
            }),
        )
    }
}
