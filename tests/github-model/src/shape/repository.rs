//! Repositories: the long form of payloads and the short one of runs.

use super::{Urls, account, iso, node};
use crate::accounts::{Account, Repository};
use serde_json::{Map, Value, json};

/// The links of the short form, each below the repository's API address.
const LINKS: [(&str, &str); 37] = [
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("hooks_url", "/hooks"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("branches_url", "/branches{/branch}"),
    ("tags_url", "/tags"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
    ("url", ""),
];

/// "Minimal repository": in runs.
#[must_use]
pub fn minimal(urls: &Urls, repository: &Repository, owner: &Account) -> Value {
    Value::Object(short(urls, repository, owner))
}

fn short(urls: &Urls, repository: &Repository, owner: &Account) -> Map<String, Value> {
    let full_name = format!("{}/{}", owner.login, repository.name);
    let mut fields = Map::new();
    fields.insert("id".to_owned(), json!(repository.id));
    fields.insert("node_id".to_owned(), json!(node("R", repository.id.0)));
    fields.insert("name".to_owned(), json!(repository.name));
    fields.insert("full_name".to_owned(), json!(full_name));
    fields.insert("private".to_owned(), json!(repository.private));
    fields.insert("owner".to_owned(), account::simple(urls, owner));
    fields.insert(
        "html_url".to_owned(),
        json!(format!("{}/{full_name}", urls.html)),
    );
    fields.insert("description".to_owned(), Value::Null);
    fields.insert("fork".to_owned(), json!(false));
    for (name, path) in LINKS {
        fields.insert(
            name.to_owned(),
            json!(format!("{}/repos/{full_name}{path}", urls.api)),
        );
    }
    fields
}

/// "Repository" of the webhooks: everything.
#[must_use]
pub fn full(urls: &Urls, repository: &Repository, owner: &Account) -> Value {
    let mut fields = short(urls, repository, owner);
    let html = format!("{}/{}/{}", urls.html, owner.login, repository.name);
    let made = iso(repository.created_at);
    let rest = json!({
        "created_at": made,
        "updated_at": made,
        "pushed_at": made,
        "git_url": format!("{}.git", html.replacen("http:", "git:", 1)),
        "ssh_url": format!("git@github.invalid:{}/{}.git", owner.login, repository.name),
        "clone_url": format!("{html}.git"),
        "svn_url": html,
        "homepage": null,
        "size": 108,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": "Rust",
        "has_issues": true,
        "has_projects": true,
        "has_downloads": true,
        "has_wiki": true,
        "has_pages": false,
        "has_discussions": false,
        "forks_count": 0,
        "mirror_url": null,
        "archived": repository.archived,
        "disabled": false,
        "open_issues_count": 0,
        "license": null,
        "allow_forking": true,
        "is_template": false,
        "web_commit_signoff_required": false,
        "topics": [],
        "visibility": if repository.private { "private" } else { "public" },
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": "main",
        "custom_properties": {},
    });
    if let Value::Object(rest) = rest {
        fields.extend(rest);
    }
    Value::Object(fields)
}
