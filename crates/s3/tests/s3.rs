//! What is sent to S3, held to its documentation by other code.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mayfly_s3::{Bucket, PutObject as _};
use sha2::{Digest as _, Sha256};

const SECRET: &str = "a secret of the test";
const KEY: &str = "mayfly/jobs/day=2026-11-22/part-00000.jsonl";
const BODY: &[u8] = b"{\"id\":1}\n{\"id\":2}\n";

/// A request, as it came.
#[derive(Clone, Default)]
struct Came {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }
}

/// An S3 that answers so. Where it is, and what came last.
async fn s3(status: u16, answer: &'static str) -> (String, Arc<Mutex<Came>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(Mutex::new(Came::default()));
    let log = Arc::clone(&came);
    let take = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        *log.lock().unwrap() = Came {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            headers,
            body,
        };
        (StatusCode::from_u16(status).unwrap(), answer)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    (url, came)
}

fn bucket(url: &str) -> Bucket {
    let credentials = Credentials::new("AKID", SECRET, Some("token".into()), None, "test");
    let sdk = SdkConfig::builder()
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Bucket::new(&sdk, "archive")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a request, as
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html> makes it: the path
/// is signed as it was sent.
fn signature(came: &Came, signed: &str) -> String {
    let date = came.header("x-amz-date");
    let scope = format!("{}/eu-west-1/s3/aws4_request", &date[..8]);
    let headers: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", came.header(name)))
        .collect();
    let canonical = format!(
        "{}\n{}\n\n{headers}\n{signed}\n{}",
        came.method,
        came.path,
        came.header("x-amz-content-sha256")
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let key = hmac(format!("AWS4{SECRET}").as_bytes(), &date[..8]);
    let key = hmac(&hmac(&hmac(&key, "eu-west-1"), "s3"), "aws4_request");
    hex(&hmac(&key, &text))
}

#[tokio::test]
async fn an_object_is_put_under_its_key_and_signed_as_s3_wants_it() {
    let (url, came) = s3(200, "").await;
    bucket(&url).put(KEY, BODY.to_vec()).await.unwrap();
    let came = came.lock().unwrap().clone();
    assert_eq!(
        (came.method.as_str(), came.path.as_str(), &came.body[..]),
        (
            "PUT",
            "/archive/mayfly/jobs/day%3D2026-11-22/part-00000.jsonl",
            BODY
        )
    );
    assert_eq!(
        came.header("x-amz-content-sha256"),
        hex(&Sha256::digest(BODY))
    );
    assert_eq!(came.header("x-amz-security-token"), "token");
    let authorization = came.header("authorization");
    let part = |name: &str| {
        let (_, after) = authorization.split_once(&format!("{name}=")).unwrap();
        after.split([',', ' ']).next().unwrap().to_owned()
    };
    let signed = part("SignedHeaders");
    for header in [
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ] {
        assert!(signed.split(';').any(|own| own == header), "{signed}");
    }
    assert_eq!(part("Signature"), signature(&came, &signed));
}

#[tokio::test]
async fn a_refusal_is_told_with_what_s3_said_and_no_more_than_its_beginning() {
    let words = "<Error><Code>AccessDenied</Code></Error>";
    let (url, _) = s3(403, words).await;
    let problem = bucket(&url).put(KEY, BODY.to_vec()).await.unwrap_err();
    assert_eq!(
        problem.to_string(),
        format!("S3 did not store {KEY}: 403 {words}")
    );
    let (url, _) = s3(500, Box::leak("x".repeat(100_000).into_boxed_str())).await;
    let problem = bucket(&url).put(KEY, BODY.to_vec()).await.unwrap_err();
    assert!(problem.reason.len() < 600, "{}", problem.reason.len());
}

#[tokio::test]
async fn an_s3_that_is_not_there_is_told_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let problem = bucket(&url).put(KEY, BODY.to_vec()).await.unwrap_err();
    assert_eq!(problem.key, KEY);
    assert!(!problem.reason.is_empty());
}
