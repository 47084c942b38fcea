//! The GitHub App: whether it is there, asks for what the pools need, and was granted it where it
//! is needed.

use std::collections::BTreeMap;

use mayfly_domain::model::pool::{Account, Pool, Pools};
use mayfly_domain::model::target::Scope;
use mayfly_github::{AppApi, AppInfo, Deliveries, DeliveryAttempt, Installation, WebhookConfig};

use super::finding::{Area, Finding};
use crate::commands::init::manifest::{EVENT, RUNNERS};
use crate::commands::init::permissions::{install_url, settings_url};
use crate::failure::Failure;
use crate::github::access::NoApp;
use crate::github::setup::{patiently, soon};

/// Pages of a hundred deliveries that are read: enough for some hours of a busy organization.
const PAGES: usize = 5;

/// What GitHub says of the App, to the App.
#[derive(Clone, Debug)]
pub struct AppFacts {
    /// The GitHub that its key belongs to, as people open it.
    pub url: String,
    /// The App.
    pub app: AppInfo,
    /// Where it is installed.
    pub installations: Result<Vec<Installation>, Failure>,
    /// Its webhook.
    pub hook: Result<WebhookConfig, Failure>,
    /// Its newest deliveries, the newest first.
    pub deliveries: Result<Vec<DeliveryAttempt>, Failure>,
}

/// Why nothing is known of the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It cannot be asked.
    NoApp(NoApp),
    /// GitHub does not answer, or does not know it.
    Refused(Failure),
}

/// Asks GitHub, which people open at `url`, everything that it tells an App of itself.
///
/// # Errors
///
/// If it does not know the App, or does not answer.
pub async fn gather(github: &(impl AppApi + Deliveries), url: String) -> Result<AppFacts, Unasked> {
    let app = patiently("read the App", || github.app_info(soon()))
        .await
        .map_err(Unasked::Refused)?;
    let installations = patiently("list the App's installations", || {
        github.installations(soon())
    });
    let hook = patiently("read the App's webhook", || github.webhook_config(soon()));
    let (installations, hook, deliveries) = futures::join!(installations, hook, newest(github));
    Ok(AppFacts {
        url,
        app,
        installations,
        hook,
        deliveries,
    })
}

async fn newest(github: &impl Deliveries) -> Result<Vec<DeliveryAttempt>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = patiently("list the App's deliveries", || {
            github.deliveries(after.as_ref(), soon())
        })
        .await?;
        all.extend(page.deliveries);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(all)
}

/// What follows if nothing is known of the App.
#[must_use]
pub fn unasked(why: &Unasked) -> Vec<Finding> {
    let hidden = |area: Area| Finding::unknown(area, "only the App can read it from GitHub", "");
    let app = match why {
        Unasked::NoApp(NoApp::NotSetUp) => Finding::error(
            Area::App,
            "no GitHub App is set up yet",
            "mayfly init makes one",
        ),
        Unasked::NoApp(NoApp::MayNot { parameter }) => Finding::unknown(
            Area::App,
            format!("these credentials may not read the App's key in {parameter}"),
            "attach the policy of the stack's output SecretsPolicyArn, or ask anyone who has it",
        ),
        Unasked::NoApp(NoApp::Because(why)) => Finding::error(
            Area::App,
            why,
            "mayfly init --replace writes the App's parameter again",
        ),
        Unasked::Refused(failure) => Finding::error(Area::App, &*failure.problem, &failure.hint),
    };
    vec![app, hidden(Area::Webhook), hidden(Area::Deliveries)]
}

/// What the App must be allowed, by the permission's name: level, title on GitHub's pages, and for
/// which pools.
type Needs = BTreeMap<&'static str, (&'static str, &'static str, Vec<String>)>;

fn needs(pools: &[Pool]) -> Needs {
    let mut needs = Needs::new();
    for pool in pools {
        let (runners, title) = match pool.scope {
            Scope::Repository => ("administration", "Administration (repository)"),
            Scope::Organization { .. } => (RUNNERS, "Self-hosted runners (organization)"),
        };
        needs
            .entry(runners)
            .or_insert(("write", title, Vec::new()))
            .2
            .push(pool.name.to_string());
        let actions = needs
            .entry("actions")
            .or_insert(("read", "Actions", Vec::new()));
        if pool.rerun_interrupted {
            actions.0 = "write";
        }
        actions.2.push(pool.name.to_string());
    }
    needs
}

/// GitHub's levels of a permission, the least first.
const LEVELS: [&str; 3] = ["read", "write", "admin"];

fn has(permissions: &BTreeMap<String, String>, name: &str, level: &str) -> bool {
    let rank = |level: &str| {
        LEVELS
            .iter()
            .position(|known| *known == level)
            .map_or(0, |at| at + 1)
    };
    rank(
        permissions
            .get(name)
            .map(String::as_str)
            .unwrap_or_default(),
    ) >= rank(level)
}

