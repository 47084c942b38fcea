//! Everything that is looked at without starting anything: facts first, then what follows from
//! them.

use mayfly_config::secrets::GITHUB;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{AppApi, Github, RunnerGroups};

use super::alarms::{self, Alarm};
use super::app::{self, AppFacts, Unasked};
use super::finding::{Area, Finding};
use super::identity::{self, Identity};
use super::pools::{self, File};
use super::quota::{self, Allowed, ServiceQuotas};
use super::roles::{self, Looked};
use super::webhook::{self, Knock};
use super::{deliveries, groups, sweeper};
use crate::commands::status;
use crate::commands::status::report::StatusReport;
use crate::deployment::connect::{CONNECT, Connected};
use crate::deployment::iam::Iam;
use crate::deployment::launch_config::launch_config;
use crate::deployment::refused::ledger_refused;
use crate::failure::Failure;
use crate::github::access;
use crate::github::runner_group::{self, NamedGroup};

/// The deployment that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckContext {
    /// The stack.
    pub stack: String,
    /// Its cluster's ARN: of the account and the region that it is in.
    pub cluster: String,
    /// Where GitHub is to deliver.
    pub webhook_url: String,
    /// The function webhook's name.
    pub webhook: String,
    /// The function sweeper's name.
    pub sweeper: String,
}

