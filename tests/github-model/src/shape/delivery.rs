//! Lines of the list of deliveries, and one of them in full.

use super::iso;
use crate::deliveries::{Delivery, Outcome};
use serde_json::{Value, json};

/// "Simple webhook delivery".
#[must_use]
pub fn line(delivery: &Delivery, outcome: &Outcome) -> Value {
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": iso(outcome.at),
        "redelivery": delivery.redelivery,
        "duration": outcome.duration,
        "status": outcome.status,
        "status_code": outcome.code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation,
        "repository_id": delivery.repository,
        "throttled_at": null,
    })
}

/// "Webhook delivery": with what was sent and what came back.
#[must_use]
pub fn full(delivery: &Delivery, outcome: &Outcome, url: Option<&str>) -> Value {
    let mut fields = line(delivery, outcome);
    fields["url"] = json!(url.unwrap_or_default());
    let payload = serde_json::from_str(&delivery.payload).unwrap_or(Value::Null);
    fields["request"] = json!({ "headers": delivery.sent, "payload": payload });
    fields["response"] = json!({ "headers": outcome.headers, "payload": outcome.body });
    fields
}
