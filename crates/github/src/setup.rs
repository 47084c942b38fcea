//! The App's own affairs: made from a manifest, looked at, given a webhook.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::Method;
use mayfly_domain::model::id::{InstallationId, OwnerId};
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::address::{BadAddress, api_base};
use crate::call::perform;
use crate::client::Client;
use crate::connections::connections;
use crate::error::CallError;
use crate::github::Github;
use crate::reply::Reply;
use crate::request::Request;
use mayfly_domain::model::secret::Secret;

/// Installations on one page: the most that the API gives.
const PAGE: usize = 100;

/// Pages of installations that are read: an App of one's own is on one account, or a few.
const PAGES: usize = 10;

/// An account, as the App's pages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Never changes.
    pub id: OwnerId,
    /// Its name in URLs.
    pub login: String,
    /// An organization; else a user (or, for owners of Apps, an enterprise).
    pub organization: bool,
}

/// The App as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppInfo {
    /// Its id.
    pub id: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its public page; `/installations/new` follows it.
    pub html_url: String,
    /// Who owns it; none if GitHub does not tell in a known form.
    pub owner: Option<Account>,
    /// What it asks for: level by permission. What an installation granted may be less.
    pub permissions: BTreeMap<String, String>,
    /// The events that it is subscribed to.
    pub events: Vec<String>,
}

/// The App on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// Whose it is; none if GitHub does not tell in a known form.
    pub account: Option<Account>,
    /// What the account's owner granted: level by permission.
    pub permissions: BTreeMap<String, String>,
    /// The events that it is subscribed to.
    pub events: Vec<String>,
    /// Suspended: every call is refused, nothing is delivered.
    pub suspended: bool,
    /// Where its owner changes it.
    pub html_url: String,
}

/// The App's webhook. GitHub never shows the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where deliveries go; empty if nowhere.
    pub url: String,
    /// `json` or `form`.
    pub content_type: String,
    /// GitHub does not check the endpoint's certificate.
    pub insecure: bool,
}

/// What the App's webhook is to be: JSON, with the endpoint's certificate checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUpdate {
    /// Where deliveries go; none leaves it as it is.
    pub url: Option<String>,
    /// What signs them; none leaves it as it is.
    pub secret: Option<Secret>,
}

/// An App that was made just now, with what is shown once.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// The App.
    pub app: AppInfo,
    /// Its private key, PEM.
    pub private_key: Secret,
    /// What its deliveries are signed with, if GitHub made a secret.
    pub webhook_secret: Option<Secret>,
}

/// What the App can find out about itself, and change. Made as the App itself: spends its own
/// limits, no installation's.
///
/// The id and key are not known to belong together before one of these succeeded:
/// [`CallError::Misconfigured`] says that they do not.
#[async_trait]
pub trait AppApi: Send + Sync {
    /// The App. One call.
    ///
    /// # Errors
    /// [`CallError`].
    async fn app_info(&self, by: Instant) -> Result<AppInfo, CallError>;

    /// Where it is installed: at most 1,000 accounts. What cannot be read is left out. One call for
    /// each hundred.
    ///
    /// # Errors
    /// [`CallError`].
    async fn installations(&self, by: Instant) -> Result<Vec<Installation>, CallError>;

    /// Its webhook. One call.
    ///
    /// # Errors
    /// [`CallError::Refused`] with 404 if it has none.
    async fn webhook_config(&self, by: Instant) -> Result<WebhookConfig, CallError>;

    /// Changes its webhook. One call. Doing it again changes nothing.
    ///
    /// # Errors
    /// After [`CallError::Unavailable`] it may have been changed.
    async fn set_webhook_config(
        &self,
        wanted: &WebhookUpdate,
        by: Instant,
    ) -> Result<WebhookConfig, CallError>;
}

/// The last step of making an App from a manifest.
#[async_trait]
pub trait Conversions: Send + Sync {
    /// Exchanges the code that GitHub gave to the browser for the App and its secrets. A code is
    /// good once, and for an hour. One call.
    ///
    /// # Errors [`CallError::Refused`] with 404 for a code that is not good (any more). After
    /// [`CallError::Unavailable`] it may have been used up, and then the App's key is lost.
    async fn convert(&self, code: &str, by: Instant) -> Result<NewApp, CallError>;
}

