//! An answer of GitHub's, whatever its status.

use http::StatusCode;
use http::header::HeaderMap;
use mayfly_domain::model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limit::limited_until;
use crate::request::{Call, bounded};

/// An answer, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) call: Box<Call>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as the JSON that it should be.
    ///
    /// # Errors
    /// What is wrong with it. Never the body: it may hold secrets.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let place = |error: serde_json::Error| {
            format!(
                "the answer is not as documented: {:?} error at column {}",
                error.classify(),
                error.column()
            )
        };
        serde_json::from_slice(&self.body).map_err(place)
    }

    /// Those of `items` that are as documented. One that is not is left out and logged: it must not
    /// cost the others.
    pub(crate) fn each<T: DeserializeOwned>(&self, items: Vec<Value>) -> Vec<T> {
        let read = |item: Value| match serde_json::from_value(item) {
            Ok(item) => Some(item),
            Err(error) => {
                let kind = error.classify();
                tracing::warn!(
                    github.call = self.call.name,
                    "GitHub lists something that is not as documented: it is skipped: {kind:?} error"
                );
                None
            }
        };
        items.into_iter().filter_map(read).collect()
    }

    /// True if GitHub says in it that it is to be left alone for a while.
    pub(crate) fn is_rate_limit(&self) -> bool {
        let may_be = matches!(
            self.status,
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        // Until when does not matter here.
        let now = Timestamp::default();
        may_be && limited_until(self.status, &self.headers, &self.message(), now).is_some()
    }

    /// GitHub's `message`, with the details of a validation, bounded.
    pub(crate) fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(message) = body.get("message").and_then(Value::as_str) else {
            return self
                .status
                .canonical_reason()
                .unwrap_or("no message")
                .to_owned();
        };
        let details: Vec<&str> = body
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(detail)
            .collect();
        if details.is_empty() {
            bounded(message)
        } else {
            bounded(&format!("{message}: {}", details.join("; ")))
        }
    }
}

/// `errors` of a 422: texts, or objects with a `message`.
fn detail(error: &Value) -> Option<&str> {
    error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::request::Request;

    pub(crate) fn reply(status: u16, body: &str) -> Reply {
        let request = Request::get("test", "/x".to_owned());
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            call: request.call(Some(status), Some("A:1".to_owned())),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn message_is_githubs_own_on_one_short_line() {
        for (body, message) in [
            (r#"{"message": "Not Found"}"#, "Not Found"),
            (
                r#"{"message": "Validation Failed", "errors": ["too many labels", {"message": "bad group"}, 7]}"#,
                "Validation Failed: too many labels; bad group",
            ),
            (r#"{"message": "two\nlines"}"#, "two lines"),
            ("<html>Unicorn!</html>", "Not Found"),
            ("", "Not Found"),
        ] {
            assert_eq!(reply(404, body).message(), message);
        }
        let long = reply(422, &format!(r#"{{"message": "{}"}}"#, "ä".repeat(500))).message();
        assert_eq!(
            (long.chars().count(), long.chars().last()),
            (300, Some('…'))
        );
    }

    #[test]
    fn an_unreadable_answer_is_not_quoted() {
        let error = reply(201, r#"{"token": "ghs_secret", "expires_at": "#)
            .read::<Vec<u8>>()
            .unwrap_err();
        assert!(!error.contains("ghs"), "{error}");
    }
}
