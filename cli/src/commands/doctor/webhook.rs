//! Where GitHub delivers to, and whether someone is there.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use mayfly_github::{AppApi, WebhookConfig, WebhookUpdate};
use tokio::time::timeout;

use super::finding::{Area, Finding, Repair};
use crate::failure::Failure;
use crate::github::setup::{patiently, soon};

/// GitHub waits as long for an answer (docs.github.com, "Handling failed webhook deliveries").
const PATIENCE: Duration = Duration::from_secs(10);

/// Most of an answer that is shown.
const SHOWN: usize = 200;

/// No secret makes this signature of anything, but for one chance in 2²⁵⁶. A request with it gets
/// further than one without: webhook reads its secret first, so the answer tells that it can.
const NO_SIGNATURE: &str =
    "sha256=0000000000000000000000000000000000000000000000000000000000000000";

/// The answer of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Someone answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// No answer, and why.
    Silence(String),
}

/// Where the deployment listens.
#[must_use]
pub fn address(url: &str) -> String {
    format!("{}/webhook", url.trim_end_matches('/'))
}

/// Posts an unsigned request, as a stranger would. Changes nothing: nothing is believed before its
/// signature is.
pub async fn knock(connector: &SharedHttpConnector, url: &str) -> Knock {
    // The first connection may be lost to a name that has to be looked up; the second is not.
    match once(connector, url).await {
        Knock::Silence(_) => once(connector, url).await,
        answer => answer,
    }
}

