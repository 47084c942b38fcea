//! The two secrets, each a parameter that holds JSON.

use mayfly_domain::signature::WebhookSecret;
use mayfly_telemetry::Secret;
use serde::Deserialize;

use crate::parameter::Parameter;

/// The GitHub App that Mayfly acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubApp {
    /// The App's id (not its client id).
    pub id: u64,
    /// Its private key, PEM.
    pub private_key: Secret<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppText {
    app_id: u64,
    private_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookText {
    #[serde(default)]
    current: String,
    #[serde(default)]
    previous: Option<String>,
}

/// Reads `{"app_id": 123, "private_key": "<PEM>"}`.
pub(super) fn read_github_app(parameter: &Parameter) -> Result<GithubApp, Vec<String>> {
    let text: AppText = json(parameter, r#"{"app_id": <number>, "private_key": "<PEM>"}"#)?;
    if !text.private_key.contains("-----BEGIN ") {
        return Err(vec![
            "private_key is not in PEM form: write the whole file that GitHub gave, its first and last line included".to_owned(),
        ]);
    }
    Ok(GithubApp { id: text.app_id, private_key: Secret::new(text.private_key) })
}

/// Reads `{"current": "...", "previous": "..."}`, where `previous` is there only while rotating. An absent or empty secret is none.
pub(super) fn read_webhook_secrets(parameter: &Parameter) -> Result<Vec<WebhookSecret>, Vec<String>> {
    let text: WebhookText = json(parameter, r#"{"current": "<secret>"}, with "previous" beside it while rotating"#)?;
    Ok([Some(text.current), text.previous].into_iter().flatten().filter_map(WebhookSecret::new).collect())
}

/// The parser's own message may quote the text, and with it a secret: only the place is told.
fn json<'a, T: Deserialize<'a>>(parameter: &'a Parameter, form: &str) -> Result<T, Vec<String>> {
    serde_json::from_str(&parameter.value)
        .map_err(|error| vec![format!("not of the form {form} (line {}, column {})", error.line(), error.column())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str) -> Parameter {
        Parameter { name: "p".into(), value: value.into(), version: 1 }
    }

    #[test]
    fn webhook_secrets_are_none_one_or_two() {
        let count = |value| read_webhook_secrets(&parameter(value)).unwrap().len();
        assert_eq!(count(r#"{"current": "a"}"#), 1);
        assert_eq!(count(r#"{"current": "a", "previous": "b"}"#), 2);
        assert_eq!(count(r#"{"current": "a", "previous": null}"#), 1);
        assert_eq!(count(r#"{"current": "", "previous": ""}"#), 0);
        assert_eq!(count("{}"), 0);
    }

    #[test]
    fn a_problem_never_quotes_the_secret() {
        for value in [r#""hush""#, "hush", r#"{"current": hush}"#, r#"{"hush": "a"}"#, r#"{"current": {"hush": 1}}"#] {
            let problems = read_webhook_secrets(&parameter(value)).unwrap_err();
            assert!(!problems.concat().contains("hush"), "{problems:?}");
        }
        for value in [r#"{"app_id": "hush", "private_key": "hush"}"#, r#"{"app_id": 1, "private_key": "hush"}"#, "hush"] {
            let problems = read_github_app(&parameter(value)).unwrap_err();
            assert!(!problems.concat().contains("hush"), "{problems:?}");
        }
    }

    #[test]
    fn an_app_is_read() {
        let app = read_github_app(&parameter(r#"{"app_id": 12, "private_key": "-----BEGIN RSA PRIVATE KEY-----\nhush\n"}"#)).unwrap();
        assert_eq!(app.id, 12);
        assert!(!format!("{app:?}").contains("hush"));
    }
}
