//! Where settings are kept: AWS Systems Manager's Parameter Store, behind a port.

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_ssm::operation::RequestId;

/// One parameter as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its text, decrypted. May be a secret.
    pub value: String,
    /// How often it was written.
    pub version: u64,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameter")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The store did not answer, or refused. Nothing is known about any parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read parameters {names}: {reason}")]
pub struct Unreadable {
    /// Which ones were asked for.
    pub names: String,
    /// What the store said, with its request id where there is one.
    pub reason: String,
    /// The reader may not: that lasts. A KMS key that the reader may not use gives the same error.
    pub denied: bool,
}

impl Unreadable {
    /// True unless the reader may not.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !self.denied
    }
}

/// Where parameters are read from.
#[async_trait]
pub trait ParameterStore: Send + Sync {
    /// Reads parameters, at most 10, in one call. One that does not exist is absent from the
    /// answer. `<name>:<version>` is that version of it (SSM keeps the last 100); the answer has
    /// the plain name.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: ask again later.
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable>;
}

/// AWS Systems Manager. Needs `ssm:GetParameters`, which reads one parameter as well as several.
#[derive(Clone, Debug)]
pub struct Ssm(Client);

impl Ssm {
    /// Uses this client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl ParameterStore for Ssm {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        let asked = names.iter().map(|&name| name.to_owned()).collect();
        // Parameters that are no SecureString come as they are.
        let answer = self
            .0
            .get_parameters()
            .set_names(Some(asked))
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| {
                let request = error.request_id().unwrap_or("none").to_owned();
                Unreadable {
                    denied: error.code() == Some("AccessDeniedException"),
                    names: names.join(", "),
                    reason: format!(
                        "SSM GetParameters, request {request}: {}",
                        DisplayErrorContext(error)
                    ),
                }
            })?;
        let found = answer.parameters.unwrap_or_default().into_iter();
        Ok(found
            .filter_map(|found| {
                Some(Parameter {
                    name: found.name?,
                    value: found.value?,
                    version: u64::try_from(found.version).unwrap_or_default(),
                })
            })
            .collect())
    }
}
