//! From an App's key to deliveries that arrive, in steps that may be cut off anywhere and begun
//! again.
//!
//! The App's id and key are stored first: they are what cannot be had twice. Then the webhook's URL
//! and secret are set at GitHub, and last the secret is stored. Anyone who finds the App's
//! parameter without the secret's goes on from there.

use std::time::Duration;

use mayfly_config::secrets::{WebhookSecrets, write_app_key, write_webhook_secrets};
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use mayfly_github::{AppApi, AppInfo, CallError, Installation, NewApp, WebhookUpdate};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::manifest::Scope;
use super::oauth_state::Code;
use super::permissions::{Finding, install_url, review, scope, settings_url};
use super::starter_file::pools_file;
use super::verify_delivery::{self, Before, DeliveryCheck};
use crate::deployment::secrets_store::{Existing, SecretsStore, already_there, app_of, fresh};
use crate::failure::Failure;
use crate::github::runner_group::{self, Ensured};
use crate::github::setup::{GithubSetup, patiently, refused, soon};

/// Between two looks at the App's installations.
const LOOK: Duration = Duration::from_secs(3);

/// How long an installation is waited for: in an organization someone else may have to say yes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Pauses before a code is exchanged again after no answer.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// Where progress is reported, line by line.
pub trait Say: Send + Sync {
    /// A line.
    fn say(&self, line: &str);
}

impl Say for crate::terminal::screen::Screen {
    fn say(&self, line: &str) {
        Self::say(self, line);
    }
}

/// What a deployment is set up with.
pub struct SetupFlow<'a, D: GithubSetup, V: SecretsStore> {
    /// GitHub.
    pub github_setup: &'a D,
    /// Where the secrets go.
    pub secrets_store: &'a V,
    /// The one who waits.
    pub teller: &'a dyn Say,
    /// GitHub's address, without a slash at the end.
    pub github: String,
    /// Where deliveries are to go.
    pub webhook_url: String,
    /// The stack.
    pub stack: String,
    /// What to do about an App that is there already.
    pub existing: Existing,
}

/// How to begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// There is no App.
    Afresh,
    /// An App was stored, but no secret: an earlier run was cut off.
    GoOn(AppKey),
}

/// An App on an account, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The installation's id.
    pub id: i64,
    /// Whose it is.
    pub account: Option<String>,
    /// Suspended by its owner.
    pub suspended: bool,
}

/// What was set up, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The App's id.
    pub app_id: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Where its owner changes it.
    pub settings_url: String,
    /// Where it is installed.
    pub install_url: String,
    /// Where deliveries go.
    pub webhook_url: String,
    /// Whether they arrive.
    pub deliveries: DeliveryCheck,
    /// Where it is installed now.
    pub installations: Vec<Installed>,
    /// What is missing.
    pub findings: Vec<Finding>,
    /// A pools file to start with.
    pub pools_file: String,
}

