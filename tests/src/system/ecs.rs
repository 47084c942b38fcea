//! ECS in the place of HTTP: the real adapter speaks to the model.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::config::{BehaviorVersion, Config, Credentials, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use mayfly_fleet::Fleet;
use serde_json::Value;

use super::start::CLUSTER_ARN;
use super::world::World;
use crate::fargate::{Delivery, Operation};

/// As in `mayfly_settings::aws`.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The cluster as one function reaches it.
pub(super) fn fleet(world: &Arc<World>, who: &'static str) -> Fleet {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "model"))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(InProcess { world: Arc::clone(world), who })
        .build();
    Fleet::new(Client::from_conf(config), CLUSTER_ARN)
}

#[derive(Clone)]
struct InProcess {
    world: Arc<World>,
    who: &'static str,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("who", &self.who).finish_non_exhaustive()
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.answer(&request).await })
    }
}

impl InProcess {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let wrong = |what: &str| ConnectorError::user(what.to_owned().into());
        let target = request.headers().get("x-amz-target").ok_or_else(|| wrong("no x-amz-target"))?;
        let name = target.rsplit('.').next().unwrap_or_default();
        let operation = Operation::named(name).ok_or_else(|| wrong(name))?;
        let input: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).map_err(|error| ConnectorError::user(error.into()))?;
        self.world.count(self.who, &format!("ECS {name}"));
        self.world.travel().await;
        let answer = self.world.with_ecs(|ecs, at| ecs.call(operation, &input, at));
        match answer.delivery {
            Delivery::Prompt => self.world.travel().await,
            Delivery::Late(wait) => tokio::time::sleep(wait).await,
            Delivery::Never => return Err(ConnectorError::io("the connection was closed".into())),
        }
        let (status, body) = match answer.result {
            Ok(body) => (200, body),
            Err(refusal) => (refusal.status, refusal.body()),
        };
        let status = StatusCode::try_from(status).map_err(|_| wrong("a status that is none"))?;
        Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
    }
}
