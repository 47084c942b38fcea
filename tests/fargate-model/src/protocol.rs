//! The AWS JSON 1.1 protocol: one path, the service and the operation in a header.

use super::answer::{Answer, Delivery, Refusal};
use super::host::Host;
use super::names::Operation;
use super::quotas;
use super::server::hang_up;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;

/// What precedes the operation in `X-Amz-Target` (botocore, `metadata.targetPrefix`).
const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";

/// Answers one call.
pub(crate) async fn answer(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request_id = host.with(|_, at| at.uuid());
    let prompt = |result| Answer {
        result,
        delivery: Delivery::Prompt,
    };
    let answer = match understood(&headers, &body) {
        Ok((Called::Ecs(operation), input)) => {
            host.with(|model, at| model.call(operation, &input, at))
        }
        Ok((Called::Quotas(operation), input)) => {
            prompt(host.with(|model, _| quotas::answer(&operation, &input, model.settings())))
        }
        Err(refusal) => prompt(Err(refusal)),
    };
    match answer.delivery {
        Delivery::Prompt => {}
        Delivery::Late(pause) => tokio::time::sleep(pause).await,
        Delivery::Never => return hang_up(),
    }
    let (status, body) = match answer.result {
        Ok(output) => (StatusCode::OK, output),
        Err(refusal) => (
            StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST),
            refusal.body(),
        ),
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            "application/x-amz-json-1.1".to_owned(),
        ),
        (HeaderName::from_static("x-amzn-requestid"), request_id),
    ];
    (status, headers, body.to_string()).into_response()
}

/// Whose operation is called.
enum Called {
    Ecs(Operation),
    Quotas(String),
}

fn understood(headers: &HeaderMap, body: &[u8]) -> Result<(Called, Value), Refusal> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let target = text("x-amz-target");
    let (service, called) = match (
        target.strip_prefix(TARGET).and_then(Operation::named),
        target.strip_prefix(quotas::TARGET),
    ) {
        (Some(operation), _) => ("ecs", Called::Ecs(operation)),
        (None, Some(operation)) => ("servicequotas", Called::Quotas(operation.to_owned())),
        (None, None) => {
            return Err(Refusal::new(
                "UnknownOperationException",
                "The model does not know this operation.",
            ));
        }
    };
    // The signature is not verified, its scope is: a call signed for another service is a mistake.
    let authorization = text("authorization");
    if !authorization.starts_with("AWS4-HMAC-SHA256 ") {
        return Err(Refusal::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    }
    if !authorization.contains(&format!("/{service}/aws4_request")) {
        return Err(Refusal::new(
            "InvalidSignatureException",
            format!("Credential should be scoped to correct service: '{service}'."),
        ));
    }
    let input = serde_json::from_slice(body)
        .map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
    Ok((called, input))
}
