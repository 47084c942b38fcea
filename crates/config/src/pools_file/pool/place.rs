//! For whom a pool works and as what: scope, repositories, image, role.

use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_domain::model::target::Scope;

use super::super::reader::{Field, Reader};
use super::declared::Declared;

/// An example of what `repositories` should be.
const REPOSITORIES: &str = r#"repositories = ["acme/*"]"#;

/// Most characters of an IAM role's name. Source: IAM API reference, `CreateRole`.
const MAX_ROLE_NAME: usize = 64;

#[derive(Clone, Copy)]
enum Level {
    Repository,
    Organization,
}

/// Scope and runner group.
pub(super) fn scope(reader: &mut Reader<'_>, pool: &Declared<'_, '_>) -> Option<Scope> {
    let level = match pool.field("scope") {
        Some(field) => level(reader, &field)?,
        None => Level::Repository,
    };
    match level {
        Level::Organization => {
            let group = pool.required(
                reader,
                "runner_group",
                r#"runner_group = "Default", the group at the organization that allows the repositories"#,
            )?;
            let name = reader.string(&group, r#"runner_group = "Default""#)?;
            if name.trim().is_empty() {
                reader.report(
                    group.at,
                    &group.path,
                    "the runner group has no name",
                    r#"write its name, as runner_group = "Default""#,
                );
            }
            Some(Scope::Organization {
                group: name.to_owned(),
            })
        }
        Level::Repository => {
            // One from the defaults is for the pools that are organization-wide.
            if let Some(group) = pool.own.field("runner_group") {
                let message = "runner groups exist only at organizations";
                reader.report(
                    group.at,
                    &group.path,
                    message,
                    r#"take it out, or write scope = "organization""#,
                );
            }
            Some(Scope::Repository)
        }
    }
}

fn level(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Level> {
    let words = [
        ("repository", Level::Repository),
        ("organization", Level::Organization),
    ];
    if reader.string(field, r#"scope = "repository""#)? == "enterprise" {
        let message = "GitHub Apps cannot register runners of an enterprise: GitHub lets only a personal token of an enterprise owner do that";
        reader.report(
            field.at,
            &field.path,
            message,
            r#"write scope = "organization" with a runner_group, once per organization"#,
        );
        return None;
    }
    reader.word(field, &words)
}

/// Which repositories are served; empty: all of the accounts.
pub(super) fn repositories(
    reader: &mut Reader<'_>,
    pool: &Declared<'_, '_>,
) -> Vec<RepositoryPattern> {
    let Some(field) = pool.field("repositories") else {
        return Vec::new();
    };
    let Some(parts) = reader.list(&field, REPOSITORIES) else {
        return Vec::new();
    };
    if parts.is_empty() {
        let hint = "leave repositories out to serve all repositories of the accounts";
        reader.report(
            field.at,
            &field.path,
            "an empty list serves no repository",
            hint,
        );
    }
    parts
        .iter()
        .filter_map(|part| pattern(reader, pool, part))
        .collect()
}

fn pattern(
    reader: &mut Reader<'_>,
    pool: &Declared<'_, '_>,
    part: &Field<'_>,
) -> Option<RepositoryPattern> {
    let text = reader.string(part, REPOSITORIES)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
    let halves = text.split_once('/').filter(|(owner, name)| {
        [owner, name]
            .iter()
            .all(|half| !half.is_empty() && half.chars().all(allowed))
    });
    let Some((owner, _)) = halves else {
        reader.report(
            part.at,
            &part.path,
            format!("{text:?} is not owner/name"),
            "write acme/app, or acme/* for all of acme's",
        );
        return None;
    };
    let served = |owner: &str| {
        pool.accounts
            .iter()
            .any(|account| account.login.eq_ignore_ascii_case(owner))
    };
    // Without accounts, that is the problem, and it is reported already.
    if !owner.contains('*') && !pool.accounts.is_empty() && !served(owner) {
        let message = format!("{text:?}: {owner} is not among the accounts");
        reader.report(
            part.at,
            &part.path,
            message,
            format!("add {owner:?} to [github] accounts, or correct the owner"),
        );
        return None;
    }
    Some(RepositoryPattern(text.to_owned()))
}

/// The container image: `[host[:port]/]name[:tag][@digest]`.
pub(super) fn image(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    let text = reader.string(field, r#"image = "ghcr.io/actions/actions-runner:latest""#)?;
    let problem = wrong_image(text);
    if let Some(problem) = problem {
        let hint =
            r#"write it as for docker pull, as image = "ghcr.io/actions/actions-runner:latest""#;
        reader.report(field.at, &field.path, format!("{text:?} {problem}"), hint);
    }
    problem.is_none().then(|| text.to_owned())
}

fn wrong_image(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("has a space in it");
    }
    if text.contains("://") {
        return Some("is a URL");
    }
    let (rest, digest) = text
        .split_once('@')
        .map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    if digest.is_some_and(|digest| {
        !digest.starts_with("sha256:") || digest.len() != "sha256:".len() + 64
    }) {
        return Some("has a digest that is not sha256: and 64 digits");
    }
    // A colon before the last slash belongs to the registry's port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if name.is_empty() || name.split('/').any(str::is_empty) {
        return Some("has no name");
    }
    let path = name.split_once('/').map_or(name, |(_, path)| path);
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Some("has a capital letter in its name, which registries refuse");
    }
    (tag == Some("")).then_some("has a colon without a tag behind it")
}

/// The name of a role, which lies under the stack's own path.
pub(super) fn task_role(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    let text = reader.string(field, r#"task_role = "deploy""#)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if text.is_empty() || text.len() > MAX_ROLE_NAME || !text.chars().all(allowed) {
        let hint = "write the role's name alone, neither ARN nor path: at most 64 letters, digits and + = , . @ _ -";
        reader.report(
            field.at,
            &field.path,
            format!("{text:?} is not a role's name"),
            hint,
        );
        return None;
    }
    Some(text.to_owned())
}
