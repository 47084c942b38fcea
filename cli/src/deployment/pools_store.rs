//! The SSM parameter that holds the pools file: its versions, who wrote them, and a new one.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::config::timeout::TimeoutConfig;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use mayfly_domain::model::time::Timestamp;

use crate::deployment::caller;
use crate::deployment::connect::Connected;
use crate::deployment::parameter::{Text, read_parameter};
use crate::deployment::refused::refused;
use crate::failure::Failure;

/// The one attempt to write: as long as anyone who applies has before others may ([`WRITE_WITHIN`]
/// and this are less than his time).
const WRITE: Duration = Duration::from_secs(15);

/// Nothing is written later than this after the right to apply was taken.
pub const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// One version of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u64,
    /// The file, to the byte.
    pub text: String,
    /// When it was applied.
    pub at: Option<Timestamp>,
}

/// The result of writing a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has this number.
    As(u64),
    /// There was to be none, and there is one: nothing was written.
    Exists,
    /// No answer came: it may have been written. The words say why.
    Unknown(String),
}

/// The versions of the pools file.
#[async_trait]
pub trait PoolsStore: Send + Sync {
    /// The newest version, or the one of this number. `None`: there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    async fn version(&self, number: Option<u64>) -> Result<Option<Version>, Failure>;

    /// Who wrote a version. `None`: the store does not tell, or not these credentials.
    async fn author(&self, number: u64) -> Option<String>;

    /// Writes a version, at once and whole. `first`: only if there is none yet.
    ///
    /// # Errors
    ///
    /// If it was surely not written.
    async fn write(&self, text: &str, first: bool) -> Result<Written, Failure>;
}

/// The parameter in Parameter Store.
#[derive(Clone, Debug)]
pub struct SsmPoolsStore {
    client: Client,
    name: String,
}

impl Connected {
    /// The deployment's pools file.
    #[must_use]
    pub fn ssm_pools_store(&self) -> SsmPoolsStore {
        SsmPoolsStore {
            client: Client::new(&self.sdk),
            name: self.parameter("pools"),
        }
    }
}

#[async_trait]
impl PoolsStore for SsmPoolsStore {
    async fn version(&self, number: Option<u64>) -> Result<Option<Version>, Failure> {
        let name = number.map_or_else(
            || self.name.clone(),
            |number| format!("{}:{number}", self.name),
        );
        let found = read_parameter(&self.client, &name, Text::Plain).await?;
        Ok(found.map(|found| Version {
            number: u64::try_from(found.version).unwrap_or_default(),
            text: found.value.unwrap_or_default(),
            at: found
                .last_modified_date
                .and_then(|at| at.to_millis().ok())
                .map(Timestamp::from_millis),
        }))
    }

    async fn author(&self, number: u64) -> Option<String> {
        let mut pages = self
            .client
            .get_parameter_history()
            .name(&self.name)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            // A caller without permission to read the history gets none of it: that is no reason to
            // fail.
            let mut versions = page.ok()?.parameters.unwrap_or_default().into_iter();
            if let Some(version) =
                versions.find(|version| u64::try_from(version.version).ok() == Some(number))
            {
                return version
                    .last_modified_user
                    .map(|arn| caller::short(&arn).to_owned());
            }
        }
        None
    }

    async fn write(&self, text: &str, first: bool) -> Result<Written, Failure> {
        // A Standard parameter holds 4 KB and is free, an Advanced one holds 8 KB and costs $0.05 a
        // month and per 10,000 readings: SSM makes it an Advanced one when the file needs that, and
        // leaves it so
        // (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html).
        // One attempt: a repetition of one whose answer got lost would make two versions of it.
        let once = aws_sdk_ssm::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(WRITE).build());
        let put = self
            .client
            .put_parameter()
            .name(&self.name)
            .value(text)
            .r#type(ParameterType::String)
            .tier(ParameterTier::IntelligentTiering);
        match put
            .overwrite(!first)
            .customize()
            .config_override(once)
            .send()
            .await
        {
            Ok(answer) => Ok(Written::As(
                u64::try_from(answer.version).unwrap_or_default(),
            )),
            Err(error) => match &error {
                SdkError::ServiceError(service)
                    if matches!(service.err(), PutParameterError::ParameterAlreadyExists(_)) =>
                {
                    Ok(Written::Exists)
                }
                SdkError::ServiceError(service) if service.raw().status().as_u16() < 500 => Err(
                    refused(&format!("write the SSM parameter {}", self.name), &error),
                ),
                SdkError::ConstructionFailure(_) => Err(refused(
                    &format!("write the SSM parameter {}", self.name),
                    &error,
                )),
                _ => Ok(Written::Unknown(
                    refused(&format!("write the SSM parameter {}", self.name), &error).problem,
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::ssm_on_loopback;

    /// A file of up to 4 KB is a free Standard parameter; one above cannot be one. Source: SSM API
    /// reference, `PutParameter`, `Tier`.
    #[tokio::test]
    async fn ssm_chooses_the_tier_by_the_size_of_the_file() {
        let (url, asked) = ssm_on_loopback::start().await;
        let parameter = SsmPoolsStore {
            client: ssm_on_loopback::client(&url),
            name: "/mayfly/mayfly/pools".to_owned(),
        };
        for bytes in [3 << 10, 6 << 10] {
            assert_eq!(
                parameter.write(&"#".repeat(bytes), true).await,
                Ok(Written::As(1))
            );
        }
        let tiers: Vec<_> = asked
            .lock()
            .unwrap()
            .iter()
            .map(|one| one["Tier"].clone())
            .collect();
        assert_eq!(tiers, ["Intelligent-Tiering", "Intelligent-Tiering"]);
    }
}
