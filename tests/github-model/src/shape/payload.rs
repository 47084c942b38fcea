//! Whole webhook payloads.

use super::{account, iso, job, node, repository};
use crate::accounts::{Installation, MONA};
use crate::jobs::{Action, Gate, Job};
use crate::model::Model;
use serde_json::{Value, json};

/// A `workflow_job` delivery: 7 to 12 KB like the real ones, most of it the repository.
#[must_use]
pub fn workflow_job(model: &Model, of: &Job, action: Action) -> Value {
    let accounts = model.accounts();
    let home = accounts.repository(of.repository);
    let owner = home.and_then(|home| accounts.account(home.owner));
    let mut payload = json!({
        "action": action.word(),
        "workflow_job": job::webhook(model, of, action),
    });
    if of.wish.gate == Some(Gate::Deployment) {
        payload["deployment"] = deployment(model, of);
    }
    if let Some((home, owner)) = home.zip(owner) {
        payload["repository"] = repository::full(&model.urls, home, owner);
        // Repositories of users have none.
        if owner.organization {
            payload["organization"] = account::organization(&model.urls, owner);
        }
    }
    payload["sender"] = sender(model);
    if let Some(installation) = accounts.installation_for(of.repository) {
        let id = installation.id;
        payload["installation"] = json!({ "id": id, "node_id": node("I", id.0) });
    }
    payload
}

/// A `ping` of the App's webhook.
#[must_use]
pub fn ping(model: &Model) -> Value {
    json!({
        "zen": "Keep it logically awesome.",
        "hook_id": 511_222_333,
        "hook": {
            "type": "App",
            "id": 511_222_333,
            "name": "web",
            "active": true,
            "events": ["workflow_job"],
            "config": {
                "content_type": model.hook.content_type,
                "insecure_ssl": "0",
                "secret": "********",
                "url": model.hook.url.as_deref().unwrap_or_default(),
            },
            "updated_at": "2026-11-01T09:00:00Z",
            "created_at": "2026-11-01T09:00:00Z",
            "app_id": model.app().id,
            "deliveries_url": format!("{}/app/hook/deliveries", model.urls.api),
        },
        "sender": sender(model),
    })
}

/// An `installation` event: the App was installed.
#[must_use]
pub fn installation(model: &Model, installation: &Installation) -> Value {
    let repositories = model
        .accounts()
        .repositories()
        .filter(|one| one.owner == installation.account && one.installed);
    let repositories = repositories.map(|one| {
        let full_name = model.accounts().full_name(one.id);
        json!({ "id": one.id, "node_id": node("R", one.id.0), "name": one.name, "full_name": full_name, "private": one.private })
    });
    json!({
        "action": "created",
        "installation": super::installation::installation(model, installation),
        "repositories": repositories.collect::<Vec<_>>(),
        "sender": sender(model),
    })
}

fn sender(model: &Model) -> Value {
    model
        .accounts()
        .account(MONA)
        .map_or(Value::Null, |account| account::simple(&model.urls, account))
}

/// The deployment that waits for its environment's reviewers.
fn deployment(model: &Model, of: &Job) -> Value {
    let api = format!(
        "{}/repos/{}",
        model.urls.api,
        model.accounts().full_name(of.repository)
    );
    let id = of.id.0 / 10;
    json!({
        "url": format!("{api}/deployments/{id}"),
        "id": id,
        "node_id": node("DE", id),
        "task": "deploy",
        "original_environment": "production",
        "environment": "production",
        "description": null,
        "created_at": iso(of.created_at),
        "updated_at": iso(of.created_at),
        "statuses_url": format!("{api}/deployments/{id}/statuses"),
        "repository_url": api,
        "creator": sender(model),
        "sha": model.jobs.run(of.run).map(|run| run.sha.clone()),
        "ref": of.wish.branch,
        "payload": {},
        "transient_environment": false,
        "production_environment": false,
    })
}
