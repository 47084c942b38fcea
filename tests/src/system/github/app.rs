//! What the App asks as itself.

use async_trait::async_trait;
use mayfly_domain::id::{DeliveryId, InstallationId, RepositoryId};
use mayfly_github::{CallError, Deliveries, DeliveriesPage, DeliveryCursor, DeliveryNow, Redelivered};
use serde_json::Value;
use tokio::time::Instant;

use super::{Github, Question, body, header, time};

fn as_app(name: &'static str, method: &'static str, path: String) -> Question {
    Question { name, method, path, body: None, grant: None }
}

#[async_trait]
impl Deliveries for Github {
    async fn deliveries(&self, after: Option<&DeliveryCursor>, by: Instant) -> Result<DeliveriesPage, CallError> {
        let from = after.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answer = self.answer(as_app("list-deliveries", "GET", format!("/app/hook/deliveries?per_page=100{from}")), by).await?;
        // The model links to nothing but the next page.
        let link = header(&answer, "link").and_then(|link| link.split_once("cursor=")).map(|(_, rest)| rest);
        let next = link.and_then(|rest| rest.split(['&', '>']).next()).and_then(|cursor| cursor.parse().ok());
        let lines = body(answer);
        Ok(DeliveriesPage { deliveries: lines.as_array().into_iter().flatten().filter_map(delivery).collect(), next })
    }

    async fn redeliver(&self, delivery: DeliveryId, by: Instant) -> Result<Redelivered, CallError> {
        match self.answer(as_app("redeliver", "POST", format!("/app/hook/deliveries/{delivery}/attempts")), by).await {
            Ok(_) => Ok(Redelivered::Asked),
            Err(CallError::Refused { status: 400 | 404 | 422, message, .. }) => Ok(Redelivered::Impossible(message)),
            Err(error) => Err(error),
        }
    }
}

fn delivery(wire: &Value) -> Option<DeliveryNow> {
    Some(DeliveryNow {
        id: DeliveryId(wire["id"].as_i64()?),
        guid: wire["guid"].as_str()?.to_owned(),
        delivered_at: time(&wire["delivered_at"])?,
        redelivery: wire["redelivery"] == true,
        status_code: wire["status_code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(0),
        event: wire["event"].as_str()?.to_owned(),
        action: wire["action"].as_str().map(str::to_owned),
        installation: wire["installation_id"].as_i64().map(InstallationId),
        repository: wire["repository_id"].as_i64().map(RepositoryId),
        throttled_at: time(&wire["throttled_at"]),
    })
}
