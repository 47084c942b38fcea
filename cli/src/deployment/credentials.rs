//! Credentials as the AWS CLI finds them, found before the first call, so that an expired session
//! is not mistaken for a broken network.
//!
//! A profile that is named by `--profile` wins over everything else, as with the AWS CLI: its
//! `disable_env_vars` leaves `AWS_ACCESS_KEY_ID` out of the chain (botocore, `credentials.py`,
//! `create_credential_resolver`). The SDK's own default chain asks the environment first, whatever
//! profile is named.

use std::error::Error;
use std::sync::Mutex;

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_ssm::error::DisplayErrorContext;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use aws_types::os_shim_internal::{Env, Fs};

use crate::failure::Failure;

/// What to do where there are no credentials.
pub(crate) const SIGN_IN: &str = "sign in as for the AWS CLI (aws login, aws sso login), or name a profile (--profile, AWS_PROFILE)";

/// What to do where AWS does not answer.
pub(crate) const UNREACHABLE: &str = "AWS could not be reached: check the network and the region";

/// What to do where AWS does not answer. A proxy that is set is named: it is not used.
pub(crate) fn unreachable() -> String {
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some());
    proxy.map_or_else(
        || UNREACHABLE.to_owned(),
        |proxy| format!("{UNREACHABLE}. {proxy} is set, and mayfly uses no proxy for AWS"),
    )
}

/// Fails if no profile of this name is defined.
///
/// # Errors
///
/// If there is none, or the files that define profiles cannot be read.
pub(crate) async fn known(name: &str) -> Result<(), Failure> {
    let loaded = profile::load(
        &Fs::real(),
        &Env::real(),
        &Default::default(),
        Some(name.to_owned().into()),
    )
    .await;
    let profiles = loaded.map_err(|error| {
        let problem = format!(
            "the AWS profiles cannot be read: {}",
            DisplayErrorContext(&error)
        );
        Failure::new(problem, "correct ~/.aws/config or ~/.aws/credentials")
    })?;
    if profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let mut names: Vec<&str> = profiles.profiles().collect();
    names.sort_unstable();
    let hint = if names.is_empty() {
        "no profiles are defined: run aws configure".to_owned()
    } else {
        format!("defined profiles: {}", names.join(", "))
    };
    Err(Failure::new(
        format!("there is no AWS profile {name}"),
        hint,
    ))
}

/// The credentials of one profile, and of nothing else.
pub(crate) fn of_profile(name: &str, config: &ProviderConfig) -> ProfileFileCredentialsProvider {
    ProfileFileCredentialsProvider::builder()
        .configure(config)
        .profile_name(name)
        .build()
}

/// Finds the credentials now, and keeps them as the first that are used: a chain may run a program
/// that asks for a code, or assume a role.
///
/// # Errors
///
/// Why there are none, in words for whom they are missing.
pub(crate) async fn resolved(
    config: SdkConfig,
    profile: Option<&str>,
) -> Result<SdkConfig, Failure> {
    let Some(provider) = config.credentials_provider() else {
        return Ok(config);
    };
    let first = provider
        .provide_credentials()
        .await
        .map_err(|error| failure(&error, profile))?;
    let found = Found {
        first: Mutex::new(Some(first)),
        then: provider,
    };
    Ok(config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(found))
        .build())
}

/// Credentials that were found once, then those that the chain gives.
#[derive(Debug)]
struct Found {
    first: Mutex<Option<Credentials>>,
    then: SharedCredentialsProvider,
}

impl ProvideCredentials for Found {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().ok().and_then(|mut first| first.take());
        match first {
            Some(first) => future::ProvideCredentials::ready(Ok(first)),
            None => self.then.provide_credentials(),
        }
    }
}

/// Why a call failed whose credentials could not be had; none if that was not the reason.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Option<Failure> {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<CredentialsError>())
        .map(|error| failure(error, None))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (*error).source()
    })
}

/// Why there are no credentials. The SDK's types for the causes are private: they are known by
/// their texts, which its own tests hold.
pub(crate) fn failure(error: &CredentialsError, profile: Option<&str>) -> Failure {
    let named = profile.map(str::to_owned).or_else(|| {
        std::env::var("AWS_PROFILE")
            .ok()
            .filter(|name| !name.is_empty())
    });
    let option = named
        .as_ref()
        .map(|name| format!(" --profile {name}"))
        .unwrap_or_default();
    let all: Vec<String> = causes(error).map(ToString::to_string).collect();
    let last = all.last().map_or("", String::as_str);
    let says = |words: &str| all.iter().any(|text| text.contains(words));
    let on_the_way = |cause: &(dyn Error + 'static)| {
        cause
            .downcast_ref::<ConnectorError>()
            .is_some_and(|error| error.is_io() || error.is_timeout())
    };
    // `UnauthorizedException`: the portal does not take the token any more (IAM Identity Center
    // portal API, GetRoleCredentials).
    if says("SSO token") || says("UnauthorizedException") {
        return Failure::new(
            "your AWS SSO session has expired, or there is none",
            format!("run aws sso login{option}"),
        );
    }
    if says("Login token") || says("login/cache") {
        return Failure::new(
            "your AWS session has expired, or there is none",
            format!("run aws login{option}"),
        );
    }
    if causes(error).any(on_the_way) || matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return Failure::new(
            format!("could not find AWS credentials: {last}"),
            unreachable(),
        );
    }
    let of = named
        .as_ref()
        .map(|name| format!(" in profile {name}"))
        .unwrap_or_default();
    // A metadata service that refuses has no credentials for us, either.
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) || says("IMDS") {
        return Failure::new(format!("there are no AWS credentials{of}"), SIGN_IN);
    }
    Failure::new(
        format!("could not find AWS credentials{of}: {last}"),
        format!("check them with aws sts get-caller-identity{option}"),
    )
}
