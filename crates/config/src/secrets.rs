//! The two secrets, each a parameter that holds JSON: read by functions, read and written by the
//! CLI.

use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use serde::{Deserialize, Serialize};

/// Where an App is whose key has no address beside it.
pub const GITHUB: &str = "https://github.com";

/// What is wrong with a parameter's text. It quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// What deliveries may be signed with: one secret, two while one takes the place of the other. None
/// of them is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// What GitHub signs with, or will.
    pub current: Secret,
    /// What GitHub signed with before.
    pub previous: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppText {
    app_id: u64,
    private_key: String,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookText {
    #[serde(default)]
    current: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

/// The App of `{"app_id": 123, "private_key": "<PEM>", "url": "https://github.example.com"}`; without
/// `url`, it is github.com's.
///
/// # Errors
///
/// [`Malformed`]: not of that form, no key in PEM form, or no address that a key may be shown to.
pub fn read_app_key(text: &str) -> Result<AppKey, Malformed> {
    let text: AppText = json(
        text,
        r#"{"app_id": <number>, "private_key": "<PEM>", "url": "<https://…>"}"#,
    )?;
    if !text.private_key.contains("-----BEGIN ") {
        return Err(Malformed(
            "private_key is not in PEM form: write the whole file that GitHub gave, its first and last line included".to_owned(),
        ));
    }
    let url = text.url.as_deref().unwrap_or(GITHUB).trim_end_matches('/');
    if let Some(problem) = problem_of_url(url) {
        return Err(Malformed(format!(
            "url {problem}: write the server's address as people open it, as https://github.example.com"
        )));
    }
    Ok(AppKey {
        app_id: text.app_id,
        private_key: Secret::new(text.private_key),
        url: url.to_owned(),
    })
}

/// The text of the App's parameter.
#[must_use]
pub fn write_app_key(key: &AppKey) -> Secret {
    written(&AppText {
        app_id: key.app_id,
        private_key: key.private_key.expose().to_owned(),
        url: Some(key.url.clone()),
    })
}

/// The secrets of `{"current": "...", "previous": "..."}`, where `previous` is there only while
/// rotating. An absent or empty secret is none; without a current one there are none at all.
///
/// # Errors
///
/// [`Malformed`]: not of that form.
pub fn read_webhook_secrets(text: &str) -> Result<Option<WebhookSecrets>, Malformed> {
    let text: WebhookText = json(
        text,
        r#"{"current": "<secret>"}, with "previous" beside it while rotating"#,
    )?;
    let secret = |text: String| (!text.is_empty()).then(|| Secret::new(text));
    let previous = text.previous.and_then(secret);
    Ok(secret(text.current).map(|current| WebhookSecrets { current, previous }))
}

/// The text of the parameter of the webhook's secrets.
#[must_use]
pub fn write_webhook_secrets(secrets: &WebhookSecrets) -> Secret {
    let plain = |secret: &Secret| secret.expose().to_owned();
    written(&WebhookText {
        current: plain(&secrets.current),
        previous: secrets.previous.as_ref().map(plain),
    })
}

/// Numbers and strings: nothing that JSON cannot hold.
fn written(text: &impl Serialize) -> Secret {
    Secret::new(serde_json::to_string(text).unwrap_or_default())
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

/// The parser's own message may quote the text, and with it a secret: only the place is told.
fn json<'a, T: Deserialize<'a>>(text: &'a str, form: &str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| {
        Malformed(format!(
            "not of the form {form} (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_secrets_are_none_one_or_two() {
        let count = |value| {
            let secrets = read_webhook_secrets(value).unwrap();
            secrets.map_or(0, |secrets| 1 + secrets.previous.iter().count())
        };
        assert_eq!(count(r#"{"current": "a"}"#), 1);
        assert_eq!(count(r#"{"current": "a", "previous": "b"}"#), 2);
        assert_eq!(count(r#"{"current": "a", "previous": null}"#), 1);
        assert_eq!(count(r#"{"current": "", "previous": ""}"#), 0);
        assert_eq!(count("{}"), 0);
    }

    #[test]
    fn what_is_written_is_read() {
        for url in ["https://github.com", "https://ghes.test"] {
            let key = AppKey {
                app_id: 12,
                private_key: Secret::new("-----BEGIN RSA PRIVATE KEY-----\nhush\n"),
                url: url.to_owned(),
            };
            assert_eq!(read_app_key(write_app_key(&key).expose()).unwrap(), key);
        }
        for previous in [None, Some(Secret::new("old"))] {
            let secrets = WebhookSecrets {
                current: Secret::new("new"),
                previous,
            };
            let text = write_webhook_secrets(&secrets);
            assert_eq!(read_webhook_secrets(text.expose()).unwrap(), Some(secrets));
        }
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
            let problems = read_webhook_secrets(value).unwrap_err();
            assert!(!problems.to_string().contains("hush"), "{problems:?}");
        }
        for value in [
            r#"{"app_id": "hush", "private_key": "hush"}"#,
            r#"{"app_id": 1, "private_key": "hush"}"#,
            "hush",
        ] {
            let problems = read_app_key(value).unwrap_err();
            assert!(!problems.to_string().contains("hush"), "{problems:?}");
        }
    }

    #[test]
    fn an_app_is_read() {
        let app = read_app_key(
            r#"{"app_id": 12, "private_key": "-----BEGIN RSA PRIVATE KEY-----\nhush\n"}"#,
        )
        .unwrap();
        assert_eq!((app.app_id, app.url.as_str()), (12, "https://github.com"));
        assert!(!format!("{app:?}").contains("hush"));
    }

    fn app_at(url: &str) -> Result<String, String> {
        let text = serde_json::json!({ "app_id": 12, "private_key": "-----BEGIN RSA PRIVATE KEY-----", "url": url });
        read_app_key(&text.to_string())
            .map(|app| app.url)
            .map_err(|problem| problem.to_string())
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
