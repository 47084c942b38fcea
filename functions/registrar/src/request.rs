//! Requests as API Gateway hands them over (HTTP API, payload format 2.0).

use base64::Engine;
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::transitions::admission::AdmissionRequest;
use mayfly_domain::transitions::registration::Caller;
use mayfly_domain::transitions::usage::UsageReport;
use serde::Deserialize;
use std::collections::HashMap;

/// An HTTP API event, reduced to what is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    raw_path: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    authorizer: Option<Authorizer>,
    /// The stage begins the path of every stage but `$default`.
    #[serde(default)]
    route_key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Authorizer {
    #[serde(default)]
    iam: Option<Iam>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    #[serde(default)]
    user_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistrationRequest {
    runner: String,
}

/// What is asked, by whom.
#[derive(Debug)]
pub(crate) enum ParsedRequest {
    /// `POST /registration`.
    Registration {
        /// As API Gateway verified it.
        caller: Caller,
        /// Who the caller says it is.
        runner: RunnerAddress,
        /// It wants the registration as plain text.
        text: bool,
    },
    /// `POST /admission`.
    Admission {
        /// As API Gateway verified it.
        caller: Caller,
        /// What the hook says.
        request: AdmissionRequest,
    },
    /// `POST /usage`.
    Usage {
        /// As API Gateway verified it.
        caller: Caller,
        /// What the container says that it used.
        report: UsageReport,
    },
}

/// Why a request cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InvalidRequest {
    /// No task called.
    Caller(String),
    /// The body is not what it should be.
    Body(String),
    /// None of the routes.
    Route(String),
}

/// No request of ours is nearly as long.
const LONGEST_BODY: usize = 16 * 1024;

impl Event {
    /// Reads the request. The caller comes first: what a stranger sends is not looked at.
    pub(crate) fn read(&self) -> Result<ParsedRequest, InvalidRequest> {
        let route = self.route();
        if !["/registration", "/admission", "/usage"].contains(&route) {
            return Err(InvalidRequest::Route(route.to_owned()));
        }
        let caller = self.caller()?;
        let body = self.body()?;
        let wrong = |error: serde_json::Error| {
            InvalidRequest::Body(format!("the body is malformed: {error}"))
        };
        if route == "/admission" {
            return Ok(ParsedRequest::Admission {
                caller,
                request: serde_json::from_slice(&body).map_err(wrong)?,
            });
        }
        if route == "/usage" {
            return Ok(ParsedRequest::Usage {
                caller,
                report: serde_json::from_slice(&body).map_err(wrong)?,
            });
        }
        let request: RegistrationRequest = serde_json::from_slice(&body).map_err(wrong)?;
        let runner = request
            .runner
            .parse()
            .map_err(|error| InvalidRequest::Body(format!("runner: {error}")))?;
        Ok(ParsedRequest::Registration {
            caller,
            runner,
            text: self.wants_text(),
        })
    }

    /// The route's path: from the route key where there is one, because the raw path may begin with
    /// the stage.
    fn route(&self) -> &str {
        let key = self
            .request_context
            .route_key
            .as_deref()
            .and_then(|key| key.split_once(' '))
            .map(|(_, path)| path);
        key.unwrap_or(&self.raw_path)
    }

    fn caller(&self) -> Result<Caller, InvalidRequest> {
        let iam = self
            .request_context
            .authorizer
            .as_ref()
            .and_then(|authorizer| authorizer.iam.as_ref());
        let arn = iam
            .and_then(|iam| iam.user_arn.as_deref())
            .unwrap_or_default();
        Caller::from_arn(arn)
            .ok_or_else(|| InvalidRequest::Caller(format!("{arn:?} is not the session of a role")))
    }

    fn body(&self) -> Result<Vec<u8>, InvalidRequest> {
        let text = self.body.as_deref().unwrap_or_default();
        if text.len() > LONGEST_BODY {
            return Err(InvalidRequest::Body(format!(
                "the body is longer than {LONGEST_BODY} bytes"
            )));
        }
        if self.is_base64_encoded {
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            return decoded.map_err(|_| InvalidRequest::Body("the body is not base64".to_owned()));
        }
        Ok(text.as_bytes().to_vec())
    }

    fn wants_text(&self) -> bool {
        let accept = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("accept"));
        accept.is_some_and(|(_, value)| value.trim().to_ascii_lowercase().starts_with("text/plain"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CALLER: &str =
        "arn:aws:sts::123456789012:assumed-role/mayfly-runner/0123456789abcdef0123456789abcdef";

    fn asked(accept: (&str, &str), body: &str) -> Result<ParsedRequest, InvalidRequest> {
        let event = json!({
            "rawPath": "/prod/registration",
            "headers": { accept.0: accept.1 },
            "requestContext": { "routeKey": "POST /registration", "authorizer": { "iam": { "userArn": CALLER } } },
            "body": body,
        });
        let event: Event = serde_json::from_value(event).unwrap();
        event.read()
    }

    fn body() -> String {
        json!({ "runner": "linux/01jd0000000000000000000000" }).to_string()
    }

    #[test]
    fn a_container_gets_text_where_it_asks_for_it() {
        for (name, value, wanted) in [
            ("accept", "text/plain", true),
            ("Accept", " Text/Plain; charset=utf-8", true),
            ("accept", "application/json", false),
            ("accept", "*/*", false),
            ("x-accept", "text/plain", false),
        ] {
            let read = asked((name, value), &body()).unwrap();
            assert!(
                matches!(read, ParsedRequest::Registration { text, .. } if text == wanted),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_body_that_is_longer_than_any_of_ours_is_not_read() {
        let body = body();
        let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
        let accept = ("accept", "text/plain");
        assert!(asked(accept, &padded(LONGEST_BODY)).is_ok());
        let long = asked(accept, &padded(LONGEST_BODY + 1));
        assert!(
            matches!(&long, Err(InvalidRequest::Body(why)) if why.contains("longer")),
            "{long:?}"
        );
    }
}