async fn once(connector: &SharedHttpConnector, url: &str) -> Knock {
    let mut request = HttpRequest::new(SdkBody::from("{}"));
    let built = request.set_method("POST").is_ok() && request.set_uri(url.to_owned()).is_ok();
    if !built {
        return Knock::Silence("the deployment's URL is none".to_owned());
    }
    let headers = request.headers_mut();
    headers.insert("content-type", "application/json");
    headers.insert("user-agent", "mayfly-doctor");
    headers.insert("x-github-event", "ping");
    headers.insert("x-hub-signature-256", NO_SIGNATURE);
    let asked = async {
        let answer = connector
            .call(request)
            .await
            .map_err(|error| innermost(&error))?;
        let status = answer.status().as_u16();
        let body = read(answer.into_body()).await?;
        Ok::<_, String>(Knock::Answered { status, body })
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Knock::Silence(why),
        Err(_) => Knock::Silence(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn read(body: SdkBody) -> Result<String, String> {
    let bytes = aws_smithy_types::byte_stream::ByteStream::new(body)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .into_bytes();
    Ok(String::from_utf8_lossy(&bytes)
        .chars()
        .take(SHOWN)
        .collect())
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// What follows for where GitHub delivers to. `url` is where the deployment listens.
#[must_use]
pub fn judge(hook: &Result<WebhookConfig, Failure>, url: &str) -> Vec<Finding> {
    let hook = match hook {
        Ok(hook) => hook,
        Err(failure) => return vec![Finding::not_seen(Area::Webhook, failure)],
    };
    let repair = || Repair::SetHook {
        url: url.to_owned(),
    };
    let mut findings = Vec::new();
    let mut wrong = |what: String, fix: &str| {
        findings.push(Finding::error(Area::Webhook, what, fix).repairable(repair()))
    };
    if hook.url.is_empty() {
        wrong(
            "the App has no webhook URL: GitHub delivers nothing".to_owned(),
            "mayfly doctor --fix sets it",
        );
    } else if hook.url.trim_end_matches('/') != url {
        let what = format!(
            "GitHub delivers to {}, but this deployment listens at {url}",
            hook.url
        );
        wrong(
            what,
            "mayfly doctor --fix changes it; do not if another deployment uses this App",
        );
    }
    if hook.content_type != "json" {
        // webhook reads forms, too, at twice the size.
        let what = format!("GitHub delivers {:?} and not JSON", hook.content_type);
        findings.push(
            Finding::warning(Area::Webhook, what, "mayfly doctor --fix changes it")
                .repairable(repair()),
        );
    }
    if hook.insecure {
        let what = "GitHub does not verify the endpoint's certificate: anyone on the network path can read deliveries";
        findings.push(
            Finding::warning(Area::Webhook, what, "mayfly doctor --fix changes it")
                .repairable(repair()),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            Area::Webhook,
            format!("GitHub delivers JSON to {url}"),
        ));
    }
    findings
}

/// What the answer of the endpoint shows. `function` is webhook's name.
#[must_use]
pub fn answered(knock: &Knock, url: &str, function: &str) -> Finding {
    let log = format!("see its log: aws logs tail /aws/lambda/{function}");
    let (status, body) = match knock {
        Knock::Answered { status, body } => (*status, body),
        Knock::Silence(why) => {
            let what = format!("{url} does not answer from here: {why}");
            return Finding::error(
                Area::Webhook,
                what,
                "check the network; if it works, the API may be gone: deploy again (make deploy)",
            );
        }
    };
    let said: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let word = |name: &str| {
        said.as_ref()
            .and_then(|said| said.get(name))
            .and_then(serde_json::Value::as_str)
    };
    match (status, word("outcome"), word("reason")) {
        (401, Some("refused"), Some(_)) => Finding::good(
            Area::Webhook,
            "the endpoint answers, and refuses what GitHub did not sign",
        ),
        (503, Some("failed"), reason) => {
            let what = format!(
                "webhook answers, but has no usable settings: {}",
                reason.unwrap_or_default()
            );
            Finding::error(
                Area::Webhook,
                what,
                format!("is there a webhook secret (mayfly init)? {log}"),
            )
        }
        (200..300, ..) => Finding::error(
            Area::Webhook,
            format!(
                "{url} accepted a request that GitHub did not sign ({status}): that is not Mayfly's webhook"
            ),
            "deploy again (make deploy), and see who else answers there",
        ),
        (429, ..) => Finding::warning(
            Area::Webhook,
            "the endpoint rejects requests: too many arrive (429)",
            "sweeper requests deliveries again; see who else calls, in the API's log",
        ),
        (500..600, ..) => Finding::error(
            Area::Webhook,
            format!("webhook fails ({status}): {body}"),
            log,
        ),
        _ => Finding::error(
            Area::Webhook,
            format!("{url} answers {status}, which is not webhook's answer: {body}"),
            "its route or its permission is gone: deploy again (make deploy)",
        ),
    }
}

/// Tells GitHub where to deliver, as JSON and with the certificate checked. What signs deliveries
/// stays as it is.
///
/// # Errors
///
/// If GitHub does not take it.
pub async fn set(github: &impl AppApi, url: &str) -> Result<WebhookConfig, Failure> {
    let wanted = WebhookUpdate {
        url: Some(url.to_owned()),
        secret: None,
    };
    patiently("set the App's webhook", || {
        github.set_webhook_config(&wanted, soon())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const URL: &str = "https://front.test/webhook";

    fn hook(url: &str, content_type: &str, insecure: bool) -> Result<WebhookConfig, Failure> {
        Ok(WebhookConfig {
            url: url.to_owned(),
            content_type: content_type.to_owned(),
            insecure,
        })
    }

    #[test]
    fn every_setting_of_the_webhook_is_looked_at() {
        let levels = |hook| {
            judge(&hook, URL)
                .iter()
                .map(|one| (one.level, one.repair.is_some()))
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(hook(URL, "json", false)), [(Level::Good, false)]);
        assert_eq!(
            levels(hook("https://front.test/webhook/", "json", false)),
            [(Level::Good, false)]
        );
        assert_eq!(levels(hook("", "json", false)), [(Level::Error, true)]);
        assert_eq!(
            levels(hook("https://old.test/webhook", "form", true)),
            [
                (Level::Error, true),
                (Level::Warning, true),
                (Level::Warning, true)
            ]
        );
        assert_eq!(
            levels(Err(Failure::new("GitHub does not answer", ""))),
            [(Level::Unknown, false)]
        );
    }

    #[test]
    fn only_webhooks_own_refusal_is_good() {
        let answer = |status, body: &str| Knock::Answered {
            status,
            body: body.to_owned(),
        };
        let refusal = r#"{"outcome":"refused","reason":"the signature does not match"}"#;
        let cases = [
            (answer(401, refusal), Level::Good),
            (answer(401, r#"{"message":"Unauthorized"}"#), Level::Error),
            (answer(404, r#"{"message":"Not Found"}"#), Level::Error),
            (answer(403, r#"{"message":"Forbidden"}"#), Level::Error),
            (
                answer(500, r#"{"message":"Internal Server Error"}"#),
                Level::Error,
            ),
            (
                answer(
                    503,
                    r#"{"outcome":"failed","reason":"the settings cannot be read: deliver again"}"#,
                ),
                Level::Error,
            ),
            (
                answer(429, r#"{"message":"Too Many Requests"}"#),
                Level::Warning,
            ),
            (answer(200, "ok"), Level::Error),
            (answer(302, ""), Level::Error),
            (
                Knock::Silence("connection refused".to_owned()),
                Level::Error,
            ),
        ];
        for (knock, level) in cases {
            let finding = answered(&knock, URL, "mayfly-webhook");
            assert_eq!(finding.level, level, "{knock:?}");
            assert_eq!(finding.fix.is_none(), level == Level::Good, "{knock:?}");
        }
    }
}
