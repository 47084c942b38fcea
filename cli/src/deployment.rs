//! Finding a deployment: credentials and region as the AWS CLI resolves them, everything else from the one parameter that the template writes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::Parameter;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use mayfly_ledger::{Dynamo, Ledger, LedgerError};
use mayfly_queue::SqsWakes;
use serde::Deserialize;

use crate::arguments::Global;
use crate::failure::Failure;

/// How long one attempt of a call may take: somebody waits before a terminal.
const ATTEMPT: std::time::Duration = std::time::Duration::from_secs(10);

/// Where everything of a deployment is, as the template writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    /// The ledger.
    pub table: String,
    /// The queue of wakes.
    pub wake_queue_url: String,
    /// The cluster's ARN.
    pub cluster: String,
    /// The front door: `/webhook`, `/registration` and `/admission` follow it.
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
/// If there is no region.
pub async fn sdk(global: &Global) -> Result<SdkConfig, Failure> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(mayfly_settings::aws::http_client())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    if let Some(region) = &global.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &global.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Failure::new("there is no AWS region", "say --region, set AWS_REGION, or put one into the profile (aws configure)"));
    }
    Ok(config)
}

/// Finds the deployment.
///
/// # Errors
///
/// If AWS cannot be asked, or there is no such deployment.
pub async fn connect(global: &Global) -> Result<Connected, Failure> {
    let sdk = sdk(global).await?;
    let name = format!("/mayfly/{}/deployment", global.stack);
    let Some(found) = read_parameter(&aws_sdk_ssm::Client::new(&sdk), &name, Text::Plain).await? else {
        let region = sdk.region().map(Region::as_ref).unwrap_or_default();
        let problem = format!("there is no deployment {} in {region}", global.stack);
        return Err(Failure::new(problem, format!("no SSM parameter {name}: say --stack and --region, or deploy it (make deploy)")));
    };
    let value = found.value.unwrap_or_default();
    let deployment = serde_json::from_str(&value).map_err(|error| {
        let problem = format!("the SSM parameter {name} does not say where the deployment is: {error}");
        Failure::new(problem, "the template writes it: deploy again with a template of mayfly's version")
    })?;
    Ok(Connected { stack: global.stack.clone(), deployment, sdk })
}

/// How a parameter is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// As it is.
    Plain,
    /// Encrypted: a SecureString.
    Secret,
}

/// Reads an SSM parameter; `name` may end in `:` and a version. None if there is none, or none of this version.
///
/// # Errors
///
/// If SSM does not answer, or refuses.
pub(crate) async fn read_parameter(client: &aws_sdk_ssm::Client, name: &str, kept: Text) -> Result<Option<Parameter>, Failure> {
    let asked = client.get_parameter().name(name).set_with_decryption((kept == Text::Secret).then_some(true));
    match asked.send().await {
        Ok(answer) => Ok(answer.parameter),
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_parameter_not_found() || error.is_parameter_version_not_found()) =>
        {
            Ok(None)
        }
        Err(error) => Err(refused(&format!("read the SSM parameter {name}"), &error)),
    }
}

impl Connected {
    /// Its ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger<Dynamo> {
        Ledger::new(Dynamo::new(aws_sdk_dynamodb::Client::new(&self.sdk), &self.deployment.table))
    }

    /// Its wakes.
    #[must_use]
    pub fn wakes(&self) -> SqsWakes {
        SqsWakes::new(aws_sdk_sqs::Client::new(&self.sdk), self.deployment.wake_queue_url.clone())
    }

    /// The name of one of its parameters: `pools`, `github-app`, `webhook-secret`.
    #[must_use]
    pub fn parameter(&self, what: &str) -> String {
        format!("/mayfly/{}/{what}", self.stack)
    }
}

/// What to do where AWS denies access.
pub(crate) const MAY_NOT: &str = "these credentials may not do that: the stack's outputs name policies for viewers and operators";

const OVER: &str = "the credentials are over: sign in again (aws sso login, or aws login)";

const NO_CREDENTIALS: &str = "there are no credentials that work: sign in as for the AWS CLI (aws sso login, AWS_PROFILE, --profile)";

/// Why AWS did not do something, in words, with what to do about the usual causes. `what` is what was tried, as `read the SSM parameter /mayfly/mayfly/pools`.
pub fn refused<E, R>(what: &str, error: &SdkError<E, R>) -> Failure
where
    E: Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let code = error.code().unwrap_or_default();
    let hint = match code {
        "AccessDeniedException" | "AccessDenied" => MAY_NOT,
        "ExpiredTokenException" | "ExpiredToken" => OVER,
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" => {
            "AWS does not know these credentials: see aws sts get-caller-identity"
        }
        _ => match error {
            SdkError::ConstructionFailure(_) => NO_CREDENTIALS,
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                "AWS could not be reached: is the network there, and the region right?"
            }
            _ => "",
        },
    };
    let said = error.message().map_or_else(|| innermost(error), str::to_owned);
    // The SDK tells on many lines where it looked.
    if said.contains("no credentials found") {
        return Failure::new(format!("{what}: there are no AWS credentials"), NO_CREDENTIALS);
    }
    let named: &dyn Display = if code.is_empty() { &"" } else { &format_args!("{code}: ") };
    Failure::new(format!("{what}: {named}{said}"), hint)
}

/// Why the ledger did not answer, in words. `what` is what was tried, as `read the ledger`.
#[must_use]
pub fn ledger_refused(what: &str, error: &LedgerError) -> Failure {
    let LedgerError::Unavailable(store) = error else {
        let hint = if matches!(error, LedgerError::Corrupt { .. }) { "is this mayfly older than the deployment?" } else { "try again" };
        return Failure::new(format!("{what}: {error}"), hint);
    };
    let says = |code: &str| store.problem.contains(code);
    let hint = if says("AccessDenied") {
        MAY_NOT
    } else if says("ResourceNotFoundException") {
        "the table that the deployment names is gone: deploy again"
    } else if says("ExpiredToken") {
        OVER
    } else {
        ""
    };
    Failure::new(format!("{what}: {store}"), hint)
}

/// The cause at the end of the chain: what people can do something about.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    let text = error.to_string();
    if text.is_empty() { DisplayErrorContext(error).to_string() } else { text }
}
