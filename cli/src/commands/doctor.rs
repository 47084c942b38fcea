//! `mayfly doctor`.

pub mod alarms;
pub mod app;
pub mod deliveries;
pub mod examination;
pub mod finding;
pub mod identity;
pub mod image_pull;
pub mod network;
pub mod pools;
pub mod probe;
pub mod probe_run;
pub mod probe_start;
pub mod quota;
pub mod report;
pub mod runner_version;
pub mod sweeper;
pub mod webhook;

use clap::Args;
use mayfly_settings::source::system_clock;

use self::examination::{Patient, gather, judge, repair};
use self::finding::{Area, Finding};
use self::identity::Identity;
use self::report::{Report, text};
use crate::arguments::Global;
use crate::deployment::{Connected, connect, sdk};
use crate::failure::{Exit, Failure};
use crate::progress::Progress;
use crate::screen::Screen;

/// How to look.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exit 1 if there is an error. What could not be looked at is no error.

Examples:
  mayfly doctor
  mayfly doctor --no-probe                 # in seconds, without a task on Fargate
  mayfly doctor --fix                      # GitHub is told where to deliver
  mayfly doctor --json | jq '.findings[] | select(.level != \"good\")'")]
pub struct Doctor {
    /// Run no task that tries what a runner needs: its images, GitHub, the front door
    #[arg(long)]
    no_probe: bool,
    /// Repair what can be repaired safely: where GitHub delivers, and how
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
        crate::wait_for(async {
            let report = Report::new(&global.stack, system_clock(), self.look(global).await?);
            if screen.json() {
                screen.print_json(&report)?;
            } else {
                screen.print(text(&report));
            }
            Ok(report.exit())
        })
    }

    async fn look(&self, global: &Global) -> Result<Vec<Finding>, Failure> {
        let mut progress = Progress::default();
        progress.say("asking AWS who this is ...");
        let sdk = sdk(global).await?;
        let identity = identity::ask(&sdk).await;
        let connected = if identity.who.is_ok() { connect(global).await } else { Err(Failure::new("", "")) };
        match connected {
            Ok(connected) => self.examine(&connected, identity, progress).await,
            Err(failure) => Ok(stranded(&identity, &failure)),
        }
    }

    async fn examine(&self, connected: &Connected, identity: Identity, mut progress: Progress) -> Result<Vec<Finding>, Failure> {
        let patient = Patient::from(connected);
        progress.say("looking at AWS and GitHub ...");
        let (mut facts, github) = gather(connected, &patient, identity, system_clock()).await;
        let mut findings = Vec::new();
        if let (true, Some(github)) = (self.fix, &github) {
            progress.say("repairing ...");
            findings.extend(repair(github, &mut facts, &patient).await);
        }
        findings.extend(judge(&facts, &patient, system_clock()));
        if let (false, Some(pools)) = (self.no_probe, facts.pools()) {
            drop(progress);
            match probe::look(connected, pools).await {
                Ok(found) => findings.extend(found),
                Err(failure) => findings.push(Finding::not_seen(Area::Network, &failure)),
            }
        }
        Ok(findings)
    }
}

/// What can be said of a deployment that is not within reach. Why credentials do not work is told once.
fn stranded(identity: &Identity, failure: &Failure) -> Vec<Finding> {
    let mut findings = identity::credentials(identity, None);
    findings.push(identity::clock(identity));
    if identity.who.is_ok() {
        findings.push(Finding::error(Area::Credentials, &*failure.problem, &failure.hint));
    }
    findings
}
