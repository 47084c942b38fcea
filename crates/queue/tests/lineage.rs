//! What Lambda needs to recognize a loop: the SDK hands on how many invocations led to a message.
//!
//! Not wanted, but so it is: a scaler that wakes itself counts as a loop after 16 wakes, unless its
//! function has `RecursiveLoop: Allow` (`infra/template.yaml`).
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic, in its own helpers as well"
)]

use std::process::Command;

use mayfly_queue::{SqsWakes, Wakes as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// As lambda_runtime leaves it in the environment while it handles an event.
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:abcdef:16";

/// The variables are Lambda's, and a process cannot change its own: the test runs itself once more
/// with them.
#[tokio::test]
async fn wakes_carry_the_lineage_of_the_invocation() {
    if std::env::var("_X_AMZN_TRACE_ID").is_ok_and(|trace| trace == TRACE) {
        return a_function_sends_a_wake().await;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "wakes_carry_the_lineage_of_the_invocation"]);
    again.envs([
        ("AWS_LAMBDA_FUNCTION_NAME", "mayfly-scaler"),
        ("_X_AMZN_TRACE_ID", TRACE),
    ]);
    again.envs([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let ran = again.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

async fn a_function_sends_a_wake() {
    let queue = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!(
        "http://{}/123456789012/wakes.fifo",
        queue.local_addr().unwrap()
    );
    let config = mayfly_config::aws::sdk_config().unwrap();
    let client = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::config::Builder::from(&config)
            .endpoint_url(&url)
            .build(),
    );
    let wakes = SqsWakes::new(client, url);
    let pool = "linux".parse().unwrap();
    let (sent, request) = tokio::join!(wakes.wake(&pool), request(&queue));
    sent.unwrap();
    let trace = request
        .lines()
        .find_map(|line| line.strip_prefix("x-amzn-trace-id: "));
    assert_eq!(
        trace.map(|value| value.replace("%3D", "=").replace("%3B", ";")),
        Some(TRACE.to_owned()),
        "{request}"
    );
}

/// One request, answered as SQS would.
async fn request(queue: &TcpListener) -> String {
    let (mut connection, _) = queue.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        assert!(
            connection.read_buf(&mut read).await.unwrap() > 0,
            "the request ends early"
        );
    }
    let answer = r#"{"MessageId":"m-1","MD5OfMessageBody":"0"}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    connection
        .write_all(format!("{head}{answer}").as_bytes())
        .await
        .unwrap();
    String::from_utf8(read).unwrap()
}
