//! The model over real HTTP: deliveries arrive, runners poll, jobs end.

use crate::app::KEY;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Router, body::Bytes};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::model::JitConfigRequest;
use mayfly_github_model::runners::Scope;
use mayfly_github_model::server::Server;
use mayfly_github_model::signature::sign;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn start() -> Server {
    Server::start_with(anywhere(), 1, false, &KEY)
        .await
        .unwrap()
}

async fn ask(server: &Server, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let client = Client::builder().no_proxy().build().unwrap();
    let answer = client
        .request(method, format!("{}{path}", server.url))
        .json(body)
        .send()
        .await
        .unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or(Value::Null),
    )
}

type Received = (HeaderMap, Bytes);

/// An endpoint for deliveries: answers with `status`, and hands on what came.
async fn endpoint(status: StatusCode) -> (String, UnboundedReceiver<Received>) {
    let (sender, receiver) = unbounded_channel();
    let take = async move |State(sender): State<UnboundedSender<Received>>,
                           headers: HeaderMap,
                           body: Bytes| {
        sender.send((headers, body)).unwrap();
        status
    };
    let listener = tokio::net::TcpListener::bind(anywhere()).await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(
            listener,
            Router::new()
                .route("/webhook", post(take))
                .with_state(sender),
        )
        .await
    });
    (url, receiver)
}

async fn next(deliveries: &mut UnboundedReceiver<Received>) -> Received {
    tokio::time::timeout(PATIENCE, deliveries.recv())
        .await
        .unwrap()
        .unwrap()
}

