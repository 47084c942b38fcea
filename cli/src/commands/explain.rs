//! `mayfly explain`.

pub mod matched;
pub mod story;
pub mod tale;
pub mod text;
pub mod verdict;

use clap::Args;

use crate::arguments::Global;
use crate::deployment::{connect, ledger_refused};
use crate::failure::{Exit, Failure};
use crate::job_named::JobNamed;
use crate::screen::Screen;

/// A job that somebody wonders about.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exit codes: 3 if neither the ledger nor GitHub knows the job.

Examples:
  mayfly explain 14541957942
  mayfly explain https://github.com/acme/app/actions/runs/15871/job/14541957942
  mayfly explain 14541957942 --json | jq -r '.waits.because'")]
pub struct Explain {
    /// GitHub's id of the job, or any URL of it
    #[arg(value_name = "JOB|URL")]
    job: JobNamed,
}

impl Explain {
    /// Tells a job's story.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        crate::wait_for(async {
            let connected = connect(global).await?;
            let pools = connected.pools_in_force(screen).await?;
            let now = mayfly_settings::source::system_clock();
            let asked = tale::gather(&connected.ledger(), pools.as_deref(), self.job.id, now).await;
            let Some(tale) = asked.map_err(|error| ledger_refused("read the job", &error))? else {
                screen.say(format_args!("the ledger does not know {}", self.job));
                return Ok(Exit::Nothing);
            };
            if screen.json() {
                screen.print_json(&tale)?;
            } else {
                screen.print(text::text(&tale));
            }
            Ok(Exit::Done)
        })
    }
}
