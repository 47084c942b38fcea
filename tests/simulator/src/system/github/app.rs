//! What the App asks as itself.

use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::model::id::{DeliveryId, InstallationId, OwnerId, RepositoryId};
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::redelivery;
use mayfly_github::{
    Account, AppApi, AppInfo, CallError, Conversions, Deliveries, DeliveriesPage, DeliveryAttempt,
    DeliveryCursor, Installation, NewApp, Redelivered, WebhookConfig, WebhookUpdate,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ApiRequest, Github, body, header, listed, time};
use crate::system::System;

impl System {
    /// GitHub as its App reaches it, for someone of this name who is none of the functions.
    #[must_use]
    pub fn github_for(&self, who: &'static str) -> Github {
        Github {
            world: std::sync::Arc::clone(&self.world),
            who,
        }
    }
}

fn as_app(name: &'static str, method: &'static str, path: String) -> ApiRequest {
    ApiRequest {
        name,
        method,
        path,
        body: None,
        grant: None,
    }
}

#[async_trait]
impl Deliveries for Github {
    async fn deliveries(
        &self,
        after: Option<&DeliveryCursor>,
        by: Instant,
    ) -> Result<DeliveriesPage, CallError> {
        let from = after
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let answer = self
            .answer(
                as_app(
                    "list-deliveries",
                    "GET",
                    format!("/app/hook/deliveries?per_page=100{from}"),
                ),
                by,
            )
            .await?;
        // The model links to nothing but the next page.
        let link = header(&answer, "link")
            .and_then(|link| link.split_once("cursor="))
            .map(|(_, rest)| rest);
        let next = link
            .and_then(|rest| rest.split(['&', '>']).next())
            .and_then(|cursor| cursor.parse().ok());
        let shown_at = header(&answer, "date")
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
            .map(|date| date.timestamp());
        let shown_at = shown_at.map(|at| Timestamp::from_millis(at.as_millisecond()));
        let lines = body(answer);
        Ok(DeliveriesPage {
            deliveries: lines
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(delivery)
                .collect(),
            next,
            shown_at,
        })
    }

    async fn redeliver(&self, delivery: DeliveryId, by: Instant) -> Result<Redelivered, CallError> {
        match self
            .answer(
                as_app(
                    "redeliver",
                    "POST",
                    format!("/app/hook/deliveries/{delivery}/attempts"),
                ),
                by,
            )
            .await
        {
            Ok(_) => Ok(Redelivered::Asked),
            Err(CallError::Refused {
                status: 400 | 404 | 422,
                message,
                ..
            }) => Ok(Redelivered::Impossible(message)),
            Err(error) => Err(error),
        }
    }

    async fn redelivery_window(&self) -> Result<Duration, CallError> {
        Ok(redelivery::redelivery_window("https://github.com"))
    }
}

#[async_trait]
impl AppApi for Github {
    async fn app_info(&self, by: Instant) -> Result<AppInfo, CallError> {
        Ok(app(&body(
            self.answer(as_app("get-app", "GET", "/app".to_owned()), by)
                .await?,
        )))
    }

    async fn installations(&self, by: Instant) -> Result<Vec<Installation>, CallError> {
        let answer = self
            .answer(
                as_app(
                    "list-installations",
                    "GET",
                    "/app/installations?per_page=100".to_owned(),
                ),
                by,
            )
            .await?;
        Ok(body(answer)
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(installation)
            .collect())
    }

    async fn webhook_config(&self, by: Instant) -> Result<WebhookConfig, CallError> {
        Ok(hook(&body(
            self.answer(as_app("get-hook", "GET", "/app/hook/config".to_owned()), by)
                .await?,
        )))
    }

    async fn set_webhook_config(
        &self,
        wanted: &WebhookUpdate,
        by: Instant,
    ) -> Result<WebhookConfig, CallError> {
        let mut fields = json!({ "content_type": "json", "insecure_ssl": "0" });
        if let Some(secret) = &wanted.secret {
            fields["secret"] = json!(secret.expose());
        }
        if let Some(url) = &wanted.url {
            fields["url"] = json!(url);
        }
        let api_request = ApiRequest {
            body: Some(fields),
            ..as_app("set-hook", "PATCH", "/app/hook/config".to_owned())
        };
        Ok(hook(&body(self.answer(api_request, by).await?)))
    }
}

#[async_trait]
impl Conversions for Github {
    async fn convert(&self, code: &str, by: Instant) -> Result<NewApp, CallError> {
        let answer = self
            .answer(
                as_app(
                    "convert-manifest",
                    "POST",
                    format!("/app-manifests/{code}/conversions"),
                ),
                by,
            )
            .await?;
        let made = body(answer);
        let text = |name: &str| made[name].as_str().map(Secret::new);
        Ok(NewApp {
            app: app(&made),
            private_key: text("pem").unwrap_or_else(|| Secret::new("")),
            webhook_secret: text("webhook_secret"),
        })
    }
}

fn text(wire: &Value) -> String {
    wire.as_str().unwrap_or_default().to_owned()
}

fn levels(wire: &Value) -> std::collections::BTreeMap<String, String> {
    wire.as_object()
        .into_iter()
        .flatten()
        .map(|(name, level)| (name.clone(), text(level)))
        .collect()
}

fn account(wire: &Value) -> Option<Account> {
    Some(Account {
        id: OwnerId(wire["id"].as_i64()?),
        login: text(&wire["login"]),
        organization: wire["type"] == "Organization",
    })
}

fn app(wire: &Value) -> AppInfo {
    AppInfo {
        id: wire["id"].as_u64().unwrap_or_default(),
        slug: text(&wire["slug"]),
        name: text(&wire["name"]),
        html_url: text(&wire["html_url"]),
        owner: account(&wire["owner"]),
        permissions: levels(&wire["permissions"]),
        events: listed(wire, "events").map(text).collect(),
    }
}

fn installation(wire: &Value) -> Option<Installation> {
    Some(Installation {
        id: InstallationId(wire["id"].as_i64()?),
        account: account(&wire["account"]),
        permissions: levels(&wire["permissions"]),
        events: listed(wire, "events").map(text).collect(),
        suspended: wire["suspended_at"].is_string(),
        html_url: text(&wire["html_url"]),
    })
}

fn hook(wire: &Value) -> WebhookConfig {
    WebhookConfig {
        url: text(&wire["url"]),
        content_type: text(&wire["content_type"]),
        insecure: wire["insecure_ssl"] != "0",
    }
}

fn delivery(wire: &Value) -> Option<DeliveryAttempt> {
    Some(DeliveryAttempt {
        id: DeliveryId(wire["id"].as_i64()?),
        guid: wire["guid"].as_str()?.to_owned(),
        delivered_at: time(&wire["delivered_at"])?,
        redelivery: wire["redelivery"] == true,
        status_code: wire["status_code"]
            .as_u64()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(0),
        event: wire["event"].as_str()?.to_owned(),
        action: wire["action"].as_str().map(str::to_owned),
        installation: wire["installation_id"].as_i64().map(InstallationId),
        repository: wire["repository_id"].as_i64().map(RepositoryId),
        throttled_at: time(&wire["throttled_at"]),
    })
}
