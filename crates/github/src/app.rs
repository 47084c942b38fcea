//! The GitHub App: who we are at GitHub.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mayfly_domain::model::app_key::AppKey;
use tokio::sync::Mutex;

use crate::address::api_base;
use crate::client::Client;
use crate::connections::{Connections, connections};
use crate::error::{CallError, misconfigured};
use crate::group_ids::Groups;
use crate::jwt::Signer;
use crate::logins::Logins;
use crate::reinstallations::Reinstallations;
use crate::token::Tokens;

/// The App's key could not be read. The text goes to the log: it must not hold the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsUnavailable(pub String);

impl fmt::Display for CredentialsUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CredentialsUnavailable {}

/// Where the App's key comes from. Asked before every use, so an implementation caches; a key that
/// changes is noticed at once.
#[async_trait]
pub trait AppCredentials: Send + Sync {
    /// The App's id and key as they are now.
    ///
    /// # Errors
    /// When they cannot be read. A key that was read before is used on.
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable>;
}

/// A closure that reads the key is enough.
#[async_trait]
impl<R, K, E> AppCredentials for R
where
    R: Fn() -> K + Send + Sync,
    K: Future<Output = Result<Arc<AppKey>, E>> + Send,
    E: fmt::Display,
{
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable> {
        match self().await {
            Ok(key) => Ok(AppKey::clone(&key)),
            Err(problem) => Err(CredentialsUnavailable(problem.to_string())),
        }
    }
}

/// The App with one key, and the tokens that were got with it.
pub(crate) struct App {
    key: AppKey,
    /// Signs a JWT for every request.
    pub(crate) client: Client,
    pub(crate) tokens: Tokens,
    pub(crate) successors: Reinstallations,
    pub(crate) groups: Groups,
    pub(crate) logins: Logins,
}

impl App {
    /// The GitHub that the App belongs to, as people open it.
    pub(crate) fn url(&self) -> &str {
        &self.key.url
    }
}

/// The App with whatever key it has now.
pub(crate) struct Identity {
    credentials: Box<dyn AppCredentials>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Option<Connections>,
    app: Option<Arc<App>>,
}

impl Identity {
    pub(crate) fn new(credentials: Box<dyn AppCredentials>) -> Self {
        Self {
            credentials,
            state: Mutex::default(),
        }
    }

    /// The App, replaced when its key or its address has changed. Connections live on.
    pub(crate) async fn app(&self) -> Result<Arc<App>, CallError> {
        let read = self.credentials.app_key().await;
        let mut state = self.state.lock().await;
        let key = match (read, &state.app) {
            (Ok(key), Some(app)) if app.key == key => return Ok(Arc::clone(app)),
            (Ok(key), _) => key,
            (Err(_), Some(app)) => return Ok(Arc::clone(app)),
            (Err(error), None) => {
                return Err(misconfigured(format!(
                    "the GitHub App's id and key cannot be read: {error}"
                )));
            }
        };
        let connections = match &state.connections {
            Some(connections) => connections.clone(),
            None => state.connections.insert(connections()?).clone(),
        };
        let app = Arc::new(App {
            client: client(&key, connections)?,
            key,
            tokens: Tokens::default(),
            successors: Reinstallations::default(),
            groups: Groups::default(),
            logins: Logins::default(),
        });
        state.app = Some(Arc::clone(&app));
        Ok(app)
    }
}

/// A client that signs as the App and knows no other address than the key's.
fn client(key: &AppKey, connections: Connections) -> Result<Client, CallError> {
    let base = api_base(&key.url).map_err(|problem| {
        misconfigured(format!(
            "the address that is stored with the App's key: {problem}"
        ))
    })?;
    let signer = Signer::new(key.app_id, key.private_key.expose()).map_err(|why| {
        let app = key.app_id;
        misconfigured(format!(
            "the private key of GitHub App {app} cannot be used ({why}): store it as GitHub gave it"
        ))
    })?;
    Ok(Client::app(connections, &base, signer))
}
