//! `[github]`: who is served. Not which GitHub: that address belongs to the App's key, for anyone
//! who answers there receives what the key signs.

use std::collections::BTreeSet;

use mayfly_domain::model::id::OwnerId;
use mayfly_domain::model::pool::Account;

use super::reader::{Field, Reader, Section};

/// An example of what `accounts` should be.
const ACCOUNTS: &str = r#"accounts = ["acme"]"#;

/// What to do about an address in the pools file.
const URL: &str = "GitHub's address belongs to the App's key: leave it out here; mayfly init --github-url https://<host> stores it there";

/// Most characters of a login. Source: the sign-up form of github.com.
const MAX_LOGIN: usize = 39;

/// Reads the accounts.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Account> {
    let section = root.field("github").and_then(|field| reader.section(field));
    let Some(section) = section else {
        if root.field("github").is_none() {
            reader.report_absence(
                0,
                "github.accounts",
                "no account is served",
                format!("add [github] with {ACCOUNTS}"),
            );
        }
        return Vec::new();
    };
    reader.check_keys(&section, &["accounts"], &[("url", URL)], |_| None);
    accounts(reader, &section)
}

fn accounts(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Account> {
    let Some(field) = section.field("accounts") else {
        reader.report_absence(
            section.at,
            &section.path_of("accounts"),
            "no account is served",
            format!("add {ACCOUNTS}"),
        );
        return Vec::new();
    };
    let Some(parts) = reader.list(&field, ACCOUNTS) else {
        return Vec::new();
    };
    if parts.is_empty() {
        reader.report(
            field.at,
            &field.path,
            "no account is served",
            format!("name organizations or users, as {ACCOUNTS}"),
        );
    }
    let mut seen = BTreeSet::new();
    let mut accounts = Vec::new();
    for part in parts {
        let Some(account) = account(reader, &part) else {
            continue;
        };
        if seen.insert(account.login.to_ascii_lowercase()) {
            accounts.push(account);
        } else {
            reader.report(
                part.at,
                &part.path,
                format!("{:?} is listed twice", account.login),
                "leave one out (case does not matter)",
            );
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
    reader.check_keys(&section, &["login", "id"], &[], |_| None);
    let id = section
        .field("id")
        .and_then(|field| reader.integer(&field, 1, i64::MAX));
    let Some(field) = section.field("login") else {
        reader.report_absence(
            part.at,
            &part.path,
            "an account has no login",
            r#"write { login = "acme", id = 1234 }"#,
        );
        return None;
    };
    let login = reader.string(&field, r#"login = "acme""#)?;
    login_of(reader, &field, login).map(|login| Account {
        login,
        id: id.map(OwnerId),
    })
}

fn login_of(reader: &mut Reader<'_>, field: &Field<'_>, login: &str) -> Option<String> {
    // `_` is in the logins of enterprise managed users.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if login.is_empty() || login.len() > MAX_LOGIN || !login.chars().all(allowed) {
        let hint =
            "write it as in https://github.com/<login>: letters, digits and '-', without slashes";
        reader.report(
            field.at,
            &field.path,
            format!("{login:?} is not a login"),
            hint,
        );
        return None;
    }
    Some(login.to_owned())
}
