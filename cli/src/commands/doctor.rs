//! `mayfly doctor`.

pub mod alarms;
pub mod app;
pub mod checks;
pub mod deliveries;
pub mod finding;
pub mod groups;
pub mod identity;
pub mod image_pull;
pub mod network;
pub mod pools;
pub mod probe;
pub mod quota;
pub mod report;
pub mod roles;
pub mod runner_version;
pub mod sweeper;
pub mod webhook;

use clap::Args;
use mayfly_config::store::system_clock;

use self::checks::{CheckContext, gather, judge, repair};
use self::finding::{Area, Finding};
use self::identity::Identity;
use self::report::{Report, areas, text, text_after};
use crate::deployment::connect::{Connected, connect_with, sdk};
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::progress::Progress;
use crate::terminal::screen::Screen;

/// How to look.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exits with 1 if a check finds an error. A check that could not run is listed and is not an error. Prints each area as soon as it is checked.

Examples:
  mayfly doctor
  mayfly doctor --no-probe                 # takes seconds, starts no task on Fargate
  mayfly doctor --fix                      # corrects the App's webhook, creates missing runner groups
  mayfly doctor --json | jq '.findings[] | select(.level != \"good\")'")]
pub struct Doctor {
    /// Start no probe tasks: what runners need (images, GitHub, the endpoint) is not checked
    #[arg(long)]
    no_probe: bool,
    /// Repair what is safe to repair: where GitHub delivers, and how; runner groups that pools name
    /// and GitHub does not have
    #[arg(long)]
    fix: bool,
}

impl Doctor {
    /// Looks, and tells.
    ///
    /// # Errors
    ///
    /// If the answer cannot be written. Whatever is wrong with the deployment is a finding.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let Found { told, rest } = Box::pin(self.look(global, screen)).await?;
            let report = Report::new(
                &global.stack,
                system_clock(),
                told.iter().chain(&rest).cloned().collect(),
            );
            if screen.json() {
                screen.print_json(&report)?;
            } else if told.is_empty() {
                screen.print(text(&report));
            } else {
                screen.print(text_after(&rest, &report));
            }
            Ok(report.exit())
        })
    }

    async fn look(&self, global: &Global, screen: &Screen) -> Result<Found, Failure> {
        let mut progress = Progress::default();
        progress.say("identifying the AWS credentials ...");
        let sdk = match sdk(global).await {
            Ok(sdk) => sdk,
            Err(failure) => {
                return Ok(Found::at_once(stranded(
                    &Identity {
                        who: Err(failure.clone()),
                        clocks: None,
                    },
                    &failure,
                )));
            }
        };
        let identity = identity::ask(&sdk).await;
        let connected = if identity.who.is_ok() {
            connect_with(sdk, global).await
        } else {
            Err(Failure::new("", ""))
        };
        match connected {
            Ok(connected) => self.examine(&connected, identity, (screen, progress)).await,
            Err(failure) => Ok(Found::at_once(stranded(&identity, &failure))),
        }
    }

    async fn examine(
        &self,
        connected: &Connected,
        identity: Identity,
        (screen, mut progress): (&Screen, Progress),
    ) -> Result<Found, Failure> {
        let patient = CheckContext::from(connected);
        progress.say("checking AWS and GitHub ...");
        let (mut facts, github) = gather(connected, &patient, identity, system_clock()).await;
        let mut findings = Vec::new();
        if let (true, Some(github)) = (self.fix, &github) {
            progress.say("repairing ...");
            findings.extend(repair(github, &mut facts, &patient).await);
        }
        findings.extend(judge(&facts, &patient, system_clock()));
        if let (false, Some(pools)) = (self.no_probe, facts.pools()) {
            drop(progress);
            if !screen.json() {
                screen.print(areas(&findings));
            }
            Progress::begin("starting probe tasks: takes about a minute, at most 5");
            let rest = probe::look(connected, pools, facts.github_url())
                .await
                .unwrap_or_else(|failure| vec![Finding::not_seen(Area::Network, &failure)]);
            return Ok(Found {
                told: findings,
                rest,
            });
        }
        Ok(Found::at_once(findings))
    }
}

/// What was found.
struct Found {
    /// What was known before the probes, and is printed, unless as JSON.
    told: Vec<Finding>,
    /// What is not printed yet.
    rest: Vec<Finding>,
}

impl Found {
    fn at_once(findings: Vec<Finding>) -> Self {
        Self {
            told: Vec::new(),
            rest: findings,
        }
    }
}

/// What can be said of a deployment that is not within reach. The cause of failing credentials is
/// reported once.
fn stranded(identity: &Identity, failure: &Failure) -> Vec<Finding> {
    let mut findings = identity::credentials(identity, None);
    findings.push(identity::clock(identity));
    if identity.who.is_ok() {
        findings.push(Finding::error(
            Area::Credentials,
            &*failure.problem,
            &failure.hint,
        ));
    }
    findings
}
