//! An ECS that answers as it is told and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, RuntimeComponents, SharedHttpClient,
};
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::transitions::plan::Start;
use mayfly_ecs::{Ecs, LaunchConfig, LaunchRequest};
use serde_json::{Value, json};

pub(crate) const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/mayfly";
pub(crate) const DEFINITION: &str =
    "arn:aws:ecs:us-east-1:123456789012:task-definition/mayfly-x64-0123456789ab:1";
pub(crate) const TASK: &str =
    "arn:aws:ecs:us-east-1:123456789012:task/mayfly/4f1c0a6be7d94b3f8a25d6c7e8f90a1b";

/// Calls and the answers that are left; the last answer is given again and again.
#[derive(Clone)]
pub(crate) struct FakeEcs {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakeEcs {
    pub(crate) fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            calls: Arc::default(),
        }
    }

    pub(crate) fn adapter(&self) -> Ecs {
        adapter(self.http())
    }

    /// The same, each answer so late; the client's attempts are as short as those of
    /// `mayfly_config::aws`.
    pub(crate) fn answering_after(&self, time: Duration) -> Ecs {
        let late = Late {
            time,
            http: self.http(),
        };
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(3))
            .build();
        let config = config(SharedHttpClient::new(late)).timeout_config(timeouts);
        Ecs::new(Client::from_conf(config.build()), CLUSTER)
    }

    fn http(&self) -> SharedHttpClient {
        let this = self.clone();
        infallible_client_fn(move |request| {
            let target = request.headers()["x-amz-target"].to_str().unwrap();
            let operation = target.rsplit('.').next().unwrap().to_owned();
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            this.calls.lock().unwrap().push((operation, body));
            let mut answers = this.answers.lock().unwrap();
            let (status, body) = if answers.len() > 1 {
                answers.pop_front()
            } else {
                answers.front().cloned()
            }
            .unwrap();
            http::Response::builder()
                .status(status)
                .header("x-amzn-requestid", "r-1")
                .body(body.to_string())
                .unwrap()
        })
    }

    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.calls()
            .into_iter()
            .map(|(operation, _)| operation)
            .collect()
    }
}

/// An HTTP client whose answers come late.
#[derive(Clone, Debug)]
struct Late {
    time: Duration,
    http: SharedHttpClient,
}

impl HttpClient for Late {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(LateConnector {
            time: self.time,
            connector: self.http.http_connector(settings, components),
        })
    }
}

#[derive(Clone, Debug)]
struct LateConnector {
    time: Duration,
    connector: SharedHttpConnector,
}

impl HttpConnector for LateConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(this.time).await;
            this.connector.call(request).await
        })
    }
}

pub(crate) fn adapter(http: SharedHttpClient) -> Ecs {
    Ecs::new(Client::from_conf(config(http).build()), CLUSTER)
}

fn config(http: SharedHttpClient) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .http_client(http)
}

/// An exception as the AWS JSON protocol has it.
pub(crate) fn exception(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "__type": code, "message": message }))
}

pub(crate) fn site() -> LaunchConfig {
    LaunchConfig {
        stack: "mayfly".into(),
        region: "us-east-1".into(),
        cluster: CLUSTER.into(),
        subnets: vec!["subnet-a".into(), "subnet-b".into(), "subnet-c".into()],
        security_groups: vec!["sg-1".into()],
        public_ip: true,
        task_role: "arn:aws:iam::123456789012:role/mayfly/mayfly/mayfly-TaskRole-1ABC".into(),
        execution_role: "arn:aws:iam::123456789012:role/mayfly/mayfly/mayfly-ExecutionRole-2DEF"
            .into(),
        log_group: "/mayfly/mayfly/runners".into(),
        registration_url: "https://abc.execute-api.us-east-1.amazonaws.com".into(),
    }
}

pub(crate) const SIZE: Size = Size {
    cpu: 2048,
    memory_mib: 8192,
    disk_gib: 20,
    architecture: Architecture::X64,
    capacity: Capacity::OnDemand,
};

pub(crate) fn pool() -> Pool {
    Pool {
        image: "ghcr.io/actions/actions-runner:latest".into(),
        max: 10,
        ..Pool::removed("linux".parse().unwrap(), SIZE)
    }
}

pub(crate) fn address() -> RunnerAddress {
    "linux/01jd0000000000000000000000".parse().unwrap()
}

pub(crate) fn request() -> LaunchRequest {
    LaunchRequest::build(
        &site(),
        &pool(),
        &Start {
            size: SIZE,
            job: None,
            repository: None,
        },
        &address(),
        DEFINITION,
    )
}
