//! The deployment's secrets: two SecureString parameters, in the form in which `mayfly_config`
//! reads them.
//!
//! SSM has no conditional write. What it has is a version that grows by one with each write: a
//! caller that read version 3 and gets 5 after writing knows that someone else wrote, too.

use async_trait::async_trait;
use aws_sdk_ssm::types::ParameterType;
use aws_sdk_ssm::{Client, error::ProvideErrorMetadata as _};
use mayfly_config::secrets::{self, Malformed, WebhookSecrets};
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;

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

/// The App of the parameter `github-app`.
///
/// # Errors
///
/// If the text is not of the form that it should have. It is not quoted.
pub fn app_of(name: &str, kept: &Kept) -> Result<AppKey, Failure> {
    secrets::read_app_key(kept.text.expose()).map_err(|problem| malformed(name, &problem))
}

/// The secrets of the parameter `webhook-secret`.
///
/// # Errors
///
/// If the text is not of the form that it should have, or has no current secret. It is not quoted.
pub fn secrets_of(name: &str, kept: &Kept) -> Result<WebhookSecrets, Failure> {
    let found = secrets::read_webhook_secrets(kept.text.expose())
        .map_err(|problem| malformed(name, &problem))?;
    found.ok_or_else(|| {
        Failure::new(
            format!("the SSM parameter {name} holds no current secret"),
            "mayfly init --replace writes a new one",
        )
    })
}

fn malformed(name: &str, problem: &Malformed) -> Failure {
    Failure::new(
        format!("the SSM parameter {name} cannot be used: {problem}"),
        "mayfly init --replace writes it again",
    )
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
            format!("the operating system's random number source failed: {error}"),
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
