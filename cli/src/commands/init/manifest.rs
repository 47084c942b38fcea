//! What GitHub makes the App from, and why each part of it is needed.

use serde::Serialize;
use serde_json::{Value, json};

/// Longest name of an App (docs.github.com, "Registering a GitHub App").
const LONGEST_NAME: usize = 34;

/// Most characters of a login. Source: the sign-up form of github.com.
const LONGEST_LOGIN: usize = 39;

/// Where runners register, which decides what the App must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Runners of the organization, in a runner group of their own.
    Organization,
    /// Runners of one repository each.
    Repository,
}

/// Who is to own the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An organization, by its login.
    Organization(String),
    /// Anyone who is signed in.
    Myself,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where runners register.
    pub scope: Scope,
    /// Whose the App is.
    pub owner: Owner,
    /// The App's name: unique at that GitHub.
    pub name: String,
}

/// A field that people fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The organization's login.
    Organization,
    /// The App's name.
    Name,
}

/// Why a choice cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field that it is about.
    pub field: Field,
    /// What is wrong, in words for the user.
    pub problem: String,
}

/// Something that the App asks for, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The permission's name in GitHub's API.
    pub name: &'static str,
    /// Its name on GitHub's pages.
    pub title: &'static str,
    /// `read` or `write`.
    pub level: &'static str,
    /// What Mayfly does with it.
    pub why: &'static str,
}

/// To see whether a job still waits. Without it GitHub delivers no `workflow_job`, either.
const ACTIONS: Need = Need {
    name: "actions",
    title: "Actions",
    level: "read",
    why: "to receive queued jobs, and to look up those whose delivery was lost",
};

const METADATA: Need = Need {
    name: "metadata",
    title: "Metadata",
    level: "read",
    why: "GitHub gives it to every App: what a repository is called, and whether it is public",
};

/// The permission that reaches an organization's runners, and nothing else.
pub const RUNNERS: &str = "organization_self_hosted_runners";

const ORGANIZATION_RUNNERS: Need = Need {
    name: RUNNERS,
    title: "Self-hosted runners (organization)",
    level: "write",
    why: "to register runners at the organization and remove them; it gives no access to code",
};

const ADMINISTRATION: Need = Need {
    name: "administration",
    title: "Administration (repository)",
    level: "write",
    why: "to register runners at repositories. GitHub has no smaller permission for that: it also allows changing settings, collaborators and branch protection, and deleting the repository. Mayfly asks for tokens with this permission for one repository at a time",
};

/// The one event that Mayfly acts on.
pub const EVENT: &str = "workflow_job";

/// What the App needs at this scope.
#[must_use]
pub fn needs(scope: Scope) -> [Need; 3] {
    [
        ACTIONS,
        METADATA,
        if scope == Scope::Organization {
            ORGANIZATION_RUNNERS
        } else {
            ADMINISTRATION
        },
    ]
}

impl Choice {
    /// What was chosen, if it can be.
    ///
    /// # Errors
    ///
    /// What cannot be, and which field it is about.
    pub fn checked(scope: Scope, organization: &str, name: &str) -> Result<Self, Wrong> {
        let wrong = |field, problem: String| Err(Wrong { field, problem });
        let (organization, name) = (organization.trim(), name.trim());
        if name.is_empty()
            || name.chars().count() > LONGEST_NAME
            || name.chars().any(char::is_control)
        {
            return wrong(
                Field::Name,
                format!("An App's name has 1 to {LONGEST_NAME} characters"),
            );
        }
        // Only logins of enterprise managed users contain `_`.
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if organization.len() > LONGEST_LOGIN || !organization.chars().all(allowed) {
            let problem = format!(
                "{organization:?} is not an organization's login: write it as in https://github.com/<login>"
            );
            return wrong(Field::Organization, problem);
        }
        let owner = match (scope, organization) {
            (Scope::Organization, "") => {
                let problem = "Runners of an organization need its login: write it as in https://github.com/<login>";
                return wrong(Field::Organization, problem.to_owned());
            }
            (Scope::Repository, "") => Owner::Myself,
            (_, login) => Owner::Organization(login.to_owned()),
        };
        Ok(Self {
            scope,
            owner,
            name: name.to_owned(),
        })
    }

    /// The page of GitHub that takes the manifest (docs.github.com, "Registering a GitHub App from
    /// a manifest").
    #[must_use]
    pub fn form_url(&self, github: &str, state: &str) -> String {
        match &self.owner {
            Owner::Organization(login) => {
                format!("{github}/organizations/{login}/settings/apps/new?state={state}")
            }
            Owner::Myself => format!("{github}/settings/apps/new?state={state}"),
        }
    }

