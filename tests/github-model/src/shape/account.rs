//! Accounts, as owners, senders and organizations.

use super::{Urls, node};
use crate::accounts::Account;
use serde_json::{Value, json};

/// "Simple user": an account wherever it owns or does something.
#[must_use]
pub fn simple(urls: &Urls, account: &Account) -> Value {
    let Account {
        id,
        login,
        organization,
    } = account;
    let api = format!("{}/users/{login}", urls.api);
    json!({
        "login": login,
        "id": id,
        "node_id": node(if *organization { "O" } else { "U" }, id.0),
        "avatar_url": format!("{}/avatars/u/{id}?v=4", urls.html),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{}/{login}", urls.html),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": if *organization { "Organization" } else { "User" },
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// "Organization simple": beside the repository in payloads, for organizations only.
#[must_use]
pub fn organization(urls: &Urls, account: &Account) -> Value {
    let Account { id, login, .. } = account;
    let api = format!("{}/orgs/{login}", urls.api);
    json!({
        "login": login,
        "id": id,
        "node_id": node("O", id.0),
        "url": api,
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events"),
        "hooks_url": format!("{api}/hooks"),
        "issues_url": format!("{api}/issues"),
        "members_url": format!("{api}/members{{/member}}"),
        "public_members_url": format!("{api}/public_members{{/member}}"),
        "avatar_url": format!("{}/avatars/u/{id}?v=4", urls.html),
        "description": null,
    })
}