impl From<&Connected> for CheckContext {
    fn from(connected: &Connected) -> Self {
        let deployment = &connected.deployment;
        let function = |what: &str| {
            deployment
                .functions
                .get(what)
                .cloned()
                .unwrap_or_else(|| format!("{}-{what}", connected.stack))
        };
        Self {
            stack: connected.stack.clone(),
            cluster: deployment.cluster.clone(),
            webhook_url: webhook::address(&deployment.url),
            webhook: function("webhook"),
            sweeper: function("sweeper"),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who looks, and what time it is.
    pub identity: Identity,
    /// The pools file.
    pub file: Result<File, Failure>,
    /// The ledger.
    pub status: Result<StatusReport, Failure>,
    /// The GitHub that people are led to, as `init` wrote it down for everyone.
    pub links: Result<String, Failure>,
    /// The App, as GitHub knows it.
    pub app: Result<AppFacts, Unasked>,
    /// The runner groups that pools name.
    pub groups: Vec<NamedGroup>,
    /// The endpoint.
    pub knock: Knock,
    /// The account's quotas.
    pub allowed: Allowed,
    /// The roles that pools name.
    pub roles: Vec<Looked>,
    /// The stack's alarms.
    pub alarms: Result<Vec<Alarm>, Failure>,
}

impl Facts {
    /// The active pools, if they are known.
    #[must_use]
    pub fn pools(&self) -> Option<&Pools> {
        self.file
            .as_ref()
            .ok()
            .and_then(|file| file.active_pools.as_ref())
    }

    /// The GitHub that the deployment works with, as people open it: as far as is known.
    #[must_use]
    pub fn github_url(&self) -> &str {
        let links = self.links.as_deref().unwrap_or(GITHUB);
        self.app.as_ref().map_or(links, |app| &app.url)
    }
}

/// Asks AWS and GitHub, all at once, but for what depends on the pools file.
pub async fn gather(
    connected: &Connected,
    patient: &CheckContext,
    identity: Identity,
    now: Timestamp,
) -> (Facts, Option<Github>) {
    let ledger = connected.ledger();
    let file = pools::gather(&connected.ssm_pools_store(), &ledger, now).await;
    let active_pools = file
        .as_ref()
        .ok()
        .and_then(|file| file.active_pools.as_ref());
    let status = async {
        status::report::gather(&ledger, active_pools, now)
            .await
            .map_err(|error| ledger_refused("read the ledger", &error))
    };
    let app = async {
        match access::app(connected).await {
            Ok(app) => {
                let facts = app::gather(&app.github, app.url).await;
                let groups = runner_groups_of(&app.github, &facts, active_pools).await;
                (facts, groups, Some(app.github))
            }
            Err(why) => (Err(Unasked::NoApp(why)), Vec::new(), None),
        }
    };
    let (connector, service_quotas) = (
        mayfly_config::aws::http_connector_within(CONNECT),
        ServiceQuotas::new(&connected.sdk),
    );
    let cloudwatch = alarms::CloudWatch::new(&connected.sdk);
    let (iam, site) = (
        Iam::new(&connected.sdk, &connected.deployment.task_role),
        launch_config(connected),
    );
    let (status, links, (app, groups, github), knock, allowed, roles, alarms) = futures::join!(
        status,
        connected.github_url(),
        app,
        webhook::knock(&connector, &patient.webhook_url),
        quota::gather(&service_quotas),
        roles::gather(&iam, active_pools, &site),
        alarms::gather(&cloudwatch, &patient.stack)
    );
    (
        Facts {
            identity,
            file,
            status,
            links,
            app,
            groups,
            knock,
            allowed,
            roles,
            alarms,
        },
        github,
    )
}

/// The runner groups that pools name, where it is known which pools, and where the App is
/// installed.
pub async fn runner_groups_of(
    github: &impl RunnerGroups,
    app: &Result<AppFacts, Unasked>,
    pools: Option<&Pools>,
) -> Vec<NamedGroup> {
    let installations = app
        .as_ref()
        .ok()
        .and_then(|app| app.installations.as_ref().ok());
    match (installations, pools) {
        (Some(installations), Some(pools)) => {
            runner_group::look(github, installations, pools).await
        }
        _ => Vec::new(),
    }
}

/// What follows.
#[must_use]
pub fn judge(facts: &Facts, patient: &CheckContext, now: Timestamp) -> Vec<Finding> {
    let mut findings = identity::credentials(&facts.identity, Some(&patient.cluster));
    findings.push(identity::clock(&facts.identity));
    match &facts.file {
        Ok(file) => findings.extend(pools::file(file, now)),
        Err(failure) => findings.push(Finding::not_seen(Area::Pools, failure)),
    }
    match &facts.status {
        Ok(status) => {
            findings.extend(pools::ledger(status));
            findings.extend(sweeper::judge(&status.safety_net, &patient.sweeper, now));
        }
        Err(failure) => findings
            .extend([Area::Pools, Area::Sweeper].map(|area| Finding::not_seen(area, failure))),
    }
    match &facts.app {
        Ok(app) => {
            findings.extend(app::judge(app, facts.pools()));
            findings.extend(groups::judge(&facts.groups));
            findings.extend(app::links(app, &facts.links, &patient.stack));
            findings.extend(webhook::judge(&app.hook, &patient.webhook_url));
            match &app.deliveries {
                Ok(list) => findings.extend(deliveries::judge(list, &patient.webhook, now)),
                Err(failure) => findings.push(Finding::not_seen(Area::Deliveries, failure)),
            }
        }
        Err(why) => findings.extend(app::unasked(why)),
    }
    findings.push(webhook::answered(
        &facts.knock,
        &patient.webhook_url,
        &patient.webhook,
    ));
    if let Some(pools) = facts.pools() {
        findings.extend(quota::judge(&facts.allowed, pools));
    }
    findings.extend(roles::judge(&facts.roles));
    findings.extend(alarms::judge(&facts.alarms, &patient.stack, now));
    findings
}

/// Repairs what can be, and looks at that again. Tells what was done.
pub async fn repair(
    github: &(impl AppApi + RunnerGroups),
    facts: &mut Facts,
    patient: &CheckContext,
) -> Vec<Finding> {
    let mut done = repair_hook(github, facts, patient).await;
    done.extend(groups::repair(github, &mut facts.groups).await);
    done
}

async fn repair_hook(
    github: &impl AppApi,
    facts: &mut Facts,
    patient: &CheckContext,
) -> Vec<Finding> {
    let Ok(app) = &mut facts.app else {
        return Vec::new();
    };
    if webhook::judge(&app.hook, &patient.webhook_url)
        .iter()
        .all(|finding| finding.repair.is_none())
    {
        return Vec::new();
    }
    match webhook::set(github, &patient.webhook_url).await {
        Ok(hook) => {
            let before = std::mem::replace(&mut app.hook, Ok(hook));
            let before = before
                .map(|hook| format!(" (was: {:?}, {:?})", hook.url, hook.content_type))
                .unwrap_or_default();
            vec![Finding::good(
                Area::Webhook,
                format!(
                    "repaired: GitHub now delivers JSON to {}{before}",
                    patient.webhook_url
                ),
            )]
        }
        Err(failure) => vec![Finding::error(Area::Webhook, failure.problem, failure.hint)],
    }
}