impl<D: GithubSetup, V: SecretsStore> SetupFlow<'_, D, V> {
    fn parameter(&self, what: &str) -> String {
        format!("/mayfly/{}/{what}", self.stack)
    }

    /// Looks what is there already, before anything is made.
    ///
    /// # Errors
    ///
    /// If there is an App that is to be kept, or AWS does not answer.
    pub async fn begin(&self) -> Result<Begin, Failure> {
        let (app, secret) = (
            self.parameter("github-app"),
            self.parameter("webhook-secret"),
        );
        let (kept, signs) = (
            self.secrets_store.read(&app).await?,
            self.secrets_store.read(&secret).await?,
        );
        match (self.existing, kept, signs) {
            (Existing::Replace, _, _) | (Existing::Keep, None, None) => Ok(Begin::Afresh),
            (Existing::Keep, Some(_), Some(_)) => Err(already_there(&app)),
            (Existing::Keep, None, Some(_)) => Err(already_there(&secret)),
            (Existing::Keep, Some(kept), None) => Ok(Begin::GoOn(app_of(&app, &kept)?)),
        }
    }

    /// Exchanges the code, and stores the App.
    ///
    /// # Errors
    ///
    /// If GitHub does not take the code, or AWS does not take the key: the App exists at GitHub
    /// then, and the error says what to do.
    pub async fn exchange(&self, code: &Code) -> Result<NewApp, Failure> {
        let made = self.converted(code).await?;
        self.keep(&self.key_of(&made)).await.map_err(|failure| {
            let settings = settings_url(&self.github, &made.app);
            let hint = format!(
                "{}\n  The App {} exists, but its key is lost. Generate a private key at {settings}, then\n  {}",
                failure.hint,
                made.app.name,
                go_on(&made.app.id.to_string())
            );
            Failure::new(failure.problem, hint.trim_start())
        })?;
        self.teller.say(&format!(
            "stored the App {} ({})",
            made.app.name,
            self.parameter("github-app")
        ));
        Ok(made)
    }

    async fn converted(&self, code: &Code) -> Result<NewApp, Failure> {
        let mut lost = false;
        for pause in PAUSES {
            match self
                .github_setup
                .convert(&self.github, code.expose(), soon())
                .await
            {
                Err(CallError::Unavailable { .. }) => lost = true,
                other => return other.map_err(|error| self.orphan(&error, lost)),
            }
            sleep(pause).await;
        }
        self.github_setup
            .convert(&self.github, code.expose(), soon())
            .await
            .map_err(|error| self.orphan(&error, lost))
    }

    /// GitHub gives a code only once the App is there: so any failure from then on leaves an App
    /// whose key is lost.
    fn orphan(&self, error: &CallError, lost: bool) -> Failure {
        let failure = refused("get the App's key", error);
        let why = match error {
            CallError::Refused { status: 404, .. } if lost => {
                "GitHub's answer was lost on the way, and the code works only once"
            }
            CallError::Refused { status: 404, .. } => {
                "the code was used already, or is older than an hour"
            }
            _ => "GitHub created the App, but did not return its key",
        };
        let hint = format!(
            "{why}.\n  The App exists without a key. Delete it under {0}/settings/apps (or the organization's settings, Developer settings,\n  \
             GitHub Apps) and run mayfly init again; or generate a private key there, and\n  {1}",
            self.github,
            go_on("<its App ID>")
        );
        Failure::new(failure.problem, hint)
    }

    /// The key of an App that was just made, with the address of the GitHub that made it.
    #[must_use]
    pub fn key_of(&self, made: &NewApp) -> AppKey {
        AppKey {
            app_id: made.app.id,
            private_key: made.private_key.clone(),
            url: self.github.clone(),
        }
    }

    /// Stores the App's id and key, and where it belongs.
    ///
    /// # Errors
    ///
    /// If AWS does not take them, or there is an App already.
    pub async fn keep(&self, key: &AppKey) -> Result<(), Failure> {
        let name = self.parameter("github-app");
        self.secrets_store
            .write(&name, &write_app_key(key), self.existing)
            .await
            .map(drop)
    }

    /// Checks that a key is the App's.
    ///
    /// # Errors
    ///
    /// If it is not, or GitHub does not answer.
    pub async fn known(&self, key: &AppKey) -> Result<AppInfo, Failure> {
        let app = self.github_setup.enter(key)?;
        let now = patiently("read the App", || app.app_info(soon())).await?;
        if now.id != key.app_id {
            let problem = format!(
                "the key belongs to the App {} ({}), not to {}",
                now.id, now.name, key.app_id
            );
            return Err(Failure::new(problem, format!("pass --app-id {}", now.id)));
        }
        Ok(now)
    }

    /// Tells GitHub where deliveries go and what signs them, and stores the secret.
    ///
    /// # Errors
    ///
    /// If GitHub or AWS does not take it.
    pub async fn sign(&self, key: &AppKey, secret: Option<Secret>) -> Result<Before, Failure> {
        let app = self.github_setup.enter(key)?;
        let before = verify_delivery::before(&app).await?;
        self.secrets_store
            .publish(&self.parameter("github"), &key.url)
            .await?;
        let current = match secret {
            Some(secret) => secret,
            None => fresh()?,
        };
        let wanted = WebhookUpdate {
            url: Some(self.webhook_url.clone()),
            secret: Some(current.clone()),
        };
        patiently("set the App's webhook", || {
            app.set_webhook_config(&wanted, soon())
        })
        .await?;
        let name = self.parameter("webhook-secret");
        let text = write_webhook_secrets(&WebhookSecrets {
            current,
            previous: None,
        });
        self.secrets_store
            .write(&name, &text, self.existing)
            .await?;
        self.teller.say(&format!(
            "the App's deliveries go to {}; stored the secret that signs them ({name})",
            self.webhook_url
        ));
        Ok(before)
    }

    /// Sees deliveries arrive and the App installed, and sums up.
    ///
    /// # Errors
    ///
    /// If GitHub does not answer.
    pub async fn finish(
        &self,
        key: &AppKey,
        before: &Before,
        wait: bool,
    ) -> Result<Answer, Failure> {
        let app = self.github_setup.enter(key)?;
        let now = patiently("read the App", || app.app_info(soon())).await?;
        let install = install_url(&now);
        let mut installed =
            patiently("list the App's installations", || app.installations(soon())).await?;
        if installed.is_empty() {
            self.teller.say(&format!("install the App at {install}"));
        }
        self.teller.say("waiting for a delivery to arrive");
        let deliveries = verify_delivery::see(&app, before).await?;
        self.teller.say(&arrival(&deliveries));
        if installed.is_empty() && wait {
            self.teller.say("waiting for the App to be installed");
            installed = self.installed(&app).await?;
        }
        let group = self.runner_group(&app, &now, &installed).await?;
        Ok(self.sum_up(&now, &installed, deliveries, group))
    }

    /// The runner group for the pools file: Mayfly's own, made if need be, or the one that every
    /// organization has where GitHub makes no other.
    async fn runner_group(
        &self,
        app: &D::App,
        now: &AppInfo,
        installed: &[Installation],
    ) -> Result<&'static str, Failure> {
        let organization = installed.iter().find_map(|one| {
            Some((
                one.id,
                one.account
                    .as_ref()
                    .filter(|account| account.organization)?,
            ))
        });
        let (true, Some((installation, organization))) =
            (scope(now) == Some(Scope::Organization), organization)
        else {
            return Ok(runner_group::OWN);
        };
        let login = &organization.login;
        Ok(
            match runner_group::ensure(app, installation, organization, runner_group::OWN).await? {
                Ensured::Found => runner_group::OWN,
                Ensured::Made => {
                    self.teller
                    .say(&format!("created the runner group {} of {login}: all of its private repositories may use it", runner_group::OWN));
                    runner_group::OWN
                }
                Ensured::Refused(why) => {
                    self.teller.say(&format!(
                        "{login} gets no runner group of its own ({why}): the file names {}",
                        runner_group::DEFAULT
                    ));
                    runner_group::DEFAULT
                }
            },
        )
    }

    async fn installed(&self, app: &D::App) -> Result<Vec<Installation>, Failure> {
        let begun = Instant::now();
        loop {
            let installed =
                patiently("list the App's installations", || app.installations(soon())).await?;
            if !installed.is_empty() || begun.elapsed() > PATIENCE {
                return Ok(installed);
            }
            sleep(LOOK).await;
        }
    }

    fn sum_up(
        &self,
        app: &AppInfo,
        installed: &[Installation],
        deliveries: DeliveryCheck,
        group: &str,
    ) -> Answer {
        let mut findings = review(&self.github, app, installed);
        if installed.is_empty() {
            let fix = format!("install it at {}", install_url(app));
            findings.push(Finding {
                problem: "the App is not installed anywhere yet".to_owned(),
                fix,
            });
        }
        if let DeliveryCheck::Refused { event, status } = &deliveries {
            let problem =
                format!("a delivery ({event}) was not accepted: the endpoint answered {status}");
            let fix = format!(
                "see the logs of the function webhook, and {}/advanced for what GitHub sent",
                settings_url(&self.github, app)
            );
            findings.push(Finding { problem, fix });
        }
        let mut accounts: Vec<_> = installed
            .iter()
            .filter_map(|one| one.account.clone())
            .collect();
        if accounts.is_empty() {
            accounts.extend(app.owner.clone());
        }
        let scope = scope(app).unwrap_or(Scope::Organization);
        // A pool at organization scope serves one organization.
        accounts.truncate(if scope == Scope::Organization {
            1
        } else {
            usize::MAX
        });
        let shown = installed.iter().map(|one| Installed {
            id: one.id.0,
            account: one.account.as_ref().map(|account| account.login.clone()),
            suspended: one.suspended,
        });
        Answer {
            app_id: app.id,
            slug: app.slug.clone(),
            settings_url: settings_url(&self.github, app),
            install_url: install_url(app),
            webhook_url: self.webhook_url.clone(),
            deliveries,
            installations: shown.collect(),
            findings,
            pools_file: pools_file(scope, &accounts, group),
        }
    }
}

fn go_on(id: &str) -> String {
    format!("mayfly init --app-id {id} --private-key-file <the file that GitHub gave you>")
}

/// Whether deliveries arrive, in a line.
fn arrival(proof: &DeliveryCheck) -> String {
    match proof {
        DeliveryCheck::Arrived { event, status } => {
            format!("a delivery ({event}) arrived, and its signature was accepted ({status})")
        }
        DeliveryCheck::Refused { event, status: 0 } => {
            format!("a delivery ({event}) was sent, but got no answer")
        }
        DeliveryCheck::Refused { event, status } => {
            format!("a delivery ({event}) was answered {status}")
        }
        DeliveryCheck::Nothing => {
            "GitHub has no delivery to repeat: the next job will show whether its delivery arrives"
                .to_owned()
        }
    }
}
