//! `mayfly explain`.

pub mod github_lookup;
pub mod pool_match;
pub mod report;
pub mod summary;
pub mod text;
pub mod timeline;

use clap::{Args, ValueHint};
use mayfly_config::store::system_clock;
use mayfly_domain::model::pool::Pools;

use crate::deployment::connect::{Connected, connect};
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::github::access;
use crate::input::job_arg::JobArg;
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;

/// A job to explain.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Looks up a job that Mayfly does not know at GitHub, if you give its URL and may read the App's key. Times are UTC.

Examples:
  mayfly explain 14541957942
  mayfly explain https://github.com/acme/app/actions/runs/15871/job/14541957942
  mayfly explain 14541957942 --json | jq -r '.waits.because'")]
pub struct Explain {
    /// GitHub's id of the job, or any URL of it
    #[arg(value_name = "JOB|URL", value_hint = ValueHint::Other)]
    job: JobArg,
}

impl Explain {
    /// Tells a job's story.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = system_clock();
            let asked = report::gather(
                &connected.ledger(),
                pools.as_deref(),
                self.job.id,
                &connected.github_url().await?,
                now,
            )
            .await;
            let Some(report) = asked.map_err(|error| ledger_refused("read the job", &error))?
            else {
                return self.outside(&connected, pools.as_deref(), screen).await;
            };
            if screen.json() {
                screen.print_json(&report)?;
            } else {
                screen.print(text::text(&report, screen.width()));
            }
            Ok(Exit::Done)
        })
    }

    /// The ledger does not know it: GitHub may.
    async fn outside(
        &self,
        connected: &Connected,
        pools: Option<&Pools>,
        screen: &Screen,
    ) -> Result<Exit, Failure> {
        let now = system_clock();
        let answer = match (&self.job.repository, pools) {
            (None, _) => github_lookup::unasked(
                &self.job,
                "an id alone does not tell where the job is; give its URL",
                now,
            ),
            (Some(_), None) => github_lookup::unasked(
                &self.job,
                "without a pools file Mayfly cannot tell which jobs it serves",
                now,
            ),
            (Some(name), Some(pools)) => match access::app(connected).await {
                Ok(app) => {
                    github_lookup::ask(&app.github, &self.job, name, pools, &app.url, now).await?
                }
                Err(why) => github_lookup::unasked(&self.job, why.to_string(), now),
            },
        };
        let found = answer.shown.is_some();
        if screen.json() {
            screen.print_json(&answer)?;
        } else if found {
            screen.print(github_lookup::text(&answer, screen.width()));
        } else {
            screen.say(github_lookup::text(&answer, None));
        }
        Ok(if found { Exit::Done } else { Exit::Nothing })
    }
}
