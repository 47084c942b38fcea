//! How AWS is reached from a Lambda function: few connections, short times, nothing done before it
//! is needed.
//!
//! Not by way of the SDK's default chain: it would look for profiles, metadata services and
//! containers that a function does not have, and each of them costs size and start-up time.

mod http;
pub mod signed;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::config::timeout::TimeoutConfig;
use aws_sdk_ssm::config::{BehaviorVersion, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::environment::{self, Missing};

/// For one attempt. Three of them and the pauses between fit into scaler's 15 s; webhook has a
/// deadline of its own, which is shorter. RunTask has a longer one of its own (`mayfly_ecs`).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts of one call, the first included: the SDK's own default.
const ATTEMPTS: u32 = 3;

/// The pause before the second attempt is up to this long, before the third up to twice as long.
/// The Rust SDK's default is a second, and half of it is what one failed call costs a delivery;
/// AWS's other SDKs wait 50 ms (AWS SDKs and Tools Reference Guide, "Retry behavior").
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The configuration that all clients of a function share, and with it their connections.
///
/// Credentials and region come from the variables that Lambda sets. `AWS_ENDPOINT_URL` and
/// `AWS_ENDPOINT_URL_<SERVICE>` are honoured (only the local stack sets them).
///
/// # Errors
///
/// [`Missing`] if there is no region or there are no credentials.
pub fn sdk_config() -> Result<SdkConfig, Missing> {
    let (region, key, secret) = environment::read(|variables| {
        (
            variables.text("AWS_REGION"),
            variables.text("AWS_ACCESS_KEY_ID"),
            variables.text("AWS_SECRET_ACCESS_KEY"),
        )
    })?;
    let credentials = Credentials::new(
        key,
        secret,
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let endpoint = variable("AWS_ENDPOINT_URL");
    let http = http::Http::default();
    // A function calls this before its first event: until then Lambda lends it a whole CPU,
    // afterwards a share.
    if !endpoint
        .as_ref()
        .is_some_and(|url| url.starts_with("http://"))
    {
        http.prepare();
    }
    let mut config = limits()
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // They are in the environment for as long as the process runs: nothing to cache, nothing to
        // refresh.
        .identity_cache(IdentityCache::no_cache())
        .http_client(SharedHttpClient::new(http))
        .service_config(ServiceEndpoints { variable });
    config.set_endpoint_url(endpoint);
    Ok(config.build())
}

/// How long a call may take and how often it is tried, whatever it is.
fn limits() -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_PAUSE),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        )
        // Answers are small and whole; an attempt's timeout covers them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// The HTTP client beneath [`sdk_config`], for a program outside AWS: a connection may take as long
/// as this. No proxy is used.
#[must_use]
pub fn http_client_within(connect: Duration) -> SharedHttpClient {
    SharedHttpClient::new(http::Http::within(connect))
}

/// The same for requests that are none of AWS' API: nothing is signed, nothing tried again.
#[must_use]
pub fn http_connector_within(connect: Duration) -> SharedHttpConnector {
    SharedHttpConnector::new(http::Http::within(connect))
}

/// A variable that is there and not empty: a template parameter without a value makes an empty one.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `AWS_ENDPOINT_URL_<SERVICE>`, where the service's id is in upper case and has `_` for spaces.
/// Source: AWS SDKs reference guide, service-specific endpoints.
#[derive(Debug)]
struct ServiceEndpoints {
    variable: fn(&str) -> Option<String>,
}

impl LoadServiceConfig for ServiceEndpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        (self.variable)(&format!("{}_{service}", key.env()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ssm::config::RuntimeComponents;
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// AWS that answers so to every attempt, or never; counts them.
    #[derive(Clone, Debug)]
    struct Aws {
        status: Option<u16>,
        attempts: Arc<AtomicU32>,
    }

    impl HttpClient for Aws {
        fn http_connector(
            &self,
            _: &HttpConnectorSettings,
            _: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for Aws {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            match self.status {
                Some(status) => HttpConnectorFuture::ready(Ok(HttpResponse::new(
                    status.try_into().unwrap(),
                    SdkBody::from("{}"),
                ))),
                None => HttpConnectorFuture::new(std::future::pending()),
            }
        }
    }

    /// The attempts that a call costs which never succeeds, and the time.
    async fn in_vain(status: Option<u16>) -> (u32, Duration) {
        let aws = Aws {
            status,
            attempts: Arc::default(),
        };
        let credentials =
            SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"));
        let config = limits()
            .region(Region::new("eu-west-1"))
            .credentials_provider(credentials)
            .http_client(aws.clone())
            .build();
        let began = tokio::time::Instant::now();
        aws_sdk_ssm::Client::new(&config)
            .get_parameters()
            .names("x")
            .send()
            .await
            .unwrap_err();
        (aws.attempts.load(Ordering::Relaxed), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_aws_never_answers_is_given_up_after_three_attempts_of_three_seconds() {
        let (attempts, time) = in_vain(None).await;
        assert_eq!(attempts, 3);
        assert!((9_000..=9_160).contains(&time.as_millis()), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_is_tried_again_within_milliseconds() {
        let (attempts, time) = in_vain(Some(500)).await;
        assert_eq!(attempts, 3);
        assert!(time <= Duration::from_millis(160), "{time:?}");
    }

    #[test]
    fn an_endpoint_may_be_set_for_one_service_alone() {
        let endpoints = ServiceEndpoints {
            variable: |name| {
                (name == "AWS_ENDPOINT_URL_ECS").then(|| "http://127.0.0.1:1".to_owned())
            },
        };
        let asked = |service| {
            let key = ServiceConfigKey::builder()
                .service_id(service)
                .env("AWS_ENDPOINT_URL")
                .profile("endpoint_url")
                .build()
                .unwrap();
            endpoints.load_config(key)
        };
        assert_eq!(asked("ECS").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(asked("DynamoDB"), None);
    }
}
