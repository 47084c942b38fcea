//! The stand-in with a fleet before it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use mayfly_domain::model::id::{RunnerAddress, TaskArn};
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::transitions::plan::Start;
use mayfly_ecs::{
    DescribeTasks, Described, Ecs, LaunchAnswer, LaunchAttempt, LaunchConfig, LaunchRequest,
    TaskDefinitionSpec, TaskDefinitions,
};
use mayfly_fargate_model::{Fault, FaultKind, Flags, Server, Settings, serve};
use serde_json::{Value, json};
use tempfile::TempDir;

const CLUSTER: &str = "arn:aws:ecs:us-east-1:000000000000:cluster/mayfly";

pub(crate) const SIZE: Size = Size {
    cpu: 256,
    memory_mib: 512,
    disk_gib: 30,
    architecture: Architecture::X64,
    capacity: Capacity::OnDemand,
};

pub(crate) struct Stand {
    pub(crate) adapter: Ecs,
    pub(crate) ecs: Client,
    server: Server,
    told: Arc<Mutex<Vec<Value>>>,
    _work: TempDir,
}

/// Whatever the stand-in tells AWS: the events for observer.
async fn keep(State(told): State<Arc<Mutex<Vec<Value>>>>, Json(event): Json<Value>) -> StatusCode {
    told.lock().unwrap().push(event);
    StatusCode::ACCEPTED
}

/// STS: the tasks' credentials.
async fn assume_role() -> String {
    let fields = [
        ("AccessKeyId", "ASIALOCAL"),
        ("SecretAccessKey", "secret"),
        ("SessionToken", "token"),
        ("Expiration", "2099-01-01T00:00:00Z"),
    ];
    fields
        .iter()
        .map(|(name, value)| format!("<{name}>{value}</{name}>"))
        .collect()
}

impl Stand {
    /// Tasks here fail to pull their image, so that no process runs; [`Self::with_processes`] lets
    /// them.
    pub(crate) async fn new() -> Self {
        let stand = Self::with_processes(Settings::default()).await;
        stand.fault(Fault::of(FaultKind::PullFailure)).await;
        stand
    }

    pub(crate) async fn with_processes(settings: Settings) -> Self {
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let aws = Router::new()
            .route("/", post(assume_role))
            .fallback(keep)
            .with_state(Arc::clone(&told));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws_endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, aws).await });
        let work = TempDir::new().unwrap();
        // The entry script looks for it before it asks for a registration.
        let run = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(work.path().join("run.sh"));
        run.unwrap().write_all(b"#!/bin/bash\n").unwrap();
        let flags = Flags {
            aws_endpoint,
            runner_home: work.path().to_path_buf(),
            work_dir: work.path().join("fargate"),
            observer_function: Some("observer".to_owned()),
            settings,
            ..Flags::default()
        };
        let server = serve(flags).await.unwrap();
        let config = aws_sdk_ecs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(server.url())
            .build();
        let ecs = Client::from_conf(config);
        Self {
            adapter: Ecs::new(ecs.clone(), CLUSTER),
            ecs,
            server,
            told,
            _work: work,
        }
    }

    pub(crate) async fn fault(&self, fault: Fault) {
        let url = format!("{}/_model/faults", self.server.url());
        reqwest::Client::new()
            .post(url)
            .json(&fault)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    /// Changes settings of the model.
    pub(crate) async fn change(&self, settings: Value) {
        let url = format!("{}/_model/config", self.server.url());
        reqwest::Client::new()
            .post(url)
            .json(&settings)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    /// How many tasks were ever launched, and how many calls of an operation came.
    pub(crate) async fn launched(&self) -> u64 {
        self.counts().await["tasks"]["launched"].as_u64().unwrap()
    }

    pub(crate) async fn counts(&self) -> Value {
        reqwest::get(format!("{}/_model/calls", self.server.url()))
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// The request for a runner, its definition registered.
    pub(crate) async fn request(&self, runner: u32, size: Size) -> LaunchRequest {
        let definition = self.adapter.ensure(&definition()).await.unwrap();
        let start = Start {
            size,
            job: None,
            repository: None,
        };
        LaunchRequest::build(&site(), &pool(), &start, &address(runner), &definition)
    }

    pub(crate) async fn sending(&self, runner: u32) -> LaunchAttempt {
        let request = self.request(runner, SIZE).await;
        LaunchAttempt {
            runner: request.runner.runner.clone(),
            client_token: format!("{}-1", request.runner.runner),
            request,
        }
    }

    /// The task once it is there.
    pub(crate) async fn until(&self, arn: &TaskArn, status: TaskStatus) -> Task {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let described = self
                .adapter
                .describe(std::slice::from_ref(arn))
                .await
                .unwrap();
            match &described[..] {
                [Described::Task(task)] if task.status == status => return (**task).clone(),
                [Described::Task(task)] if task.status == TaskStatus::Stopped => {
                    assert_eq!(task.status, status, "{task:?}")
                }
                other => assert!(Instant::now() < deadline, "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// The event of that version of the task, once it came.
    pub(crate) async fn event(&self, arn: &TaskArn, version: i64) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let told = self.told.lock().unwrap().clone();
            let found = told.iter().find(|event| {
                event["detail"]["taskArn"] == json!(arn)
                    && event["detail"]["version"] == json!(version)
            });
            if let Some(event) = found {
                return event.clone();
            }
            assert!(Instant::now() < deadline, "{told:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn down(self) {
        self.server.shut_down().await;
    }
}

pub(crate) fn site() -> LaunchConfig {
    LaunchConfig {
        stack: "mayfly".into(),
        region: "us-east-1".into(),
        cluster: CLUSTER.into(),
        subnets: vec!["subnet-a".into(), "subnet-b".into()],
        security_groups: vec!["sg-1".into()],
        public_ip: true,
        task_role: "arn:aws:iam::000000000000:role/mayfly/mayfly/task".into(),
        execution_role: "arn:aws:iam::000000000000:role/mayfly/mayfly/execution".into(),
        log_group: "/mayfly/mayfly/runners".into(),
        // No one answers there; the script asks again and again.
        registration_url: "http://127.0.0.1:9".into(),
    }
}

pub(crate) fn pool() -> Pool {
    Pool {
        image: "ghcr.io/actions/actions-runner:latest".into(),
        max: 10,
        ..Pool::removed("linux".parse().unwrap(), SIZE)
    }
}

pub(crate) fn definition() -> TaskDefinitionSpec {
    TaskDefinitionSpec::of(&site(), &pool(), Architecture::X64)
}

pub(crate) fn address(runner: u32) -> RunnerAddress {
    format!("linux/{runner:026}").parse().unwrap()
}

/// The task of a launch that succeeded.
pub(crate) fn started(answer: &LaunchAnswer) -> TaskArn {
    let task = if let LaunchAnswer::Started(arn) = answer {
        Some(arn.clone())
    } else {
        None
    };
    assert!(task.is_some(), "{answer:?}");
    task.unwrap()
}
