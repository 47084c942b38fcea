//! ECS in the place of HTTP: the real adapter speaks to the model.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::config::{
    BehaviorVersion, Config, Credentials, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use mayfly_ecs::Ecs;
use serde_json::Value;

use super::calls::Made;
use super::clock::START;
use super::event::CallOutcome;
use super::faults::{CallFault, Port};
use super::start::CLUSTER_ARN;
use super::world::World;
use mayfly_fargate_model::{Answer, Delivery, Operation, Refusal};

/// As in `mayfly_config::aws`.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The cluster as one process reaches it.
pub(super) fn ecs(world: &Arc<World>, who: &'static str) -> Ecs {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "model",
        ))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(InProcess {
            world: Arc::clone(world),
            who,
        })
        // Its own: the SDK's default quota of retries is shared by all clients of a region, those
        // of other stories, too.
        .retry_partition(RetryPartition::custom("ecs").build())
        .time_source(StaticTimeSource::new(
            SystemTime::UNIX_EPOCH + Duration::from_millis(START.millis().unsigned_abs()),
        ))
        .build();
    Ecs::new(Client::from_conf(config), CLUSTER_ARN)
}

#[derive(Clone)]
struct InProcess {
    world: Arc<World>,
    who: &'static str,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess")
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.answer(&request).await })
    }
}

/// One HTTP request of the SDK, on its way.
struct Request {
    world: Arc<World>,
    who: &'static str,
    operation: Operation,
    input: Value,
}

impl InProcess {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let wrong = |what: &str| ConnectorError::user(what.to_owned().into());
        let target = request
            .headers()
            .get("x-amz-target")
            .ok_or_else(|| wrong("no x-amz-target"))?;
        let name = target.rsplit('.').next().unwrap_or_default();
        let operation = Operation::named(name).ok_or_else(|| wrong(name))?;
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default())
            .map_err(|error| ConnectorError::user(error.into()))?;
        self.world.count(self.who, &format!("ECS {name}"));
        let leaving = self
            .world
            .leaves(self.who, Port::Ecs, operation.name(), || about(&input));
        let request = Request {
            world: Arc::clone(&self.world),
            who: self.who,
            operation,
            input,
        };
        let (call_fault, seen, answer) = match leaving.make(request.carry_out()).await {
            Made::Well(answer) => {
                leaving.note(|| handling(leaving.call_fault, &answer));
                return respond(answer);
            }
            Made::Not(call_fault @ CallFault::HangBefore)
            | Made::Unheard(call_fault @ CallFault::HangAfter, _) => {
                (call_fault, "no answer", None)
            }
            Made::Not(call_fault @ (CallFault::Throttle | CallFault::Conflict)) => (
                call_fault,
                "a ThrottlingException",
                Some(Refusal::throttled()),
            ),
            Made::Not(call_fault) | Made::Unheard(call_fault, _) => {
                (call_fault, "a 500", Some(Refusal::server()))
            }
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, seen));
        match answer {
            Some(refusal) => respond(Answer {
                result: Err(refusal),
                delivery: Delivery::Prompt,
            }),
            // The SDK gives up after its own time.
            None => std::future::pending().await,
        }
    }
}

impl Request {
    async fn carry_out(self) -> Answer {
        let Self {
            world,
            who,
            operation,
            input,
        } = self;
        world.travel().await;
        let answer = world.with_ecs_by(who, |ecs, at| ecs.call(operation, &input, at));
        match answer.delivery {
            Delivery::Prompt => world.travel().await,
            Delivery::Late(wait) => tokio::time::sleep(wait).await,
            Delivery::Never => {}
        }
        answer
    }
}

/// What an operation is about, for the trace.
fn about(input: &Value) -> String {
    let named = [
        "clientToken",
        "startedBy",
        "task",
        "tasks",
        "family",
        "taskDefinition",
        "reason",
    ];
    let fields = named
        .iter()
        .filter_map(|name| Some(format!("{name}={}", input.get(*name)?)));
    fields.collect::<Vec<_>>().join(" ")
}

fn handling(call_fault: Option<CallFault>, answer: &Answer) -> CallOutcome {
    match (&answer.result, answer.delivery, call_fault) {
        (_, Delivery::Never, _) => CallOutcome::Refused("the connection was closed".to_owned()),
        (Err(refusal), ..) => CallOutcome::Refused(refusal.code.clone()),
        (Ok(_), _, Some(call_fault)) => CallOutcome::Faulted(call_fault, "an answer"),
        (Ok(output), ..) => match output["failures"]
            .as_array()
            .and_then(|failures| failures.first())
        {
            Some(failure) => {
                CallOutcome::Refused(failure["reason"].as_str().unwrap_or_default().to_owned())
            }
            None => CallOutcome::Done,
        },
    }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    if answer.delivery == Delivery::Never {
        return Err(ConnectorError::io("the connection was closed".into()));
    }
    let (status, body) = match answer.result {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status, refusal.body()),
    };
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::user(error.into()))?;
    Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
}
