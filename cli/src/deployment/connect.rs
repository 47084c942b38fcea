//! Finding a deployment: credentials and region as the AWS CLI resolves them, everything else from
//! the one parameter that the template writes.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use mayfly_config::secrets::{GITHUB, problem_of_url};
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_queue::SqsWakes;
use serde::Deserialize;

use crate::deployment::credentials;
use crate::deployment::parameter::{Text, read_parameter};
use crate::deployment::secrets_store::SsmSecretsStore;
use crate::failure::Failure;
use crate::options::Global;
use crate::terminal::screen::{CAUTION, FAINT, Screen};
use crate::terminal::text_format::plain;

/// How long one attempt of a call may take: a person waits at a terminal.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a connection may take: a laptop may be an ocean away from the region, and on a slow
/// network.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// This program's version; it is released together with the template and the functions.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where everything of a deployment is, as the template writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    /// The ledger.
    pub table: String,
    /// The queue of wakes.
    pub wake_queue_url: String,
    /// The cluster's ARN.
    pub cluster: String,
    /// The endpoint: `/webhook`, `/registration` and `/admission` follow it.
    pub url: String,
    /// The log group of the runners.
    pub runner_logs: String,
    /// Names of the functions, by what they are.
    pub functions: BTreeMap<String, String>,
    /// The subnets that runners get their interface in, with commas between.
    pub subnets: String,
    /// The runners' security group.
    pub security_group: String,
    /// `ENABLED` or `DISABLED`.
    pub assign_public_ip: String,
    /// The role of jobs whose pool has none of its own.
    pub task_role: String,
    /// The role that ECS pulls images with.
    pub execution_role: String,
    /// The version of Mayfly that was deployed; older templates do not say it.
    #[serde(default)]
    pub version: Option<String>,
    /// The KMS key that secrets are encrypted with, by ARN, id or alias; empty for the account's
    /// own for Parameter Store (`alias/aws/ssm`).
    #[serde(default)]
    pub kms_key: String,
}

/// A deployment within reach.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The stack's name.
    pub stack: String,
    /// Where everything is.
    pub deployment: Deployment,
    /// Credentials, region, connections.
    pub sdk: SdkConfig,
}

/// Credentials, region and connections, as the AWS CLI finds them.
///
/// # Errors
///
/// If there is no such profile, no region, or there are no credentials.
pub async fn sdk(global: &Global) -> Result<SdkConfig, Failure> {
    let http = mayfly_config::aws::http_client_within(CONNECT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        );
    if let Some(region) = &global.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &global.profile {
        credentials::known(profile).await?;
        loader = loader.profile_name(profile);
    }
    let mut config = loader.load().await;
    if config.region().is_none() {
        return Err(Failure::new(
            "no AWS region is set",
            "pass --region, set AWS_REGION, or set one in the profile (aws configure)",
        ));
    }
    if let Some(profile) = &global.profile {
        let around = ProviderConfig::without_region()
            .with_http_client(http)
            .with_region(config.region().cloned());
        let only = SharedCredentialsProvider::new(credentials::of_profile(profile, &around));
        config = config.into_builder().credentials_provider(only).build();
    }
    credentials::resolved(config, global.profile.as_deref()).await
}

/// Finds the deployment.
///
/// # Errors
///
/// If AWS cannot be asked, or there is no such deployment.
pub async fn connect(global: &Global) -> Result<Connected, Failure> {
    connect_with(sdk(global).await?, global).await
}

/// Finds the deployment with credentials that are known already.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_with(sdk: SdkConfig, global: &Global) -> Result<Connected, Failure> {
    let name = format!("/mayfly/{}/deployment", global.stack);
    let Some(found) = read_parameter(&aws_sdk_ssm::Client::new(&sdk), &name, Text::Plain).await?
    else {
        let region = sdk.region().map(Region::as_ref).unwrap_or_default();
        let problem = format!("there is no deployment {} in {region}", global.stack);
        return Err(Failure::new(
            problem,
            format!(
                "no SSM parameter {name}: pass --stack and --region, or deploy it (make deploy)"
            ),
        ));
    };
    let value = found.value.unwrap_or_default();
    let deployment: Deployment = serde_json::from_str(&value).map_err(|error| {
        let problem =
            format!("the SSM parameter {name} does not say where the deployment is: {error}");
        Failure::new(
            problem,
            "the template writes it: deploy again with the template of this mayfly's version",
        )
    })?;
    if let Some(skew) = deployment.skew(VERSION) {
        Screen::new(global.color, global.json).say(format_args!(
            "{CAUTION}warning:{CAUTION:#} {}",
            plain(&skew)
        ));
    }
    Ok(Connected {
        stack: global.stack.clone(),
        deployment,
        sdk,
    })
}

