//! What GitHub makes an App from: a manifest, and what it refuses in one.

use super::accounts::{Level, Permissions};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest name of an App (GitHub docs, registering a GitHub App).
const LONGEST_NAME: usize = 34;

/// Permissions that GitHub knows, as far as anyone here may ask for them.
const KNOWN: [&str; 8] = [
    "actions",
    "administration",
    "checks",
    "contents",
    "members",
    "metadata",
    "organization_administration",
    "organization_self_hosted_runners",
];

/// Where deliveries go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookAttributes {
    /// The endpoint.
    pub url: String,
    /// Whether anything is delivered.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// The fields of a manifest that this model acts on (GitHub docs, registering a GitHub App from a
/// manifest).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// Its name; the page lets the user change it.
    #[serde(default)]
    pub name: Option<String>,
    /// Its home page.
    #[serde(default)]
    pub url: String,
    /// Its webhook.
    #[serde(default)]
    pub hook_attributes: Option<HookAttributes>,
    /// Where the browser goes with the code.
    #[serde(default)]
    pub redirect_url: String,
    /// Anyone may install it.
    #[serde(default)]
    pub public: bool,
    /// What it is told of.
    #[serde(default)]
    pub default_events: Vec<String>,
    /// What it asks for.
    #[serde(default)]
    pub default_permissions: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// Everything that is wrong with it, as GitHub's page lists it.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let manifest: Self = serde_json::from_str(text)
            .map_err(|error| vec![format!("Manifest is not valid JSON: {error}")])?;
        let mut problems = Vec::new();
        for (what, url) in [
            ("Url", &manifest.url),
            ("Redirect url", &manifest.redirect_url),
        ] {
            if !is_url(url) {
                problems.push(format!("{what} must be a valid URL"));
            }
        }
        if manifest
            .hook_attributes
            .as_ref()
            .is_some_and(|hook| !is_url(&hook.url))
        {
            problems.push("Hook url must be a valid URL".to_owned());
        }
        for (name, level) in &manifest.default_permissions {
            if !KNOWN.contains(&name.as_str()) || level_named(level).is_none() {
                problems.push(format!(
                    "Default permission records resource {name} is not included in the list"
                ));
            }
        }
        for event in &manifest.default_events {
            let supported =
                event == "workflow_job" && manifest.default_permissions.contains_key("actions");
            if !supported {
                problems.push(format!("Default events unsupported: {event}"));
            }
        }
        if problems.is_empty() {
            Ok(manifest)
        } else {
            Err(problems)
        }
    }

    /// What it asks for; metadata comes with everything else (GitHub docs, choosing permissions).
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let asked = self
            .default_permissions
            .iter()
            .filter_map(|(name, level)| Some((name.clone(), level_named(level)?)));
        asked
            .chain([("metadata".to_owned(), Level::Read)])
            .collect()
    }
}

/// What is wrong with the name of a new App, as GitHub's page says it.
#[must_use]
pub fn name_problem(name: &str, taken: impl Iterator<Item = String>) -> Option<&'static str> {
    if name.trim().is_empty() {
        return Some("Name can't be blank");
    }
    if name.chars().count() > LONGEST_NAME {
        return Some("Name is too long (maximum is 34 characters)");
    }
    let mut taken = taken;
    taken
        .any(|other| other.eq_ignore_ascii_case(name))
        .then_some("Name is already taken")
}

/// How a name stands in URLs.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn level_named(level: &str) -> Option<Level> {
    match level {
        "read" => Some(Level::Read),
        "write" => Some(Level::Write),
        _ => None,
    }
}

fn is_url(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    })
}