/// What follows for the App.
#[must_use]
pub fn judge(facts: &AppFacts, pools: Option<&Pools>) -> Vec<Finding> {
    let AppFacts {
        url,
        app,
        installations,
        ..
    } = facts;
    let owner = app
        .owner
        .as_ref()
        .map(|owner| format!(" of {}", owner.login))
        .unwrap_or_default();
    let mut findings = vec![Finding::good(
        Area::App,
        format!("GitHub knows the App {} ({}){owner}", app.name, app.id),
    )];
    let Some(pools) = pools else { return findings };
    let settings = format!("{}/permissions", settings_url(url, app));
    let needs = needs(&pools.pools);
    for (name, (level, title, of)) in needs
        .iter()
        .filter(|(name, (level, ..))| !has(&app.permissions, name, level))
    {
        let what = format!(
            "the App does not ask for {title}: {level} ({name}), which {} needs",
            listed(of)
        );
        findings.push(Finding::error(
            Area::App,
            what,
            format!("add it at {settings}, and accept it where the App is installed"),
        ));
    }
    if !app.events.iter().any(|event| event == EVENT) {
        let fix = format!("tick \"Workflow job\" under \"Subscribe to events\" at {settings}");
        findings.push(Finding::error(
            Area::App,
            format!("the App is not subscribed to {EVENT}: GitHub delivers no job events"),
            fix,
        ));
    }
    match installations {
        Err(failure) => findings.push(Finding::not_seen(Area::App, failure)),
        Ok(installations) => {
            findings.extend(
                pools
                    .accounts
                    .iter()
                    .flat_map(|account| served(account, app, installations, pools, &needs)),
            );
            findings.extend(
                installations
                    .iter()
                    .filter_map(|installation| stranger(installation, pools)),
            );
        }
    }
    findings
}

/// Whether people are led to the GitHub that the App is used at: two parameters, and anyone who
/// stores the key by hand may forget one.
#[must_use]
pub fn links(facts: &AppFacts, links: &Result<String, Failure>, stack: &str) -> Option<Finding> {
    let name = format!("/mayfly/{stack}/github");
    match links {
        Ok(links) if *links == facts.url => None,
        Ok(links) => {
            let what = format!(
                "the App's key is for {}, but links lead to {links} (the SSM parameter {name})",
                facts.url
            );
            let fix = format!(
                "aws ssm put-parameter --overwrite --type String --name {name} --value {}",
                facts.url
            );
            Some(Finding::warning(Area::App, what, fix))
        }
        Err(failure) => Some(Finding::not_seen(Area::App, failure)),
    }
}

fn listed(pools: &[String]) -> String {
    format!("pool {}", pools.join(", "))
}

/// Whether the App can work on an account that the pools file serves.
fn served(
    account: &Account,
    app: &AppInfo,
    installations: &[Installation],
    pools: &Pools,
    needs: &Needs,
) -> Vec<Finding> {
    let login = &account.login;
    let of = |one: &&Installation| {
        one.account.as_ref().is_some_and(|found| {
            account.id.map_or_else(
                || found.login.eq_ignore_ascii_case(login),
                |id| id == found.id,
            )
        })
    };
    let Some(found) = installations.iter().find(of) else {
        let namesake = |one: &&Installation| {
            one.account
                .as_ref()
                .is_some_and(|found| found.login.eq_ignore_ascii_case(login))
        };
        if let Some(other) = installations
            .iter()
            .find(namesake)
            .and_then(|one| one.account.as_ref())
        {
            let what = format!(
                "the pools file pins {login} to another id than GitHub's {}: its jobs are not served",
                other.id
            );
            let fix = format!(
                "if that is the account you mean: {{ login = \"{login}\", id = {} }} in [github] accounts",
                other.id
            );
            return vec![Finding::error(Area::App, what, fix)];
        }
        let what = format!(
            "the App is not installed on {login}, which the pools file serves: GitHub delivers none of its events"
        );
        return vec![Finding::error(
            Area::App,
            what,
            format!("install it at {}", install_url(app)),
        )];
    };
    let mut findings = Vec::new();
    if found.suspended {
        let fix = format!("its owner can unsuspend it at {}", found.html_url);
        findings.push(Finding::error(
            Area::App,
            format!("the App is suspended on {login}: GitHub delivers none of its events"),
            fix,
        ));
    }
    // A permission that the App does not ask for cannot be granted: it is reported once.
    let lacking = needs.iter().filter(|(name, (level, ..))| {
        has(&app.permissions, name, level) && !has(&found.permissions, name, level)
    });
    let organization = found
        .account
        .as_ref()
        .is_some_and(|account| account.organization);
    // A user's installation never has what is an organization's.
    for (name, (level, title, of)) in lacking.filter(|(name, _)| organization || **name != RUNNERS)
    {
        let what = format!(
            "{login} has not granted the App {title}: {level} ({name}), which {} needs",
            listed(of)
        );
        findings.push(Finding::error(
            Area::App,
            what,
            format!(
                "its owner accepts the App's new permissions at {}",
                found.html_url
            ),
        ));
    }
    if !organization
        && pools
            .pools
            .iter()
            .all(|pool| matches!(pool.scope, Scope::Organization { .. }))
    {
        let what = format!(
            "{login} is not an organization, but every pool registers its runners at organizations: its jobs wait forever"
        );
        findings.push(Finding::error(
            Area::App,
            what,
            "give a pool scope = \"repository\", or take the account out of [github] accounts",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            Area::App,
            format!("installed on {login}, with the permissions that the pools need"),
        ));
    }
    findings
}

/// Accounts that have the App installed, but are not served.
fn stranger(installation: &Installation, pools: &Pools) -> Option<Finding> {
    let account = installation.account.as_ref()?;
    let same = |one: &Account| {
        one.id == Some(account.id) || one.login.eq_ignore_ascii_case(&account.login)
    };
    if pools.accounts.iter().any(same) {
        return None;
    }
    let what = format!(
        "the App is installed on {}, too, which the pools file does not serve: its jobs are ignored",
        account.login
    );
    let fix = format!(
        "add it to [github] accounts (mayfly apply), or uninstall the App at {}",
        installation.html_url
    );
    Some(Finding::warning(Area::App, what, fix))
}
