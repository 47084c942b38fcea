//! The App and its installations.

use super::{account, iso, node};
use crate::accounts::Installation;
use crate::model::Model;
use crate::tokens::Grant;
use serde_json::{Value, json};

/// "GitHub app".
#[must_use]
pub fn app(model: &Model) -> Value {
    let app = model.app();
    let owner = model
        .accounts()
        .account(app.owner)
        .map(|owner| account::simple(&model.urls, owner));
    json!({
        "id": app.id,
        "slug": app.slug,
        "node_id": node("A", app.id),
        "client_id": app.client_id,
        "owner": owner,
        "name": app.name,
        "description": "Runs jobs on Fargate",
        "external_url": model.urls.html,
        "html_url": format!("{}/apps/{}", model.urls.html, app.slug),
        "created_at": iso(app.created_at),
        "updated_at": iso(app.created_at),
        "permissions": app.permissions,
        "events": app.events,
        "installations_count": model.accounts().installations().count(),
    })
}

/// What the conversion of a manifest answers: the App with its secrets.
#[must_use]
pub fn conversion(model: &Model) -> Value {
    let mut fields = app(model);
    fields["client_secret"] = json!("never used by Mayfly");
    fields["webhook_secret"] = json!(model.hook.secret);
    fields["pem"] = json!(model.app().private_pem);
    fields
}

/// "Installation".
#[must_use]
pub fn installation(model: &Model, installation: &Installation) -> Value {
    let Installation { id, .. } = installation;
    let owner = model.accounts().account(installation.account);
    let organization = owner.is_some_and(|owner| owner.organization);
    let login = owner.map(|owner| owner.login.as_str()).unwrap_or_default();
    let page = if organization {
        format!("organizations/{login}/settings")
    } else {
        "settings".to_owned()
    };
    let all = model
        .accounts()
        .repositories()
        .filter(|one| one.owner == installation.account)
        .all(|one| one.installed);
    json!({
        "id": id,
        "client_id": model.app().client_id,
        "account": owner.map(|owner| account::simple(&model.urls, owner)),
        "repository_selection": if all { "all" } else { "selected" },
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", model.urls.api),
        "repositories_url": format!("{}/installation/repositories", model.urls.api),
        "html_url": format!("{}/{page}/installations/{id}", model.urls.html),
        "app_id": model.app().id,
        "app_slug": model.app().slug,
        "target_id": installation.account,
        "target_type": if organization { "Organization" } else { "User" },
        "permissions": installation.permissions,
        "events": model.app().events,
        "created_at": iso(installation.created_at),
        "updated_at": iso(installation.created_at),
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": installation.suspended_at.and(owner.map(|owner| account::simple(&model.urls, owner))),
        "suspended_at": installation.suspended_at.map(iso),
    })
}

/// "Installation token".
#[must_use]
pub fn token(model: &Model, token: &str, grant: &Grant) -> Value {
    let mut fields = json!({
        "token": token,
        "expires_at": iso(grant.expires_at),
        "permissions": grant.permissions,
        "repository_selection": if grant.repositories.is_some() { "selected" } else { "all" },
    });
    if let (Some(some), Some(object)) = (&grant.repositories, fields.as_object_mut()) {
        let repositories: Vec<Value> = some
            .iter()
            .filter_map(|id| model.accounts().repository(*id))
            .filter_map(|one| {
                Some(super::repository::full(
                    &model.urls,
                    one,
                    model.accounts().account(one.owner)?,
                ))
            })
            .collect();
        object.insert("repositories".to_owned(), Value::Array(repositories));
    }
    fields
}
