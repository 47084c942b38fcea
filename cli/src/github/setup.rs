//! GitHub, as commands that set up reach it: through an App whose key is available, or, before
//! there is one, without authentication.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_config::secrets::problem_of_url;
use mayfly_config::store::system_clock;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{
    AppApi, CallError, Conversions, Deliveries, Github, NewApp, RunnerGroups, Unauthenticated,
};
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::terminal::time_format::Rfc3339;

/// How long one question may take: someone waits before a terminal.
const PATIENCE: Duration = Duration::from_secs(15);

/// Pauses before a question is asked again that GitHub had no answer to.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// The GitHub servers that there are.
#[async_trait]
pub trait GithubSetup: Send + Sync {
    /// What an App can do there.
    type App: AppApi + Deliveries + RunnerGroups;

    /// Exchanges a manifest's code for the App, at the GitHub of this address. One call.
    ///
    /// # Errors
    ///
    /// As [`Conversions::convert`].
    async fn convert(&self, github: &str, code: &str, by: Instant) -> Result<NewApp, CallError>;

    /// Goes in as this App, where its key belongs. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// If the address cannot be used.
    fn enter(&self, key: &AppKey) -> Result<Self::App, Failure>;
}

/// The real ones.
#[derive(Clone, Copy, Debug)]
pub struct RealGithub;

#[async_trait]
impl GithubSetup for RealGithub {
    type App = Github;

    async fn convert(&self, github: &str, code: &str, by: Instant) -> Result<NewApp, CallError> {
        let stranger = Unauthenticated::new(github, system_clock).map_err(|error| {
            CallError::Misconfigured {
                message: error.to_string(),
            }
        })?;
        stranger.convert(code, by).await
    }

    fn enter(&self, key: &AppKey) -> Result<Github, Failure> {
        checked(&key.url)?;
        let key = Arc::new(key.clone());
        let unchanging = move || ready(Ok::<_, Infallible>(Arc::clone(&key)));
        Ok(Github::new(unchanging, system_clock))
    }
}

/// Checks that this is the address of a GitHub, as functions will check it.
///
/// # Errors
///
/// If it is not.
pub fn checked(github: &str) -> Result<(), Failure> {
    let Some(problem) = problem_of_url(github) else {
        return Ok(());
    };
    Err(Failure::new(
        format!("GitHub's address {github:?} {problem}"),
        "pass --github-url https://<host>, as a browser opens it",
    ))
}

/// By when a question is to be answered.
#[must_use]
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Asks something that may safely be asked again, a few times if GitHub has no answer. `what` is
/// what is asked for, as `read the App`.
///
/// # Errors
///
/// If there is no answer, or a refusal.
pub async fn patiently<T, F: Future<Output = Result<T, CallError>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> Result<T, Failure> {
    for pause in PAUSES {
        match ask().await {
            Err(CallError::Unavailable { .. }) => sleep(pause).await,
            other => return other.map_err(|error| refused(what, &error)),
        }
    }
    ask().await.map_err(|error| refused(what, &error))
}

/// Why GitHub did not do something, in words. The path that was asked is not shown: it may hold a
/// code.
#[must_use]
pub fn refused(what: &str, error: &CallError) -> Failure {
    match error {
        CallError::Refused {
            status, message, ..
        } => Failure::new(
            format!("could not {what}: GitHub answers {status}: {message}"),
            "",
        ),
        CallError::RateLimited { until, message, .. } => {
            let until: Timestamp = *until;
            Failure::new(
                format!("could not {what}: GitHub limits the rate: {message}"),
                format!("try again after {}", Rfc3339(until)),
            )
        }
        CallError::Unavailable { message, .. } => Failure::new(
            format!("could not {what}: GitHub does not answer: {message}"),
            "check the network and --github-url, and see https://www.githubstatus.com",
        ),
        CallError::Misconfigured { message } => Failure::new(
            format!("could not {what}: {message}"),
            "the id and the key must be of one App: see \"About\" and \"Private keys\" on its settings page",
        ),
    }
}
