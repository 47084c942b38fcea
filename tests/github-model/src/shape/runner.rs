//! Runners, their groups, and the registration.

use super::Urls;
use crate::accounts::{Account, Group, Visibility};
use crate::runners::{Listed, Runner};
use serde_json::{Value, json};

/// Labels that GitHub calls read-only because it knows them.
const KNOWN: [&str; 8] = [
    "self-hosted",
    "linux",
    "windows",
    "macos",
    "x64",
    "x86",
    "arm",
    "arm64",
];

/// "Self hosted runner", as it was when the list was made.
#[must_use]
pub fn runner(runner: &Runner, listed: &Listed) -> Value {
    let labels: Vec<Value> = runner
        .labels
        .iter()
        .zip(1..)
        .map(|(name, number)| {
            let known = KNOWN.contains(&name.to_lowercase().as_str());
            json!({ "id": number, "name": name, "type": if known { "read-only" } else { "custom" } })
        })
        .collect();
    json!({
        "id": runner.id,
        "runner_group_id": runner.group,
        "name": runner.name,
        // GitHub learns it when the runner connects.
        "os": if runner.session.is_some() { "Linux" } else { "unknown" },
        "status": if listed.online { "online" } else { "offline" },
        "busy": listed.busy,
        "labels": labels,
        "ephemeral": true,
        "version": if runner.session.is_some() { json!("2.338.1") } else { Value::Null },
    })
}

/// "Runner groups org".
#[must_use]
pub fn group(urls: &Urls, owner: &Account, group: &Group) -> Value {
    let api = format!(
        "{}/orgs/{}/actions/runner-groups/{}",
        urls.api, owner.login, group.id
    );
    let visibility = match group.visibility {
        Visibility::All => "all",
        Visibility::Private => "private",
        Visibility::Selected(_) => "selected",
    };
    let mut fields = json!({
        "id": group.id,
        "name": group.name,
        "visibility": visibility,
        "default": group.id.0 == 1,
        "runners_url": format!("{api}/runners"),
        "hosted_runners_url": format!("{api}/hosted-runners"),
        "inherited": false,
        "allows_public_repositories": group.allows_public,
        "restricted_to_workflows": false,
        "selected_workflows": [],
        "workflow_restrictions_read_only": false,
    });
    if let (Visibility::Selected(_), Some(object)) = (&group.visibility, fields.as_object_mut()) {
        object.insert(
            "selected_repositories_url".to_owned(),
            json!(format!("{api}/repositories")),
        );
    }
    fields
}
