//! `mayfly version`.

use clap::Args;
use serde::Serialize;

use crate::deployment::connect::{VERSION, connect};
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{FAINT, Screen};
use crate::terminal::text_format::plain;

/// Versions to show.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Without credentials, only the version of mayfly itself is shown. The CLI and the deployment should have the same version.

Examples:
  mayfly version
  mayfly version --json | jq -r .mayfly")]
pub struct Version {}

/// The answer.
#[derive(Debug, Serialize)]
struct Answer {
    /// This program's version.
    mayfly: &'static str,
    /// The stack that was asked.
    stack: String,
    /// Its version; none if it does not say, or could not be asked.
    deployed: Option<String>,
    /// Why it could not be asked.
    not_asked: Option<String>,
}

impl Version {
    /// Shows the versions.
    ///
    /// # Errors
    ///
    /// If the answer cannot be written.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let asked = block_on(connect(global));
        let (deployed, not_asked) = match asked {
            Ok(connected) => (connected.deployment.version, None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        let answer = Answer {
            mayfly: VERSION,
            stack: global.stack.clone(),
            deployed,
            not_asked,
        };
        if screen.json() {
            screen.print_json(&answer)?;
            return Ok(Exit::Done);
        }
        screen.print(format_args!("mayfly {}", answer.mayfly));
        match (&answer.deployed, &answer.not_asked) {
            (Some(version), _) => {
                screen.print(format_args!("stack {} {}", answer.stack, plain(version)))
            }
            (None, Some(why)) => screen.say(format_args!(
                "{FAINT}stack {} was not asked: {}{FAINT:#}",
                answer.stack,
                plain(why)
            )),
            (None, None) => screen.say(format_args!(
                "{FAINT}stack {} has no recorded version: it is older{FAINT:#}",
                answer.stack
            )),
        }
        Ok(Exit::Done)
    }
}