#[derive(Deserialize)]
struct AccountWire {
    id: OwnerId,
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct AppWire {
    id: u64,
    #[serde(default)]
    slug: String,
    name: String,
    html_url: String,
    #[serde(default)]
    owner: Value,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
struct InstallationWire {
    id: InstallationId,
    #[serde(default)]
    account: Value,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    suspended_at: Option<String>,
    #[serde(default)]
    html_url: String,
}

#[derive(Deserialize)]
struct HookWire {
    #[serde(default)]
    url: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    insecure_ssl: Value,
}

#[derive(Deserialize)]
struct NewAppWire {
    #[serde(flatten)]
    app: AppWire,
    pem: String,
    webhook_secret: Option<String>,
}

/// Owners of Apps may be enterprises, which have no login: those are not named.
fn account(wire: Value) -> Option<Account> {
    let wire: AccountWire = serde_json::from_value(wire).ok()?;
    Some(Account {
        id: wire.id,
        login: wire.login,
        organization: wire.kind == "Organization",
    })
}

impl From<AppWire> for AppInfo {
    fn from(wire: AppWire) -> Self {
        let AppWire {
            id,
            slug,
            name,
            html_url,
            owner,
            permissions,
            events,
        } = wire;
        Self {
            id,
            slug,
            name,
            html_url,
            owner: account(owner),
            permissions,
            events,
        }
    }
}

impl From<InstallationWire> for Installation {
    fn from(wire: InstallationWire) -> Self {
        let InstallationWire {
            id,
            account: whose,
            permissions,
            events,
            suspended_at,
            html_url,
        } = wire;
        Self {
            id,
            account: account(whose),
            permissions,
            events,
            suspended: suspended_at.is_some(),
            html_url,
        }
    }
}

impl From<HookWire> for WebhookConfig {
    fn from(wire: HookWire) -> Self {
        // "webhook-config-insecure-ssl" is a string or a number.
        let insecure = !matches!(&wire.insecure_ssl, Value::Null)
            && wire.insecure_ssl != "0"
            && wire.insecure_ssl != 0;
        Self {
            url: wire.url,
            content_type: wire.content_type,
            insecure,
        }
    }
}

impl From<NewAppWire> for NewApp {
    fn from(wire: NewAppWire) -> Self {
        let webhook_secret = wire
            .webhook_secret
            .filter(|secret| !secret.is_empty())
            .map(Secret::new);
        Self {
            app: wire.app.into(),
            private_key: Secret::new(wire.pem),
            webhook_secret,
        }
    }
}

fn read<W: serde::de::DeserializeOwned, T: From<W>>(reply: Reply) -> Result<T, CallError> {
    match reply.read::<W>() {
        Ok(wire) => Ok(wire.into()),
        Err(why) => Err(reply.unreadable(why)),
    }
}

#[async_trait]
impl AppApi for Github {
    async fn app_info(&self, by: Instant) -> Result<AppInfo, CallError> {
        let request = Request::get("get-app", "/app".to_owned());
        read::<AppWire, _>(self.reply_to_app(&request, by).await?.success(self.now())?)
    }

    async fn installations(&self, by: Instant) -> Result<Vec<Installation>, CallError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let request = Request::get(
                "list-installations",
                format!("/app/installations?per_page={PAGE}&page={page}"),
            );
            let reply = self.reply_to_app(&request, by).await?.success(self.now())?;
            let items: Vec<Value> = match reply.read() {
                Ok(items) => items,
                Err(why) => return Err(reply.unreadable(why)),
            };
            let last = items.len() < PAGE;
            all.extend(
                reply
                    .each::<InstallationWire>(items)
                    .into_iter()
                    .map(Installation::from),
            );
            if last {
                break;
            }
        }
        Ok(all)
    }

    async fn webhook_config(&self, by: Instant) -> Result<WebhookConfig, CallError> {
        let request = Request::get("get-hook", "/app/hook/config".to_owned());
        read::<HookWire, _>(self.reply_to_app(&request, by).await?.success(self.now())?)
    }

    async fn set_webhook_config(
        &self,
        wanted: &WebhookUpdate,
        by: Instant,
    ) -> Result<WebhookConfig, CallError> {
        let mut body = json!({ "content_type": "json", "insecure_ssl": "0" });
        if let Some(secret) = &wanted.secret {
            body["secret"] = json!(secret.expose());
        }
        if let Some(url) = &wanted.url {
            body["url"] = json!(url);
        }
        let request = Request {
            name: "set-hook",
            method: Method::PATCH,
            path: "/app/hook/config".to_owned(),
            body: Some(body),
        };
        read::<HookWire, _>(self.reply_to_app(&request, by).await?.success(self.now())?)
    }
}

/// GitHub without authentication: before there is an App, or for what is public.
pub struct Unauthenticated {
    base: http::Uri,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Unauthenticated {
    /// GitHub as people open it at `url`. `clock` tells the time by which limits end. Nothing is
    /// connected before the first call.
    ///
    /// # Errors
    /// When `url` cannot be used; `http` is for loopback only.
    pub fn new(
        url: &str,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, BadAddress> {
        Ok(Self {
            base: api_base(url)?,
            clock: Box::new(clock),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn client(&self) -> Result<Client, CallError> {
        Ok(Client::unauthenticated(connections()?, &self.base))
    }

    async fn converted(&self, code: &str, by: Instant) -> Result<NewApp, CallError> {
        let path = format!("/app-manifests/{code}/conversions");
        let reply = perform(
            &self.client()?,
            &Request::post_empty("convert-manifest", path),
            by,
        )
        .await?;
        read::<NewAppWire, _>(reply.success(self.now())?)
    }
}

#[async_trait]
impl Conversions for Unauthenticated {
    async fn convert(&self, code: &str, by: Instant) -> Result<NewApp, CallError> {
        self.converted(code, by).await.map_err(without_code)
    }
}

/// A code that was not used up is as good as the App's key: it must not be in what is shown or
/// logged.
fn without_code(mut error: CallError) -> CallError {
    if let CallError::Refused { call, .. }
    | CallError::RateLimited { call, .. }
    | CallError::Unavailable { call, .. } = &mut error
    {
        "/app-manifests/{code}/conversions".clone_into(&mut call.path);
    }
    error
}
