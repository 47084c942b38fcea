//! What API Gateway hands over.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A request in API Gateway's HTTP API payload format 2.0, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Names in lower case, as API Gateway gives them; others are found all the same.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text; absent if it was empty.
    #[serde(default)]
    pub body: Option<String>,
    /// The body is base64: API Gateway does so with content types that it does not take for text,
    /// forms among them.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

impl Request {
    /// The value of a header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let exact = self.headers.get(name);
        let any_case = || {
            self.headers
                .iter()
                .find(|(its, _)| its.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        exact.or_else(any_case).map(String::as_str)
    }
}
