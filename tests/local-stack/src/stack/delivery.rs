//! The first delivery, which tells whether the stack is ready.

use anyhow::{Result, bail};
use mayfly_github_model::signature::sign;
use reqwest::{Client, StatusCode};

/// GitHub's first delivery to every new webhook, no longer than needed.
const PING: &str = r#"{"zen":"Keep it logically awesome.","hook_id":1}"#;

/// Sends a signed ping through the deployed API to the deployed function.
///
/// # Errors
/// If it is not answered with 200: says what was answered instead.
pub(super) async fn ping(client: &Client, url: &str, secret: &str) -> Result<()> {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-github-event", "ping");
    let request = request.header("x-github-delivery", "00000000-0000-4000-8000-000000000000");
    let request = request.header("x-hub-signature-256", sign(secret, PING.as_bytes()));
    let answer = request
        .header("user-agent", "GitHub-Hookshot/local")
        .body(PING)
        .send()
        .await?;
    let status = answer.status();
    if status != StatusCode::OK {
        bail!(
            "the webhook answered a signed ping with {status}: {}",
            answer.text().await?
        );
    }
    Ok(())
}
