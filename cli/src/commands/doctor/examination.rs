//! Everything that is looked at without starting anything: facts first, then what follows from them.

use mayfly_domain::pool::Pools;
use mayfly_domain::time::Timestamp;
use mayfly_github::Github;

use super::alarms::{self, AlarmNow};
use super::app::{self, AppFacts, Unasked};
use super::finding::{Area, Finding};
use super::identity::{self, Identity};
use super::pools::{self, File};
use super::quota::{self, Allowed, ServiceQuotas};
use super::webhook::{self, Knock};
use super::{deliveries, sweeper};
use crate::at_github;
use crate::commands::init::GITHUB;
use crate::commands::status;
use crate::deployment::{CONNECT, Connected, ledger_refused};
use crate::failure::Failure;

/// The deployment that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
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

impl From<&Connected> for Patient {
    fn from(connected: &Connected) -> Self {
        let deployment = &connected.deployment;
        let function = |what: &str| deployment.functions.get(what).cloned().unwrap_or_else(|| format!("{}-{what}", connected.stack));
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
    pub status: Result<status::Answer, Failure>,
    /// The App, as GitHub knows it.
    pub app: Result<AppFacts, Unasked>,
    /// The front door.
    pub knock: Knock,
    /// The account's quotas.
    pub allowed: Allowed,
    /// The stack's alarms.
    pub alarms: Result<Vec<AlarmNow>, Failure>,
}

impl Facts {
    /// The pools in force, if they are known.
    #[must_use]
    pub fn pools(&self) -> Option<&Pools> {
        self.file.as_ref().ok().and_then(|file| file.in_force.as_ref())
    }
}

/// Asks AWS and GitHub, all at once, but for what depends on the pools file.
pub async fn gather(connected: &Connected, patient: &Patient, identity: Identity, now: Timestamp) -> (Facts, Option<Github>) {
    let file = pools::gather(&connected.pools_parameter()).await;
    let in_force = file.as_ref().ok().and_then(|file| file.in_force.as_ref());
    let ledger = connected.ledger();
    let status = async { status::gather(&ledger, in_force, now).await.map_err(|error| ledger_refused("read the ledger", &error)) };
    let app = async {
        let url = in_force.map_or(GITHUB, |pools| pools.github_url.as_str());
        match at_github::app(connected, url).await {
            Ok(github) => (app::gather(&github).await, Some(github)),
            Err(why) => (Err(Unasked::NoApp(why)), None),
        }
    };
    let (connector, service_quotas) = (mayfly_settings::aws::http_connector_within(CONNECT), ServiceQuotas::new(&connected.sdk));
    let cloudwatch = alarms::CloudWatch::new(&connected.sdk);
    let (status, (app, github), knock, allowed, alarms) = futures::join!(
        status,
        app,
        webhook::knock(&connector, &patient.webhook_url),
        quota::gather(&service_quotas),
        alarms::gather(&cloudwatch, &patient.stack)
    );
    (Facts { identity, file, status, app, knock, allowed, alarms }, github)
}

/// What follows.
#[must_use]
pub fn judge(facts: &Facts, patient: &Patient, now: Timestamp) -> Vec<Finding> {
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
        Err(failure) => findings.extend([Area::Pools, Area::Sweeper].map(|area| Finding::not_seen(area, failure))),
    }
    match &facts.app {
        Ok(app) => {
            findings.extend(app::judge(app, facts.pools()));
            findings.extend(webhook::judge(&app.hook, &patient.webhook_url));
            match &app.deliveries {
                Ok(list) => findings.extend(deliveries::judge(list, &patient.webhook, now)),
                Err(failure) => findings.push(Finding::not_seen(Area::Deliveries, failure)),
            }
        }
        Err(why) => findings.extend(app::unasked(why)),
    }
    findings.push(webhook::answered(&facts.knock, &patient.webhook_url, &patient.webhook));
    if let Some(pools) = facts.pools() {
        findings.extend(quota::judge(&facts.allowed, pools));
    }
    findings.extend(alarms::judge(&facts.alarms, &patient.stack, now));
    findings
}

/// Repairs what can be, and looks at that again. Tells what was done.
pub async fn repair(github: &impl mayfly_github::AppItself, facts: &mut Facts, patient: &Patient) -> Vec<Finding> {
    let Ok(app) = &mut facts.app else { return Vec::new() };
    if webhook::judge(&app.hook, &patient.webhook_url).iter().all(|finding| finding.repair.is_none()) {
        return Vec::new();
    }
    match webhook::set(github, &patient.webhook_url).await {
        Ok(hook) => {
            let before = std::mem::replace(&mut app.hook, Ok(hook));
            let before = before.map(|hook| format!(" (was: {:?}, {:?})", hook.url, hook.content_type)).unwrap_or_default();
            vec![Finding::good(Area::Webhook, format!("repaired: GitHub was told to deliver JSON to {}{before}", patient.webhook_url))]
        }
        Err(failure) => vec![Finding::error(Area::Webhook, failure.problem, failure.hint)],
    }
}
