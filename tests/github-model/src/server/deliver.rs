//! Sends a delivery the way GitHub does: ten seconds for an answer, no redirects, no second try.

use crate::deliveries::{Outcome, Outgoing};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// GitHub waits 10 s for an answer (GitHub docs, handling failed deliveries).
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that follows nothing and uses no proxy.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Sends one and says what came back.
pub(super) async fn send(client: &reqwest::Client, outgoing: Outgoing) -> Outcome {
    let at = Timestamp::now();
    let began = Instant::now();
    let mut outcome = exchange(client, outgoing, at).await;
    outcome.duration = (began.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    outcome
}

async fn exchange(client: &reqwest::Client, outgoing: Outgoing, at: Timestamp) -> Outcome {
    let request = outgoing
        .headers
        .iter()
        .fold(client.post(&outgoing.url), |request, (name, value)| {
            request.header(name, value)
        });
    match request.body(outgoing.body).send().await {
        Ok(response) => {
            let mut outcome = Outcome::answered(at, response.status().as_u16());
            outcome.headers = response
                .headers()
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            outcome.body = response.text().await.unwrap_or_default();
            outcome
        }
        Err(error) if error.is_timeout() => Outcome::unanswered(at, "timed out"),
        Err(_) => Outcome::unanswered(at, "failed to connect to host"),
    }
}
