//! The two secrets, each a parameter that holds JSON.

use mayfly_domain::model::signature::WebhookSecret;
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
    /// The GitHub that the App belongs to, as people open it, without a slash at the end: the only
    /// one that is ever shown what the key signs.
    pub url: String,
}

/// Where an App is whose key has no address beside it.
pub const GITHUB: &str = "https://github.com";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppText {
    app_id: u64,
    private_key: String,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookText {
    #[serde(default)]
    current: String,
    #[serde(default)]
    previous: Option<String>,
}

/// Reads `{"app_id": 123, "private_key": "<PEM>", "url": "https://github.example.com"}`; without
/// `url`, the App is github.com's.
pub(super) fn read_github_app(parameter: &Parameter) -> Result<GithubApp, Vec<String>> {
    let text: AppText = json(
        parameter,
        r#"{"app_id": <number>, "private_key": "<PEM>", "url": "<https://…>"}"#,
    )?;
    if !text.private_key.contains("-----BEGIN ") {
        return Err(vec![
            "private_key is not in PEM form: write the whole file that GitHub gave, its first and last line included".to_owned(),
        ]);
    }
    let url = text.url.as_deref().unwrap_or(GITHUB).trim_end_matches('/');
    if let Some(problem) = problem_of_url(url) {
        return Err(vec![format!(
            "url {problem}: write the server's address as people open it, as https://github.example.com"
        )]);
    }
    Ok(GithubApp {
        id: text.app_id,
        private_key: Secret::new(text.private_key),
        url: url.to_owned(),
    })
}

/// What is wrong with the address of a GitHub server, as `has a path`. It is not quoted: a key in
/// the wrong field must not get into a log.
#[must_use]
pub fn problem_of_url(url: &str) -> Option<&'static str> {
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(host), _) => wrong_host(host),
        (None, Some(host)) if is_loopback(host) => wrong_host(host),
        (None, Some(_)) => Some("is not https: secrets would travel in the clear"),
        (None, None) => Some("is not an https URL"),
    }
}

/// A loopback address: the GitHub of a test.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn wrong_host(host: &str) -> Option<&'static str> {
    if host.starts_with("api.") {
        return Some("is the API's address, not the server's");
    }
    if host.contains('/') {
        return Some("has a path");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (host.is_empty() || !host.chars().all(allowed))
        .then_some("has no host, or more than a host and a port")
}

/// Reads `{"current": "...", "previous": "..."}`, where `previous` is there only while rotating. An
/// absent or empty secret is none.
pub(super) fn read_webhook_secrets(
    parameter: &Parameter,
) -> Result<Vec<WebhookSecret>, Vec<String>> {
    let text: WebhookText = json(
        parameter,
        r#"{"current": "<secret>"}, with "previous" beside it while rotating"#,
    )?;
    Ok([Some(text.current), text.previous]
        .into_iter()
        .flatten()
        .filter_map(WebhookSecret::new)
        .collect())
}

/// The parser's own message may quote the text, and with it a secret: only the place is told.
fn json<'a, T: Deserialize<'a>>(parameter: &'a Parameter, form: &str) -> Result<T, Vec<String>> {
    serde_json::from_str(&parameter.value).map_err(|error| {
        vec![format!(
            "not of the form {form} (line {}, column {})",
            error.line(),
            error.column()
        )]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str) -> Parameter {
        Parameter {
            name: "p".into(),
            value: value.into(),
            version: 1,
        }
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
        for value in [
            r#""hush""#,
            "hush",
            r#"{"current": hush}"#,
            r#"{"hush": "a"}"#,
            r#"{"current": {"hush": 1}}"#,
        ] {
            let problems = read_webhook_secrets(&parameter(value)).unwrap_err();
            assert!(!problems.concat().contains("hush"), "{problems:?}");
        }
        for value in [
            r#"{"app_id": "hush", "private_key": "hush"}"#,
            r#"{"app_id": 1, "private_key": "hush"}"#,
            "hush",
        ] {
            let problems = read_github_app(&parameter(value)).unwrap_err();
            assert!(!problems.concat().contains("hush"), "{problems:?}");
        }
    }

    #[test]
    fn an_app_is_read() {
        let app = read_github_app(&parameter(
            r#"{"app_id": 12, "private_key": "-----BEGIN RSA PRIVATE KEY-----\nhush\n"}"#,
        ))
        .unwrap();
        assert_eq!((app.id, app.url.as_str()), (12, "https://github.com"));
        assert!(!format!("{app:?}").contains("hush"));
    }

    fn app_at(url: &str) -> Result<String, String> {
        let text = serde_json::json!({ "app_id": 12, "private_key": "-----BEGIN RSA PRIVATE KEY-----", "url": url });
        read_github_app(&parameter(&text.to_string()))
            .map(|app| app.url)
            .map_err(|problems| problems.concat())
    }

    #[test]
    fn an_app_of_another_server_has_its_address_beside_the_key() {
        for (written, read) in [
            ("https://github.example.com/", "https://github.example.com"),
            ("https://octo.ghe.com", "https://octo.ghe.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(app_at(written).as_deref(), Ok(read));
        }
    }

    #[test]
    fn the_key_is_used_at_no_address_that_is_none() {
        for (url, why) in [
            ("https://api.github.com", "is the API's address"),
            ("https://github.example.com/api/v3", "has a path"),
            ("http://github.example.com", "is not https"),
            ("github.example.com", "is not an https URL"),
            ("https://", "is not an https URL"),
            (
                "https://me:pw@github.example.com",
                "has no host, or more than a host and a port",
            ),
            ("", "is not an https URL"),
        ] {
            let problem = app_at(url).unwrap_err();
            assert!(
                problem.contains(why) && !problem.contains("pw@"),
                "{url}: {problem}"
            );
        }
    }
}
