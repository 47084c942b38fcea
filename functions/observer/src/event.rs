//! What EventBridge hands over.

use anyhow::Context;
use mayfly_domain::model::task::Task;
use serde::Deserialize;
use serde_json::Value;

/// An event of EventBridge, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    #[serde(default)]
    id: String,
    #[serde(default)]
    source: String,
    #[serde(default, rename = "detail-type")]
    kind: String,
    #[serde(default)]
    detail: Value,
}

impl Event {
    /// The runner's task that it is about. None for other events (the rule lets none through) and
    /// for tasks that are no runner's.
    pub(crate) fn task(&self) -> anyhow::Result<Option<Task>> {
        if (self.source.as_str(), self.kind.as_str()) != ("aws.ecs", "ECS Task State Change") {
            tracing::warn!(
                event.id = self.id,
                event.source = self.source,
                event.kind = self.kind,
                "an event that the rule should not let through"
            );
            return Ok(None);
        }
        mayfly_ecs::event::parse(&self.detail).with_context(|| format!("read event {}", self.id))
    }
}
