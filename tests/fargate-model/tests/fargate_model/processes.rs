//! Over HTTP, with the AWS SDK and real processes.

use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, ContainerOverride, LaunchType,
    NetworkConfiguration, NetworkMode, Task, TaskOverride,
};
use aws_sdk_ecs::{Client, error::ProvideErrorMetadata};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use mayfly_fargate_model::{Flags, Server, serve};
use serde_json::{Value, json};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the stand-in told AWS: STS requests and the observer's events.
#[derive(Clone, Default)]
struct Received {
    sts: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<u32>>,
}

async fn assume_role(State(received): State<Received>, body: String) -> String {
    received.sts.lock().unwrap().push(body);
    let fields = [
        ("AccessKeyId", "ASIALOCAL"),
        ("SecretAccessKey", "secret"),
        ("SessionToken", "token"),
        ("Expiration", "2099-01-01T00:00:00.123Z"),
    ];
    fields
        .iter()
        .map(|(name, value)| format!("<{name}>{value}</{name}>"))
        .collect()
}

async fn invoke(
    State(received): State<Received>,
    Path(function): Path<String>,
    Json(event): Json<Value>,
) -> StatusCode {
    let mut refusals = received.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    assert_eq!(function, "observer");
    received.events.lock().unwrap().push(event);
    StatusCode::ACCEPTED
}

struct Stand {
    server: Server,
    ecs: Client,
    received: Received,
    work: TempDir,
}

async fn stand() -> Stand {
    let received = Received::default();
    let aws = Router::new()
        .route("/", post(assume_role))
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let aws_endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, aws).await });
    let work = TempDir::new().unwrap();
    let flags = Flags {
        aws_endpoint,
        runner_home: work.path().to_path_buf(),
        work_dir: work.path().join("fargate"),
        observer_function: Some("observer".to_owned()),
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
    let container = ContainerDefinition::builder()
        .name("runner")
        .image("image")
        .entry_point("/bin/bash")
        .entry_point("-c")
        .build();
    ecs.register_task_definition()
        .family("mayfly-x64")
        .requires_compatibilities(Compatibility::Fargate)
        .network_mode(NetworkMode::Awsvpc)
        .cpu("256")
        .memory("512")
        .task_role_arn("arn:aws:iam::000000000000:role/task")
        .container_definitions(container)
        .send()
        .await
        .unwrap();
    Stand {
        server,
        ecs,
        received,
        work,
    }
}

impl Stand {
    async fn run(&self, script: &str) -> Task {
        let subnets = AwsVpcConfiguration::builder()
            .subnets("subnet-a")
            .build()
            .unwrap();
        let container = ContainerOverride::builder()
            .name("runner")
            .command(script)
            .build();
        let request = self
            .ecs
            .run_task()
            .cluster("c")
            .task_definition("mayfly-x64")
            .launch_type(LaunchType::Fargate);
        let request = request.network_configuration(
            NetworkConfiguration::builder()
                .awsvpc_configuration(subnets)
                .build(),
        );
        let request = request
            .overrides(
                TaskOverride::builder()
                    .container_overrides(container)
                    .build(),
            )
            .client_token("1-1");
        request.send().await.unwrap().tasks()[0].clone()
    }

