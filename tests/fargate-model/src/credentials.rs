//! The container credentials endpoint, as ECS serves it at 169.254.170.2.

use super::names::TaskId;
use anyhow::{Context, Result, bail};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers from STS are short; a stuck endpoint must not hold a task for ever.
const STS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// Credentials are renewed when they have less than this left, as ECS rotates them ahead of time.
const RENEW_MINUTES: i64 = 10;

struct Grant {
    task: TaskId,
    role: String,
    known: Arc<tokio::sync::Mutex<Option<(Value, Timestamp)>>>,
}

/// Who may ask for which role's credentials: by a path that only the task knows.
pub(crate) struct Credentials {
    base_url: String,
    region: String,
    sts: Mutex<Option<String>>,
    client: reqwest::Client,
    grants: Mutex<BTreeMap<String, Grant>>,
}

impl Credentials {
    pub(crate) fn new(
        base_url: &str,
        region: &str,
        sts: Option<String>,
        client: reqwest::Client,
    ) -> Self {
        let (base_url, region) = (base_url.to_owned(), region.to_owned());
        Self {
            base_url,
            region,
            sts: Mutex::new(sts),
            client,
            grants: Mutex::default(),
        }
    }

    /// Changes where STS is.
    pub(crate) fn set_endpoint(&self, endpoint: Option<String>) {
        *self.sts.lock().unwrap_or_else(PoisonError::into_inner) = endpoint;
    }

    /// Opens a path for a task; `None` for a task without a role.
    pub(crate) fn open(&self, task: &TaskId, role: Option<&str>) -> Option<String> {
        let role = role?.to_owned();
        let secret = unguessable().ok()?;
        let url = format!("{}/_credentials/{secret}", self.base_url);
        self.grants().insert(
            secret,
            Grant {
                task: task.clone(),
                role,
                known: Arc::default(),
            },
        );
        Some(url)
    }

    /// Closes the task's path.
    pub(crate) fn close(&self, task: &TaskId) {
        self.grants().retain(|_, grant| grant.task != *task);
    }

    /// The credentials behind a path, asked of STS when first wanted; `None` for an unknown path.
    ///
    /// # Errors
    /// If STS does not answer as it should.
    pub(crate) async fn get(&self, secret: &str) -> Result<Option<Value>> {
        let Some((task, role, known)) = self.grants().get(secret).map(|grant| {
            (
                grant.task.clone(),
                grant.role.clone(),
                Arc::clone(&grant.known),
            )
        }) else {
            return Ok(None);
        };
        // One request to STS at a time for a task: the others find its answer.
        let mut known = known.lock().await;
        if let Some((answer, renew)) = &*known
            && Timestamp::now() < *renew
        {
            return Ok(Some(answer.clone()));
        }
        let (answer, expires) = self.assume(&role, &task).await?;
        let renew = expires
            .checked_sub(RENEW_MINUTES.minutes())
            .unwrap_or(expires);
        *known = Some((answer.clone(), renew));
        Ok(Some(answer))
    }

    /// ECS assumes the task role under the task's id: that is the session name the registrar sees.
    async fn assume(&self, role: &str, task: &TaskId) -> Result<(Value, Timestamp)> {
        let endpoint = self
            .sts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let endpoint = endpoint.context("no AWS endpoint to ask for credentials")?;
        let form = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", task.as_str()),
            ("DurationSeconds", "3600"),
        ];
        let request = self.client.post(endpoint).form(&form).timeout(STS_TIMEOUT);
        let request = request.header(
            "authorization",
            super::delivery::authorization(&self.region, "sts"),
        );
        let response = request.send().await.context("ask STS")?;
        let status = response.status();
        let body = response.text().await.context("read the answer of STS")?;
        if !status.is_success() {
            bail!("STS answered {status}");
        }
        let field =
            |name: &str| element(&body, name).with_context(|| format!("STS gave no {name}"));
        let expiration = field("Expiration")?;
        let expires: Timestamp = expiration.parse().context("read the time of expiry")?;
        let answer = json!({
            "RoleArn": role,
            "AccessKeyId": field("AccessKeyId")?,
            "SecretAccessKey": field("SecretAccessKey")?,
            "Token": field("SessionToken")?,
            "Expiration": expires.round(jiff::Unit::Second).unwrap_or(expires).to_string(),
        });
        Ok((answer, expires))
    }

    fn grants(&self) -> MutexGuard<'_, BTreeMap<String, Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of the first element of that name. STS's answers have no attributes and no escapes
/// here.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// 128 random bits of the kernel's: `fastrand` is good enough for ids, not for secrets.
fn unguessable() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
