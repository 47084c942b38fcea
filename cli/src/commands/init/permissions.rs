//! Whether an App asks for what Mayfly needs, and was granted it.

use mayfly_github::{Account, AppInfo, Installation};
use serde::Serialize;

use super::manifest::{EVENT, RUNNERS, Scope, needs};

/// Something that is missing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is missing.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

/// Where runners can register with what the App asks for; none if nowhere.
#[must_use]
pub fn scope(app: &AppInfo) -> Option<Scope> {
    let may = |name: &str| {
        app.permissions
            .get(name)
            .is_some_and(|level| enough(level, "write"))
    };
    if may(RUNNERS) {
        Some(Scope::Organization)
    } else {
        may("administration").then_some(Scope::Repository)
    }
}

/// Everything that is missing. `github` is its address, without a slash at the end.
#[must_use]
pub fn review(github: &str, app: &AppInfo, installations: &[Installation]) -> Vec<Finding> {
    let settings = format!("{}/permissions", settings_url(github, app));
    let mut findings = Vec::new();
    let scope = scope(app);
    if scope.is_none() {
        findings.push(Finding {
            problem: "the App cannot register runners anywhere".to_owned(),
            fix: format!(
                "at {settings}, add Organization permissions / Self-hosted runners: Read and write (recommended), or Repository permissions / \
                 Administration: Read and write, and accept it where the App is installed"
            ),
        });
    }
    let needs = needs(scope.unwrap_or(Scope::Organization));
    // Without any scope, that of the organization is no more missing than the other.
    let needed = needs
        .iter()
        .filter(|need| scope.is_some() || need.name != RUNNERS);
    for need in needed.filter(|need| !has(&app.permissions, need.name, need.level)) {
        let problem = format!(
            "the App does not ask for {}: {} ({})",
            need.title, need.level, need.why
        );
        findings.push(Finding {
            problem,
            fix: format!("add it at {settings}, and accept it where the App is installed"),
        });
    }
    if !app.events.iter().any(|event| event == EVENT) {
        let fix = format!(
            "at {settings}, tick \"Workflow job\" under \"Subscribe to events\" (it shows once Actions is at least Read-only)"
        );
        findings.push(Finding {
            problem: format!("the App is not subscribed to {EVENT}: GitHub would deliver nothing"),
            fix,
        });
    }
    findings.extend(
        installations
            .iter()
            .flat_map(|installation| granted(app, installation)),
    );
    findings
}

/// What an installation was not granted of what the App asks for.
fn granted(app: &AppInfo, installation: &Installation) -> Vec<Finding> {
    let account = installation
        .account
        .as_ref()
        .map_or("an account", |account| account.login.as_str());
    let mut findings = Vec::new();
    if installation.suspended {
        let problem = format!("the App is suspended at {account}");
        findings.push(Finding {
            problem,
            fix: format!("unsuspend it at {}", installation.html_url),
        });
    }
    let needed = scope(app).map(needs).into_iter().flatten();
    for need in needed.filter(|need| {
        has(&app.permissions, need.name, need.level)
            && !has(&installation.permissions, need.name, need.level)
    }) {
        let problem = format!(
            "{account} has not granted the App {}: {}",
            need.title, need.level
        );
        findings.push(Finding {
            problem,
            fix: format!(
                "accept the App's new permissions at {}",
                installation.html_url
            ),
        });
    }
    let organization = installation
        .account
        .as_ref()
        .is_some_and(|account| account.organization);
    // An App may ask for both, and serve organizations by the one and users by the other.
    let elsewhere = has(&app.permissions, "administration", "write");
    if scope(app) == Some(Scope::Organization) && !organization && !elsewhere {
        findings.push(Finding {
            problem: format!("{account} is not an organization, and the App may register runners at organizations only"),
            fix: "install it on an organization, or create an App with --scope repository".to_owned(),
        });
    }
    findings
}

fn has(permissions: &std::collections::BTreeMap<String, String>, name: &str, level: &str) -> bool {
    // Every App may read metadata, and GitHub does not always say so.
    name == "metadata"
        || permissions
            .get(name)
            .is_some_and(|given| enough(given, level))
}

fn enough(given: &str, wanted: &str) -> bool {
    given == wanted || given == "admin" || (given == "write" && wanted == "read")
}

