//! `mayfly doctor`.

pub mod finding;
pub mod identity;
pub mod image_pull;
pub mod network;
pub mod probe;
pub mod probe_run;
pub mod probe_start;
pub mod report;
pub mod runner_version;

use clap::Args;
use mayfly_settings::source::system_clock;

use self::finding::{Area, Finding};
use self::report::{Report, text};
use crate::arguments::Global;
use crate::deployment::{connect, sdk};
use crate::failure::{Exit, Failure};
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
        let sdk = sdk(global).await?;
        let identity = identity::ask(&sdk).await;
        let mut findings = vec![identity::clock(&identity)];
        let connected = if identity.who.is_ok() { Some(connect(global).await) } else { None };
        let cluster = connected.as_ref().and_then(|found| found.as_ref().ok()).map(|found| found.deployment.cluster.as_str());
        findings.extend(identity::credentials(&identity, cluster));
        match connected {
            None => {}
            Some(Err(failure)) => findings.push(Finding::error(Area::Credentials, failure.problem, failure.hint)),
            Some(Ok(_)) => {}
        }
        Ok(findings)
    }
}