/// Asks until the answer is as wanted.
async fn until(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (_, body) = ask(server, Method::GET, path, &json!({})).await;
        if wanted(&body) {
            return body;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{path} shows {body}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_queued_job_is_delivered_signed() {
    let server = start().await;
    let (url, mut deliveries) = endpoint(StatusCode::ACCEPTED).await;
    ask(
        &server,
        Method::POST,
        "/_model/hook",
        &json!({ "url": url, "secret": "s3cr3t" }),
    )
    .await;
    let (status, made) = ask(
        &server,
        Method::POST,
        "/_model/jobs",
        &json!({ "labels": ["self-hosted"] }),
    )
    .await;
    let (headers, body) = next(&mut deliveries).await;
    assert_eq!(status, 201);
    assert_eq!(headers["x-hub-signature-256"], sign("s3cr3t", &body));
    let payload: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(payload["workflow_job"]["id"], made[0]["id"]);
    let shown = until(&server, "/_model/deliveries", |shown| {
        shown[0]["stage"] == "over"
    })
    .await;
    assert_eq!(
        (&shown[0]["status"], &shown[0]["status_code"]),
        (&json!("OK"), &json!(202))
    );
}

#[tokio::test]
async fn redirects_are_not_followed_and_refused_connections_are_noted() {
    let server = start().await;
    let (url, mut deliveries) = endpoint(StatusCode::FOUND).await;
    ask(
        &server,
        Method::POST,
        "/_model/hook",
        &json!({ "url": url }),
    )
    .await;
    ask(&server, Method::POST, "/_model/ping", &json!({})).await;
    next(&mut deliveries).await;
    let shown = until(&server, "/_model/deliveries", |shown| {
        shown[0]["stage"] == "over"
    })
    .await;
    assert_eq!(shown[0]["status_code"], 302);
    // A port that was free a moment ago.
    let closed = tokio::net::TcpListener::bind(anywhere())
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    ask(
        &server,
        Method::POST,
        "/_model/hook",
        &json!({ "url": format!("http://{closed}/") }),
    )
    .await;
    ask(&server, Method::POST, "/_model/ping", &json!({})).await;
    let shown = until(&server, "/_model/deliveries", |shown| {
        shown[1]["stage"] == "over"
    })
    .await;
    assert_eq!(shown[1]["status_code"], 0);
}

/// A registered runner of `acme`, and its registration.
fn register(server: &Server, name: &str) -> String {
    server.with(|model| {
        let now = jiff::Timestamp::now();
        let wanted = JitConfigRequest {
            name: name.to_owned(),
            runner_group_id: 1,
            labels: vec!["mayfly".to_owned()],
            work_folder: "_work".to_owned(),
        };
        let id = model
            .generate_jit_config(Scope::Organization(ACME), &wanted, now)
            .unwrap();
        model.runner(id).unwrap().registration.clone()
    })
}

#[tokio::test]
async fn a_shell_script_can_run_a_job() {
    let server = start().await;
    let registration = register(&server, "one");
    let client = Client::builder().no_proxy().build().unwrap();
    let call = async |method: Method, path: String, body: String| {
        let request = client
            .request(method, format!("{}/_runner{path}", server.url))
            .header("accept", "text/plain")
            .body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, lines) = call(Method::POST, "/session".to_owned(), registration.clone()).await;
    assert_eq!(status, 201, "{lines}");
    let session = lines
        .lines()
        .find_map(|line| line.strip_prefix("SESSION="))
        .unwrap()
        .to_owned();
    assert_eq!(
        call(Method::POST, "/session".to_owned(), registration)
            .await
            .0,
        409
    );

    // The poll waits, and is answered once there is a job.
    let poll = call(
        Method::GET,
        format!("/session/{session}/job?wait=20"),
        String::new(),
    );
    let wish = json!({ "labels": ["mayfly"] });
    let queue = ask(&server, Method::POST, "/_model/jobs", &wish);
    let ((status, lines), (_, made)) = tokio::join!(poll, queue);
    assert_eq!(status, 200);
    assert!(
        lines
            .lines()
            .any(|line| line == "GITHUB_REPOSITORY=acme/app"),
        "{lines}"
    );
    assert!(
        lines
            .lines()
            .any(|line| line == format!("JOB_ID={}", made[0]["id"])),
        "{lines}"
    );

    for what in ["started", "step", "heartbeat", "step", "completed"] {
        assert_eq!(
            call(
                Method::POST,
                format!("/session/{session}/{what}"),
                String::new()
            )
            .await
            .0,
            204,
            "{what}"
        );
    }
    assert_eq!(
        call(
            Method::GET,
            format!("/session/{session}/job?wait=1"),
            String::new()
        )
        .await
        .0,
        410
    );
    let shown = until(&server, "/_model/jobs", |jobs| {
        jobs[0]["status"] == "completed"
    })
    .await;
    assert_eq!(
        (&shown[0]["runner_name"], &shown[0]["steps_run"]),
        (&json!("one"), &json!(2))
    );
}

#[tokio::test]
async fn a_poll_keeps_its_runner_online() {
    let server = start().await;
    ask(
        &server,
        Method::POST,
        "/_model/settings",
        &json!({ "lost_after": 1.2 }),
    )
    .await;
    let registration = register(&server, "one");
    let (_, opened) = ask(
        &server,
        Method::POST,
        "/_runner/session",
        &json!({ "jit_config": registration }),
    )
    .await;
    let path = format!(
        "/_runner/session/{}/job?wait=3",
        opened["session"].as_str().unwrap()
    );
    let (status, _) = ask(&server, Method::GET, &path, &json!({})).await;
    assert_eq!(status, 204);
    let (_, runners) = ask(&server, Method::GET, "/_model/runners", &json!({})).await;
    assert_eq!(runners[0]["status"], "online");
}

#[tokio::test]
async fn a_runner_that_vanishes_fails_its_job() {
    let server = start().await;
    ask(
        &server,
        Method::POST,
        "/_model/settings",
        &json!({ "lost_after": 0.2 }),
    )
    .await;
    let registration = register(&server, "one");
    ask(
        &server,
        Method::POST,
        "/_model/jobs",
        &json!({ "labels": ["mayfly"] }),
    )
    .await;
    let (_, opened) = ask(
        &server,
        Method::POST,
        "/_runner/session",
        &json!({ "jit_config": registration }),
    )
    .await;
    let path = format!(
        "/_runner/session/{}/started",
        opened["session"].as_str().unwrap()
    );
    assert_eq!(ask(&server, Method::POST, &path, &json!({})).await.0, 204);
    let shown = until(&server, "/_model/jobs", |jobs| {
        jobs[0]["status"] == "completed"
    })
    .await;
    assert_eq!(shown[0]["conclusion"], "failure");
}

#[tokio::test]
async fn unknown_paths_are_not_found_below_both_roots() {
    let server = start().await;
    for path in [
        "/nothing",
        "/api/v3/nothing",
        "/_model/nothing",
        "/_runner/nothing",
    ] {
        assert_eq!(
            ask(&server, Method::GET, path, &json!({})).await.0,
            404,
            "{path}"
        );
    }
}