impl Deployment {
    /// What to say where the deployment is of another version than the program: `here`.
    #[must_use]
    pub fn skew(&self, here: &str) -> Option<String> {
        let there = self.version.as_deref().filter(|there| *there != here)?;
        Some(format!(
            "the stack runs Mayfly {there} and this mayfly is {here}: use the same version of both (mayfly version)"
        ))
    }

    /// The account and the region that it is in, as its cluster's ARN has them:
    /// `arn:aws:ecs:eu-west-1:123456789012:cluster/mayfly`.
    #[must_use]
    pub fn account_and_region(&self) -> Option<(&str, &str)> {
        let mut parts = self.cluster.split(':').skip(3);
        let (region, account) = (parts.next()?, parts.next()?);
        (!region.is_empty() && !account.is_empty()).then_some((account, region))
    }
}

impl Connected {
    /// The region, as the cluster's ARN has it, else as calls are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        match self.deployment.account_and_region() {
            Some((_, region)) => region,
            None => self.sdk.region().map(Region::as_ref).unwrap_or_default(),
        }
    }

    /// Where it is, in words: `account 123456789012, eu-west-1, stack mayfly`.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        match self.deployment.account_and_region() {
            Some((account, region)) => format!("account {account}, {region}, stack {}", self.stack),
            None => format!("stack {}", self.stack),
        }
    }

    /// Tells people what is about to be changed, before it is.
    pub fn announce(&self, screen: &Screen) {
        if !screen.json() {
            screen.say(format_args!(
                "{FAINT}{}{FAINT:#}",
                plain(&self.whereabouts())
            ));
        }
    }

    /// Its ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger<Dynamo> {
        Ledger::new(Dynamo::new(
            aws_sdk_dynamodb::Client::new(&self.sdk),
            &self.deployment.table,
        ))
    }

    /// Its wakes.
    #[must_use]
    pub fn wakes(&self) -> SqsWakes {
        SqsWakes::new(
            aws_sdk_sqs::Client::new(&self.sdk),
            self.deployment.wake_queue_url.clone(),
        )
    }

    /// The GitHub that it serves, as people open it, without a slash at the end: what `init` wrote
    /// down for everyone who may look. The App is used only where its key says, which this does
    /// not: it is for links, and for what a runner must reach.
    ///
    /// # Errors
    ///
    /// If SSM does not answer, or refuses.
    pub async fn github_url(&self) -> Result<String, Failure> {
        let found = read_parameter(
            &aws_sdk_ssm::Client::new(&self.sdk),
            &self.parameter("github"),
            Text::Plain,
        )
        .await?;
        let written = found
            .and_then(|found| found.value)
            .filter(|url| problem_of_url(url.trim_end_matches('/')).is_none());
        Ok(written
            .as_deref()
            .unwrap_or(GITHUB)
            .trim_end_matches('/')
            .to_owned())
    }

    /// Where its secrets are, encrypted with its key.
    #[must_use]
    pub fn secrets_store(&self) -> SsmSecretsStore {
        let key = (!self.deployment.kms_key.is_empty()).then(|| self.deployment.kms_key.clone());
        SsmSecretsStore::new(aws_sdk_ssm::Client::new(&self.sdk), key)
    }

    /// The name of one of its parameters: `pools`, `github`, `github-app`, `webhook-secret`.
    #[must_use]
    pub fn parameter(&self, what: &str) -> String {
        format!("/mayfly/{}/{what}", self.stack)
    }
}
