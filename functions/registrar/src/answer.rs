//! Answers to registration and admission, and nothing else: the table in docs/TRANSITIONS.md.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::model::timeouts;
use serde::Serialize;
use serde_json::json;

/// An answer as API Gateway wants it (HTTP API, payload format 2.0).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    is_base64_encoded: bool,
    /// The registration alone, for who wants plain text.
    #[serde(skip)]
    text: Option<String>,
}

impl std::fmt::Debug for Answer {
    /// The body may be a registration.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status_code)
            .finish_non_exhaustive()
    }
}

impl Answer {
    fn new(status_code: u16, body: &serde_json::Value) -> Self {
        let headers = [
            ("x-mayfly", "1".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self {
            status_code,
            headers: headers.into(),
            body: body.to_string(),
            is_base64_encoded: false,
            text: None,
        }
    }

    fn retry_after(mut self, wait: Duration) -> Self {
        self.headers.insert(
            "retry-after",
            wait.as_secs()
                .clamp(1, timeouts::POLL_MAX.as_secs())
                .to_string(),
        );
        self
    }

    /// 200: the registration, handed out once.
    pub(crate) fn registered(jit_config: &str, runner_name: &str) -> Self {
        Self {
            text: Some(jit_config.to_owned()),
            ..Self::new(
                200,
                &json!({ "jit_config": jit_config, "runner_name": runner_name }),
            )
        }
    }

    /// 202: nothing to do now.
    pub(crate) fn parked() -> Self {
        Self::new(202, &json!({ "outcome": "parked" })).retry_after(timeouts::POLL)
    }

    /// 204: to be stopped.
    pub(crate) fn stopped() -> Self {
        let mut answer = Self::new(204, &json!(null));
        answer.body.clear();
        answer.headers.remove("content-type");
        answer
    }

    /// 400: not a request of ours.
    pub(crate) fn bad_request(why: &str) -> Self {
        Self::new(400, &json!({ "outcome": "refused", "reason": why }))
    }

    /// 403: not this runner.
    pub(crate) fn refused(why: &str) -> Self {
        Self::new(403, &json!({ "outcome": "refused", "reason": why }))
    }

    /// 403: this runner is closed: it gets nothing more. `mayfly doctor` knows by this word that a
    /// runner that does not exist was answered as it should be.
    pub(crate) fn closed() -> Self {
        Self::new(
            403,
            &json!({ "outcome": "closed", "reason": "this runner is closed" }),
        )
    }

    /// 404: no such route.
    pub(crate) fn not_found(route: &str) -> Self {
        Self::new(
            404,
            &json!({ "outcome": "refused", "reason": format!("there is no {route} here") }),
        )
    }

    /// 409: has its registration already.
    pub(crate) fn has_registered() -> Self {
        Self::new(
            409,
            &json!({ "outcome": "refused", "reason": "a registration is handed out once" }),
        )
    }

    /// 503: ask again.
    pub(crate) fn later(wait: Duration, why: &str) -> Self {
        Self::new(503, &json!({ "outcome": "later", "reason": why })).retry_after(wait)
    }

    /// 200: the job may run.
    pub(crate) fn admitted() -> Self {
        Self::new(200, &json!({ "admitted": true }))
    }

    /// 403: the job is not allowed to run; the hook ends the container.
    pub(crate) fn not_admitted(why: &str) -> Self {
        Self::new(403, &json!({ "admitted": false, "reason": why }))
    }

    /// 200: what the container reports is written down, now or from before.
    pub(crate) fn recorded() -> Self {
        Self::new(200, &json!({ "recorded": true }))
    }

    /// 422: a report that cannot be true, or that there is nothing to write down for.
    pub(crate) fn not_recorded(why: &str) -> Self {
        Self::new(422, &json!({ "recorded": false, "reason": why }))
    }

    /// The answer as plain text, if that is wanted and there is a registration in it.
    pub(crate) fn shaped(mut self, text: bool) -> Self {
        if let Some(jit_config) = self.text.take().filter(|_| text) {
            self.body = jit_config;
            self.headers
                .insert("content-type", "text/plain; charset=utf-8".to_owned());
        }
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status_code
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// One header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_runner_is_told_to_stay_away_for_as_long_as_it_is_taken_for_dead() {
        let told = |seconds| {
            let answer = Answer::later(Duration::from_secs(seconds), "GitHub's limit");
            answer.header("retry-after").map(str::to_owned)
        };
        let most = timeouts::POLL_MAX.as_secs();
        assert_eq!(
            [0, 1, most, 3_600].map(told),
            [1, 1, most, most].map(|seconds| Some(seconds.to_string()))
        );
    }

    #[test]
    fn the_registration_comes_in_the_form_that_was_asked_for() {
        let shaped = |text| {
            let answer = Answer::registered("SECRET", "mayfly-linux-1").shaped(text);
            let kind = answer.header("content-type").map(str::to_owned);
            (answer.body().to_owned(), kind)
        };
        let json = json!({ "jit_config": "SECRET", "runner_name": "mayfly-linux-1" });
        let kind = |kind: &str| Some(kind.to_owned());
        assert_eq!(shaped(false), (json.to_string(), kind("application/json")));
        assert_eq!(
            shaped(true),
            ("SECRET".to_owned(), kind("text/plain; charset=utf-8"))
        );
        let parked = Answer::parked().shaped(true);
        assert_eq!(parked.header("content-type"), Some("application/json"));
    }
}