/// Where the App's owner changes it.
#[must_use]
pub fn settings_url(github: &str, app: &AppInfo) -> String {
    match &app.owner {
        Some(Account {
            login,
            organization: true,
            ..
        }) => format!("{github}/organizations/{login}/settings/apps/{}", app.slug),
        _ => format!("{github}/settings/apps/{}", app.slug),
    }
}

/// Where the App is installed.
#[must_use]
pub fn install_url(app: &AppInfo) -> String {
    format!("{}/installations/new", app.html_url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_domain::model::id::{InstallationId, OwnerId};
    use std::collections::BTreeMap;

    fn permissions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect()
    }

    fn acme(organization: bool) -> Account {
        Account {
            id: OwnerId(1),
            login: "acme".to_owned(),
            organization,
        }
    }

    fn app(asked: &[(&str, &str)], events: &[&str]) -> AppInfo {
        AppInfo {
            id: 1,
            slug: "mayfly".to_owned(),
            name: "Mayfly".to_owned(),
            html_url: "https://github.com/apps/mayfly".to_owned(),
            owner: Some(acme(true)),
            permissions: permissions(asked),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        }
    }

    fn installation(granted: &[(&str, &str)], organization: bool) -> Installation {
        Installation {
            id: InstallationId(7),
            account: Some(acme(organization)),
            permissions: permissions(granted),
            events: vec![EVENT.to_owned()],
            suspended: false,
            html_url: "https://github.com/organizations/acme/settings/installations/7".to_owned(),
        }
    }

    const ORG: [(&str, &str); 2] = [
        ("actions", "read"),
        ("organization_self_hosted_runners", "write"),
    ];
    const REPO: [(&str, &str); 2] = [("actions", "write"), ("administration", "write")];

    fn problems(app: &AppInfo, installations: &[Installation]) -> Vec<String> {
        review("https://github.com", app, installations)
            .into_iter()
            .map(|finding| finding.problem)
            .collect()
    }

    #[test]
    fn an_app_as_mayfly_makes_it_lacks_nothing() {
        for (asked, organization) in [(ORG, true), (REPO, false)] {
            assert_eq!(
                problems(
                    &app(&asked, &[EVENT]),
                    &[installation(&asked, organization)]
                ),
                [""; 0]
            );
        }
    }

    #[test]
    fn everything_that_is_missing_is_told_at_once() {
        let empty = app(&[("contents", "read")], &["push"]);
        insta::assert_debug_snapshot!(review("https://github.com", &empty, &[]));
        let half = app(&[("organization_self_hosted_runners", "write")], &[EVENT]);
        assert!(problems(&half, &[]).concat().contains("Actions: read"));
    }

    #[test]
    fn reading_runners_is_not_enough() {
        let reader = app(
            &[
                ("actions", "read"),
                ("organization_self_hosted_runners", "read"),
            ],
            &[EVENT],
        );
        assert_eq!(
            problems(&reader, &[]),
            ["the App cannot register runners anywhere"]
        );
        let nobody = app(&[("contents", "read")], &[EVENT]);
        assert_eq!(
            problems(&nobody, &[]).len(),
            2,
            "Actions: read is missing, too"
        );
    }

    #[test]
    fn what_an_installation_did_not_grant_is_told() {
        let app = app(&ORG, &[EVENT]);
        let behind = installation(&[("organization_self_hosted_runners", "write")], true);
        assert_eq!(
            problems(&app, &[behind]),
            ["acme has not granted the App Actions: read"]
        );
        let suspended = Installation {
            suspended: true,
            ..installation(&ORG, true)
        };
        assert_eq!(
            problems(&app, &[suspended]),
            ["the App is suspended at acme"]
        );
        assert_eq!(problems(&app, &[installation(&ORG, false)]).len(), 1);
        let both = [&ORG[..], &REPO[1..]].concat();
        assert_eq!(
            problems(&self::app(&both, &[EVENT]), &[installation(&both, false)]),
            [""; 0]
        );
    }

    #[test]
    fn settings_of_organizations_and_users_are_at_different_places() {
        let theirs = app(&ORG, &[EVENT]);
        assert_eq!(
            settings_url("https://g.test", &theirs),
            "https://g.test/organizations/acme/settings/apps/mayfly"
        );
        let own = AppInfo {
            owner: Some(acme(false)),
            ..theirs
        };
        assert_eq!(
            settings_url("https://g.test", &own),
            "https://g.test/settings/apps/mayfly"
        );
    }
}
