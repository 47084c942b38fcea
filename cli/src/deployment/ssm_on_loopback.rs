//! Parameter Store on loopback, for tests: takes everything, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Bytes;
use serde_json::Value;

pub(crate) async fn start() -> (String, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let take = async move |body: Bytes| {
        log.lock()
            .unwrap()
            .push(serde_json::from_slice(&body).unwrap());
        (
            [("content-type", "application/x-amz-json-1.1")],
            r#"{"Version": 1, "Tier": "Standard"}"#,
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    (url, asked)
}

pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_ssm::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIAEXAMPLE",
            "nothing-secret",
            None,
            None,
            "test",
        ))
        .endpoint_url(url)
        .http_client(mayfly_config::aws::http_client_within(
            std::time::Duration::from_secs(1),
        ))
        .build();
    Client::from_conf(config)
}
