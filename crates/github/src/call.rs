//! One call to GitHub: sent, bounded in time and size, and accounted for.

use std::time::Duration;

use http::header::LOCATION;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::error::{CallError, misconfigured};
use crate::limit::remaining;
use crate::reply::Reply;
use crate::request::{NoResponse, Request, Sent, bounded, in_full};

/// GitHub ends a request that takes it longer than 10 seconds (docs.github.com, "Troubleshooting
/// the REST API", timeouts). Two more for the way, so that its answer is hardly ever given up on
/// while it may still come.
const LONGEST: Duration = Duration::from_secs(12);

/// With less time than this left nothing is sent: the answer would hardly come in time, and for a
/// registration that is the worst outcome.
const LEAST: Duration = Duration::from_secs(1);

/// The largest answer that is read: a page of 100 runners with 100 labels each stays below.
const LARGEST: usize = 4 << 20;

/// Makes a request and reads its answer, until `by` at the latest. Follows one redirect within the
/// same GitHub: that is how a renamed repository answers.
pub(crate) async fn perform(
    client: &Client,
    request: &Request,
    by: Instant,
) -> Result<Reply, NoResponse> {
    let reply = once(client, request, &request.path, by).await?;
    match moved_to(&reply) {
        Some(path) => once(client, request, client.api_path(&path), by).await,
        None => Ok(reply),
    }
}

/// The path that a redirect points to. Only the path: the token must not follow to another host,
/// and every request is made relative to our own GitHub.
fn moved_to(reply: &Reply) -> Option<String> {
    let kept = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !kept.contains(&reply.status) {
        return None;
    }
    let location: Uri = reply.headers.get(LOCATION)?.to_str().ok()?.parse().ok()?;
    location.path_and_query().map(ToString::to_string)
}

async fn once(
    client: &Client,
    request: &Request,
    path: &str,
    by: Instant,
) -> Result<Reply, NoResponse> {
    let begun = Instant::now();
    if by < begun + LEAST {
        return Err(request.no_response(Sent::No, "no time was left for it"));
    }
    let until = by.min(begun + LONGEST);
    let result = match timeout_at(until, Box::pin(exchange(client, request, path))).await {
        Ok(result) => result,
        Err(_elapsed) => Err(request.no_response(
            Sent::Maybe,
            format!("no answer within {:.1} s", (until - begun).as_secs_f32()),
        )),
    };
    let status = result.as_ref().map_or(0, |reply| reply.status.as_u16());
    let duration = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = result.as_ref().ok();
    tracing::info!(
        github.call = request.name,
        github.status = status,
        github.rate_remaining = answer.and_then(|reply| remaining(&reply.headers)),
        github_limits = answer.filter(|reply| reply.is_rate_limit()).map(|_| 1),
        duration_ms = duration,
        "asked GitHub"
    );
    result
}

async fn exchange(client: &Client, request: &Request, path: &str) -> Result<Reply, NoResponse> {
    let (parts, body) = client.send(request, path).await?.into_parts();
    let body = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(|error| request.no_response(Sent::Maybe, in_full(&*error)))?;
    let request_id = parts
        .headers
        .get("x-github-request-id")
        .and_then(|id| id.to_str().ok())
        .map(bounded);
    let call = request.call(Some(parts.status.as_u16()), request_id);
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        call,
        body: body.to_bytes().to_vec(),
    })
}

/// Makes a request as the App itself, which signs it with a JWT.
///
/// # Errors
/// No answer, or GitHub does not know the App.
pub(crate) async fn as_app(
    client: &Client,
    request: &Request,
    by: Instant,
) -> Result<Reply, CallError> {
    let reply = perform(client, request, by).await?;
    match disowned(&reply) {
        Some(error) => Err(error),
        None => Ok(reply),
    }
}

/// GitHub does not know the App, or not by this key.
fn disowned(reply: &Reply) -> Option<CallError> {
    let message = reply.message();
    let unknown_app = reply.status == StatusCode::NOT_FOUND && message.contains("Integration");
    (reply.status == StatusCode::UNAUTHORIZED || unknown_app).then(|| {
        misconfigured(format!(
            "GitHub does not accept the App's id and private key ({}: {message}): store the App's current ones",
            reply.status.as_u16()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::tests::reply;

    #[test]
    fn a_redirect_is_followed_by_its_path_alone() {
        let mut moved = reply(301, "");
        moved.headers.insert(
            LOCATION,
            "https://evil.example/repositories/7/actions/runners?page=2"
                .parse()
                .unwrap(),
        );
        assert_eq!(
            moved_to(&moved),
            Some("/repositories/7/actions/runners?page=2".to_owned())
        );
        moved.status = StatusCode::OK;
        assert_eq!(moved_to(&moved), None);
    }
}