    async fn until(&self, task: &Task, status: &str) -> Task {
        let arn = task.task_arn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let output = self
                .ecs
                .describe_tasks()
                .cluster("c")
                .tasks(arn)
                .send()
                .await
                .unwrap();
            let found = output.tasks()[0].clone();
            if found.last_status() == Some(status) {
                return found;
            }
            assert!(Instant::now() < deadline, "still {:?}", found.last_status());
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// The words of the task's log once it has as many as wanted.
    async fn words(&self, task: &Task, wanted: usize) -> Vec<String> {
        let id = task.task_arn().unwrap().rsplit('/').next().unwrap();
        let log = self
            .work
            .path()
            .join("fargate/logs")
            .join(format!("{id}.log"));
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            if words.len() >= wanted {
                return words;
            }
            assert!(Instant::now() < deadline, "log: {text}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn events(&self, wanted: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let events = self.received.events.lock().unwrap().clone();
            if events.len() >= wanted {
                return events;
            }
            assert!(Instant::now() < deadline, "{events:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a process lives; one that only waits to be buried does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn task_runs_asks_for_its_credentials_and_leaves_nothing() {
    let stand = stand().await;
    *stand.received.refusals.lock().unwrap() = 1;
    let script = r#"
        setsid sleep 300 & sleep 300 &
        curl -s "$AWS_CONTAINER_CREDENTIALS_FULL_URI" > reply
        echo $! $(jobs -p | head -1) "$HOME" $(tr -d '{}",' < reply)
        exit 5"#;
    let task = stand.run(script).await;
    let words = stand.words(&task, 4).await;
    let ended = stand.until(&task, "STOPPED").await;
    assert_eq!(ended.containers()[0].exit_code(), Some(5));
    assert_eq!(
        ended.stopped_reason(),
        Some("Essential container in task exited")
    );
    assert!(words[3].contains("AccessKeyId:ASIALOCAL"), "{words:?}");
    assert!(
        !lives(&words[0]) && !lives(&words[1]) && !std::path::Path::new(&words[2]).exists(),
        "{words:?}"
    );
    let id = task
        .task_arn()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let sts = stand.received.sts.lock().unwrap().clone();
    assert!(
        sts.len() == 1 && sts[0].contains(&format!("RoleSessionName={id}")),
        "{sts:?}"
    );
    let mut received: Vec<_> = stand
        .events(2)
        .await
        .iter()
        .map(|event| event["detail"]["lastStatus"].clone())
        .collect();
    received.sort_by_key(ToString::to_string);
    assert_eq!(received, [json!("RUNNING"), json!("STOPPED")]);
    stand.server.shut_down().await;
}

#[tokio::test]
async fn stop_lets_the_main_process_say_its_last_word() {
    let stand = stand().await;
    let task = stand
        .run("trap 'exit 9' TERM; echo ready; sleep 300 & wait")
        .await;
    stand.words(&task, 1).await;
    stand.until(&task, "RUNNING").await;
    stand
        .ecs
        .stop_task()
        .cluster("c")
        .task(task.task_arn().unwrap())
        .reason("enough")
        .send()
        .await
        .unwrap();
    let ended = stand.until(&task, "STOPPED").await;
    assert_eq!(
        (ended.containers()[0].exit_code(), ended.stopped_reason()),
        (Some(9), Some("enough"))
    );
    stand.server.shut_down().await;
}

#[tokio::test]
async fn end_of_the_stand_in_is_the_end_of_its_tasks() {
    let stand = stand().await;
    let task = stand
        .run("trap '' TERM; echo $$; while :; do sleep 1; done")
        .await;
    let words = stand.words(&task, 1).await;
    stand.server.shut_down().await;
    assert!(!lives(&words[0]));
}

#[tokio::test]
async fn killed_task_ends_with_137_and_lost_answers_look_lost() {
    let stand = stand().await;
    let model = format!("{}/_model", stand.server.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let fault = json!({ "kind": "no_answer_before", "operations": ["ListTasks"] });
    client
        .post(format!("{model}/faults"))
        .json(&fault)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let lost = stand
        .ecs
        .list_tasks()
        .cluster("c")
        .send()
        .await
        .unwrap_err();
    assert_eq!(lost.code(), None, "{lost:?}");
    let task = stand.run("echo up; sleep 300").await;
    stand.words(&task, 1).await;
    let id = task.task_arn().unwrap().rsplit('/').next().unwrap();
    client
        .post(format!("{model}/tasks/{id}/kill"))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let ended = stand.until(&task, "STOPPED").await;
    assert_eq!(ended.containers()[0].exit_code(), Some(137));
    let calls: Value = client
        .get(format!("{model}/calls"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&calls["calls"]["RunTask"], &calls["tasks"]["launched"]),
        (&json!(1), &json!(1))
    );
    stand.server.shut_down().await;
}

#[tokio::test]
async fn a_container_is_told_what_it_uses_unless_a_fault_is_in_the_way() {
    let stand = stand().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let kinds = ["metadata_missing", "metadata_lies"];
    let faults: Vec<_> = kinds.map(|kind| json!({ "kind": kind, "times": 1 })).into();
    client
        .post(format!("{}/_model/faults", stand.server.url()))
        .json(&faults)
        .send()
        .await
        .unwrap();
    let script = r#"
        for look in 1 2 3; do curl -s "$ECS_CONTAINER_METADATA_URI_V4/stats"; echo; done
        sleep 300"#;
    let task = stand.run(script).await;
    let id = task.task_arn().unwrap().rsplit('/').next().unwrap();
    let log = stand
        .work
        .path()
        .join("fargate/logs")
        .join(format!("{id}.log"));
    let deadline = Instant::now() + Duration::from_secs(30);
    let answers: Vec<Value> = loop {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if text.ends_with('\n') && text.lines().count() >= 3 {
            break text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
        }
        assert!(Instant::now() < deadline, "log: {text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(answers[0]["message"], "no stats of this container");
    let memory = |answer: &Value| answer["memory_stats"]["usage"].as_u64().unwrap();
    assert!(memory(&answers[1]) > 1 << 50, "{answers:?}");
    // A bash and a curl.
    assert!(
        (1 << 20..1 << 30).contains(&memory(&answers[2])),
        "{answers:?}"
    );
    assert!(answers[2]["cpu_stats"]["cpu_usage"]["total_usage"].is_u64());
    stand.server.shut_down().await;
}