    /// The manifest: a private App that hears of one event.
    #[must_use]
    pub fn manifest(&self, webhook_url: &str, redirect_url: &str) -> Value {
        let permissions: serde_json::Map<String, Value> = needs(self.scope)
            .iter()
            .map(|need| (need.name.to_owned(), json!(need.level)))
            .collect();
        json!({
            "name": self.name,
            "url": HOME,
            "description": "Runs GitHub Actions jobs on AWS Fargate, one task for one job.",
            "hook_attributes": { "url": webhook_url, "active": true },
            "redirect_url": redirect_url,
            "public": false,
            "default_permissions": permissions,
            "default_events": [EVENT],
            "request_oauth_on_install": false,
        })
    }
}

/// An App must have a home page; what Actions says about runners of one's own is the best there is
/// for one that belongs to the user.
const HOME: &str = "https://docs.github.com/actions/concepts/runners/self-hosted-runners";

/// A name that is likely free: names of Apps are unique at a GitHub. `chance` stands where no owner
/// is known.
#[must_use]
pub fn proposed_name(stack: &str, owner: &str, chance: &str) -> String {
    let name = if owner.is_empty() {
        format!("{stack}-{chance}")
    } else {
        format!("{stack}-{owner}")
    };
    name.chars()
        .take(LONGEST_NAME)
        .collect::<String>()
        .trim_end_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(scope: Scope, organization: &str) -> Choice {
        Choice::checked(scope, organization, "mayfly-acme").unwrap()
    }

    #[test]
    fn manifest_of_an_organization_asks_for_no_more_than_runners() {
        let manifest = choice(Scope::Organization, "acme")
            .manifest("https://x.test/webhook", "http://127.0.0.1:5/callback");
        let expected = json!({
            "name": "mayfly-acme",
            "url": HOME,
            "description": "Runs GitHub Actions jobs on AWS Fargate, one task for one job.",
            "hook_attributes": { "url": "https://x.test/webhook", "active": true },
            "redirect_url": "http://127.0.0.1:5/callback",
            "public": false,
            "default_permissions": { "actions": "read", "metadata": "read", "organization_self_hosted_runners": "write" },
            "default_events": ["workflow_job"],
            "request_oauth_on_install": false,
        });
        assert_eq!(manifest, expected);
    }

    #[test]
    fn manifest_of_repositories_asks_for_administration_and_nothing_of_the_organization() {
        let manifest = choice(Scope::Repository, "")
            .manifest("https://x.test/webhook", "http://127.0.0.1:5/callback");
        let asked = &manifest["default_permissions"];
        assert_eq!(
            asked,
            &json!({ "actions": "read", "administration": "write", "metadata": "read" })
        );
        assert_eq!(
            (&manifest["public"], &manifest["default_events"]),
            (&json!(false), &json!(["workflow_job"]))
        );
    }

    #[test]
    fn manifest_goes_to_its_owner_s_page() {
        let own = choice(Scope::Repository, "").form_url("https://github.com", "s");
        assert_eq!(own, "https://github.com/settings/apps/new?state=s");
        for scope in [Scope::Repository, Scope::Organization] {
            let url = choice(scope, " acme ").form_url("https://ghes.test", "s");
            assert_eq!(
                url,
                "https://ghes.test/organizations/acme/settings/apps/new?state=s"
            );
        }
    }

    #[test]
    fn what_github_would_refuse_is_not_posted() {
        for (scope, organization, name) in [
            (Scope::Organization, "", "mayfly"),
            (Scope::Organization, "acme/../x", "mayfly"),
            (Scope::Organization, "acme?state=x", "mayfly"),
            (Scope::Organization, "äcme", "mayfly"),
            (Scope::Repository, &"a".repeat(40), "mayfly"),
            (Scope::Repository, "acme", " "),
            (Scope::Repository, "acme", "a\nb"),
            (Scope::Repository, "acme", &"n".repeat(35)),
        ] {
            let wrong = Choice::checked(scope, organization, name).unwrap_err();
            let expected = if organization == "acme" || name != "mayfly" {
                Field::Name
            } else {
                Field::Organization
            };
            assert_eq!(wrong.field, expected, "{organization:?} {name:?}");
        }
    }

    #[test]
    fn proposed_names_are_short_enough() {
        assert_eq!(proposed_name("mayfly", "acme", "ab12"), "mayfly-acme");
        assert_eq!(proposed_name("mayfly", "", "ab12"), "mayfly-ab12");
        let long = proposed_name(
            "mayfly-production",
            "an-organization-with-a-long-name",
            "ab12",
        );
        assert!(
            Choice::checked(Scope::Repository, "", &long).is_ok(),
            "{long}"
        );
    }
}
