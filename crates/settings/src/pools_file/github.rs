//! `[github]`: who is served, and which GitHub.

use std::collections::BTreeSet;

use mayfly_domain::id::OwnerId;
use mayfly_domain::pool::Account;

use super::reader::{Field, Reader, Section};

/// Where GitHub is unless the file says otherwise.
const GITHUB: &str = "https://github.com";

/// An example of what `accounts` should be.
const ACCOUNTS: &str = r#"accounts = ["acme"]"#;

/// Most characters of a login. Source: the sign-up form of github.com.
const MAX_LOGIN: usize = 39;

/// Reads the accounts and the base URL.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> (Vec<Account>, String) {
    let section = root.field("github").and_then(|field| reader.section(field));
    let Some(section) = section else {
        if root.field("github").is_none() {
            reader.report_absence(0, "github.accounts", "nobody is served", format!("add [github] with {ACCOUNTS}"));
        }
        return (Vec::new(), GITHUB.to_owned());
    };
    reader.check_keys(&section, &["accounts", "url"], &[]);
    let url = section.field("url").and_then(|field| url(reader, &field));
    (accounts(reader, &section), url.unwrap_or_else(|| GITHUB.to_owned()))
}

fn accounts(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Account> {
    let Some(field) = section.field("accounts") else {
        reader.report_absence(section.at, &section.path_of("accounts"), "nobody is served", format!("add {ACCOUNTS}"));
        return Vec::new();
    };
    let Some(parts) = reader.list(&field, ACCOUNTS) else { return Vec::new() };
    if parts.is_empty() {
        reader.report(field.at, &field.path, "nobody is served", format!("name organizations or users, as {ACCOUNTS}"));
    }
    let mut seen = BTreeSet::new();
    let mut accounts = Vec::new();
    for part in parts {
        let Some(account) = account(reader, &part) else { continue };
        if seen.insert(account.login.to_ascii_lowercase()) {
            accounts.push(account);
        } else {
            reader.report(part.at, &part.path, format!("{:?} is there twice", account.login), "leave one out (case does not matter)");
        }
    }
    accounts
}

/// One account: its login, or `{ login = "acme", id = 1234 }`.
fn account(reader: &mut Reader<'_>, part: &Field<'_>) -> Option<Account> {
    let Some(table) = part.as_table() else {
        let login = reader.string(part, r#""acme", or { login = "acme", id = 1234 }"#)?;
        return login_of(reader, part, login).map(|login| Account { login, id: None });
    };
    let section = Section::inline(part, table);
    reader.check_keys(&section, &["login", "id"], &[]);
    let id = section.field("id").and_then(|field| reader.integer(&field, 1, i64::MAX));
    let Some(field) = section.field("login") else {
        reader.report_absence(part.at, &part.path, "an account has no login", r#"write { login = "acme", id = 1234 }"#);
        return None;
    };
    let login = reader.string(&field, r#"login = "acme""#)?;
    login_of(reader, &field, login).map(|login| Account { login, id: id.map(OwnerId) })
}

fn login_of(reader: &mut Reader<'_>, field: &Field<'_>, login: &str) -> Option<String> {
    // `_` is in the logins of enterprise managed users.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if login.is_empty() || login.len() > MAX_LOGIN || !login.chars().all(allowed) {
        let hint = "write it as in https://github.com/<login>: letters, digits and '-', without slashes";
        reader.report(field.at, &field.path, format!("{login:?} is not a login"), hint);
        return None;
    }
    Some(login.to_owned())
}

/// The base URL, without a slash at the end.
fn url(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    let text = reader.string(field, r#"url = "https://github.example.com""#)?;
    let url = text.trim_end_matches('/');
    let problem = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(host), _) => wrong_host(host),
        (None, Some(host)) if is_loopback(host) => wrong_host(host),
        (None, Some(_)) => Some("secrets would travel in the clear"),
        (None, None) => Some("is not an https URL"),
    };
    let Some(problem) = problem else { return Some(url.to_owned()) };
    let hint = r#"write the base URL of the server, as url = "https://github.example.com""#;
    reader.report(field.at, &field.path, format!("{text:?}: {problem}"), hint);
    None
}

/// A loopback address: the GitHub of a test.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn wrong_host(host: &str) -> Option<&'static str> {
    if host.starts_with("api.") {
        return Some("is the API's URL, not the server's");
    }
    if host.contains('/') {
        return Some("has a path");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (host.is_empty() || !host.chars().all(allowed)).then_some("has no host, or more than a host and a port")
}
