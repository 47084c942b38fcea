//! The deployment's secrets: two SecureString parameters, in the form in which `mayfly_config`
//! reads them.
//!
//! SSM has no conditional write. What it has is a version that grows by one with each write: anyone
//! who read version 3 and is told 5 after writing knows that someone else wrote, too.

use async_trait::async_trait;
use aws_sdk_ssm::types::ParameterType;
use aws_sdk_ssm::{Client, error::ProvideErrorMetadata as _};
use mayfly_config::store::GITHUB;
use mayfly_github::{AppKey, Secret};
use serde::{Deserialize, Serialize};

use crate::deployment::parameter::{Text, read_parameter};
use crate::deployment::refused::refused;
use crate::failure::Failure;

/// A parameter as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its text.
    pub text: Secret,
    /// How often it was written.
    pub version: u64,
}

/// What to do if the parameter exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail.
    Keep,
    /// Write over it.
    Replace,
}

/// Where secrets are kept.
#[async_trait]
pub trait SecretsStore: Send + Sync {
    /// Reads a parameter; none if it does not exist.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or refuses.
    async fn read(&self, name: &str) -> Result<Option<Kept>, Failure>;

    /// Writes a parameter as a SecureString; the version that this write made.
    ///
    /// # Errors
    ///
    /// If the store does not answer (it may have been written), refuses, or has one already that is
    /// to be kept.
    async fn write(&self, name: &str, text: &Secret, existing: Existing) -> Result<u64, Failure>;

    /// Writes a parameter that everyone may read who looks at the deployment, over what was there.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or refuses.
    async fn publish(&self, name: &str, text: &str) -> Result<(), Failure>;
}

/// AWS Systems Manager. Needs `ssm:GetParameter` and `ssm:PutParameter` on the parameters.
///
/// With a KMS key of one's own it also needs `kms:GenerateDataKey` and `kms:Decrypt` on that one
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html>).
#[derive(Clone, Debug)]
pub struct SsmSecretsStore {
    client: Client,
    key: Option<String>,
}

impl SsmSecretsStore {
    /// Uses this client, and encrypts with this KMS key; none is the account's own for Parameter
    /// Store.
    #[must_use]
    pub const fn new(client: Client, key: Option<String>) -> Self {
        Self { client, key }
    }
}

#[async_trait]
impl SecretsStore for SsmSecretsStore {
    async fn read(&self, name: &str) -> Result<Option<Kept>, Failure> {
        let found = read_parameter(&self.client, name, Text::Secret).await?;
        Ok(found.map(|found| Kept {
            text: Secret::new(found.value.unwrap_or_default()),
            version: u64::try_from(found.version).unwrap_or_default(),
        }))
    }

    async fn write(&self, name: &str, text: &Secret, existing: Existing) -> Result<u64, Failure> {
        let request = self
            .client
            .put_parameter()
            .name(name)
            .value(text.expose())
            .r#type(ParameterType::SecureString)
            .set_key_id(self.key.clone());
        match request
            .overwrite(existing == Existing::Replace)
            .send()
            .await
        {
            Ok(answer) => Ok(u64::try_from(answer.version).unwrap_or_default()),
            Err(error) if error.code() == Some("ParameterAlreadyExists") => {
                Err(already_there(name))
            }
            Err(error) => Err(refused(&format!("write the SSM parameter {name}"), &error)),
        }
    }

    async fn publish(&self, name: &str, text: &str) -> Result<(), Failure> {
        let request = self
            .client
            .put_parameter()
            .name(name)
            .value(text)
            .r#type(ParameterType::String)
            .overwrite(true);
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| refused(&format!("write the SSM parameter {name}"), &error))
    }
}

