//! What a running stack says of itself.

use super::places::Places;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

/// `target/local/stack.json`: there while the stack is up and ready, and only then.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// AWS region that the stack pretends to be in.
    pub region: String,
    /// AWS account that the stack pretends to be in.
    pub account: String,
    /// Where every AWS service but ECS is.
    pub aws_endpoint: String,
    /// Access key of the account's root. The emulator lets it do everything, whatever the
    /// signature.
    pub access_key: String,
    /// Where GitHub is: pages, API (`/api/v3`) and the model's controls (`/_model`).
    pub github_url: String,
    /// Where ECS is, with the stand-in's controls (`/_model`).
    pub fargate_url: String,
    /// Where deliveries go.
    pub webhook_url: String,
    /// What deliveries are signed with; nothing while no one has set the App up.
    pub webhook_secret: String,
    /// Base of `/registration` and `/admission`.
    pub registration_url: String,
    /// The ledger's table.
    pub table: String,
    /// The queue of wakes.
    pub wake_queue_url: String,
    /// ARN of the cluster.
    pub cluster: String,
    /// Task role of pools that name none.
    pub task_role: String,
    /// SSM parameter with the pools file.
    pub pools_parameter: String,
    /// SSM parameter with the GitHub App's id and key.
    pub app_parameter: String,
    /// SSM parameter with the webhook secret.
    pub webhook_secret_parameter: String,
    /// Function names by what they are: `webhook`, `scaler`, `registrar`, `observer`, `sweeper`,
    /// `dashboard`.
    pub functions: BTreeMap<String, String>,
    /// Process ids by name.
    pub processes: BTreeMap<String, u32>,
    /// Where what the processes printed lies, one `<name>.log` each.
    pub logs: String,
}

impl Stack {
    /// Reads the description of the stack that is up.
    ///
    /// # Errors
    /// If none is up, or the file is not one.
    pub fn read(places: &Places) -> Result<Self> {
        let path = places.description();
        let text = fs::read(&path)
            .with_context(|| format!("read {} (is the stack up? `make up`)", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// What `mayfly` and other AWS clients need to work on this stack.
    ///
    /// ECS has an address of its own: the emulator's ECS runs no containers, the stand-in does.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 6] {
        [
            ("MAYFLY_STACK", &self.stack),
            ("AWS_REGION", &self.region),
            ("AWS_ENDPOINT_URL", &self.aws_endpoint),
            ("AWS_ENDPOINT_URL_ECS", &self.fargate_url),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.access_key),
        ]
    }

    /// The same as lines for `eval` in a shell, with the folder of `mayfly` first in `PATH`.
    #[must_use]
    pub fn shell_environment(&self, places: &Places) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let mut lines = vec!["unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned()];
        lines.extend(
            self.environment()
                .map(|(name, value)| format!("export {name}={}", quoted(value))),
        );
        let folder = places
            .binary("mayfly")
            .parent()
            .map(|folder| folder.display().to_string())
            .unwrap_or_default();
        lines.push(format!("export PATH={}:\"$PATH\"", quoted(&folder)));
        lines.join("\n")
    }

    /// Writes it in one step: anyone who sees the file sees all of it.
    pub(super) fn write(&self, places: &Places) -> Result<()> {
        let path = places.description();
        let draft = path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("write {}", draft.display()))?;
        fs::rename(&draft, &path).with_context(|| format!("write {}", path.display()))
    }
}