/// A parameter is there that is not to be written over.
#[must_use]
pub fn already_there(name: &str) -> Failure {
    Failure::new(
        format!("the SSM parameter {name} exists already"),
        "this deployment has an App: see `mayfly rotate`; pass --replace to give it another one",
    )
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppText {
    app_id: u64,
    private_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// What deliveries may be signed with: one secret, two while one takes the place of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// What GitHub signs with, or will.
    pub current: Secret,
    /// What GitHub signed with before.
    pub previous: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsText {
    #[serde(default)]
    current: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

/// The text of the parameter `github-app`.
///
/// # Errors
///
/// Never, for there is nothing in it that JSON cannot hold.
pub fn app_text(key: &AppKey) -> Result<Secret, Failure> {
    written(&AppText {
        app_id: key.app_id,
        private_key: key.private_key.expose().to_owned(),
        url: Some(key.url.clone()),
    })
}

/// The App of the parameter `github-app`.
///
/// # Errors
///
/// If the text is not of that form. It is not quoted.
pub fn app_of(name: &str, kept: &Kept) -> Result<AppKey, Failure> {
    let text: AppText = read(
        name,
        kept,
        r#"{"app_id": <number>, "private_key": "<PEM>", "url": "<https://…>"}"#,
    )?;
    let url = text
        .url
        .as_deref()
        .unwrap_or(GITHUB)
        .trim_end_matches('/')
        .to_owned();
    Ok(AppKey {
        app_id: text.app_id,
        private_key: Secret::new(text.private_key),
        url,
    })
}

/// The text of the parameter `webhook-secret`.
///
/// # Errors
///
/// Never, for there is nothing in it that JSON cannot hold.
pub fn secrets_text(secrets: &WebhookSecrets) -> Result<Secret, Failure> {
    let plain = |secret: &Secret| secret.expose().to_owned();
    written(&SecretsText {
        current: plain(&secrets.current),
        previous: secrets.previous.as_ref().map(plain),
    })
}

/// The secrets of the parameter `webhook-secret`. An empty one is none.
///
/// # Errors
///
/// If the text is not of that form, or has no current secret. It is not quoted.
pub fn secrets_of(name: &str, kept: &Kept) -> Result<WebhookSecrets, Failure> {
    let text: SecretsText = read(
        name,
        kept,
        r#"{"current": "<secret>"}, with "previous" beside it while rotating"#,
    )?;
    if text.current.is_empty() {
        return Err(Failure::new(
            format!("the SSM parameter {name} holds no current secret"),
            "mayfly init --replace writes a new one",
        ));
    }
    let previous = text
        .previous
        .filter(|secret| !secret.is_empty())
        .map(Secret::new);
    Ok(WebhookSecrets {
        current: Secret::new(text.current),
        previous,
    })
}

fn written(text: &impl Serialize) -> Result<Secret, Failure> {
    let json = serde_json::to_string(text)
        .map_err(|error| Failure::new(format!("write a secret as JSON: {error}"), ""))?;
    Ok(Secret::new(json))
}

/// The parser's own message may quote the text, and with it a secret: only the place is told.
fn read<'a, T: Deserialize<'a>>(name: &str, kept: &'a Kept, form: &str) -> Result<T, Failure> {
    serde_json::from_str(kept.text.expose()).map_err(|error| {
        let problem = format!(
            "the SSM parameter {name} is not of the form {form} (line {}, column {})",
            error.line(),
            error.column()
        );
        Failure::new(problem, "mayfly init --replace writes it again")
    })
}

/// A fresh secret: 32 random bytes of the operating system, in hexadecimal digits.
///
/// # Errors
///
/// If the operating system has no randomness.
pub fn fresh() -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            format!("the operating system gives no randomness: {error}"),
            "",
        )
    })?;
    Ok(Secret::new(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        Kept {
            text: Secret::new(text),
            version: 1,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for url in ["https://github.com", "https://ghes.test"] {
            let key = AppKey {
                app_id: 12,
                private_key: Secret::new("-----BEGIN RSA PRIVATE KEY-----\nhush\n"),
                url: url.to_owned(),
            };
            let text = app_text(&key).unwrap();
            assert_eq!(app_of("p", &kept(text.expose())).unwrap(), key);
        }
        for previous in [None, Some(Secret::new("old"))] {
            let secrets = WebhookSecrets {
                current: Secret::new("new"),
                previous,
            };
            let text = secrets_text(&secrets).unwrap();
            assert_eq!(secrets_of("p", &kept(text.expose())).unwrap(), secrets);
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        for text in [
            r#""hush""#,
            "hush",
            r#"{"current": hush}"#,
            r#"{"hush": "a"}"#,
            r#"{"current": ""}"#,
            "{}",
            r#"{"app_id": "hush"}"#,
        ] {
            let said = format!(
                "{} {}",
                secrets_of("p", &kept(text)).unwrap_err(),
                app_of("p", &kept(text)).unwrap_err()
            );
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn an_app_without_an_address_is_github_coms() {
        let key = app_of("p", &kept(r#"{"app_id": 12, "private_key": "hush"}"#)).unwrap();
        assert_eq!(key.url, "https://github.com");
    }

    #[test]
    fn an_empty_previous_secret_is_none() {
        let secrets = secrets_of("p", &kept(r#"{"current": "a", "previous": ""}"#)).unwrap();
        assert_eq!(secrets.previous, None);
    }

    /// SSM on loopback, which takes everything; what it was asked after secrets and an address were
    /// written with this key.
    async fn written_with(key: Option<&str>) -> Vec<serde_json::Value> {
        let (url, asked) = crate::deployment::ssm_on_loopback::start().await;
        let secrets_store = SsmSecretsStore::new(
            crate::deployment::ssm_on_loopback::client(&url),
            key.map(str::to_owned),
        );
        for existing in [Existing::Keep, Existing::Replace] {
            secrets_store
                .write("/mayfly/mayfly/github-app", &Secret::new("hush"), existing)
                .await
                .unwrap();
        }
        secrets_store
            .publish("/mayfly/mayfly/github", "https://github.com")
            .await
            .unwrap();
        let all = asked.lock().unwrap();
        all.clone()
    }

    #[tokio::test]
    async fn secrets_are_encrypted_with_the_deployment_s_key_and_what_is_none_is_not() {
        let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd";
        let asked = written_with(Some(key)).await;
        let keys: Vec<_> = asked
            .iter()
            .map(|one| (one["Type"].as_str().unwrap(), one["KeyId"].as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                ("SecureString", Some(key)),
                ("SecureString", Some(key)),
                ("String", None)
            ]
        );
        assert!(
            written_with(None)
                .await
                .iter()
                .all(|one| one["KeyId"].is_null())
        );
    }

    #[test]
    fn fresh_secrets_are_long_and_differ() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one, other);
    }
}
