//! `mayfly cost`.

pub mod text;

use std::time::Duration;

use clap::{Args, ValueHint};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::RepositoryPattern;
pub use mayfly_reports::cost as report;

use self::report::{By, Filter, gather};
use super::list_filter::{no_such_pool, pattern, pool, reaches_back};
use crate::deployment::connect::connect;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::{duration, duration_text};

/// Which costs to sum.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Sums the cost of runners that ended within this time. Each runner counts for the job that it ran or was started for. START-UP: paid before the job began. UNUSED: runners that got no job. HOSTED: the same jobs on GitHub-hosted runners of similar size; free in public repositories. SAVED: HOSTED minus all costs except those of public repositories.

Examples:
  mayfly cost
  mayfly cost --by workflow --repository 'acme/*' --since 30d
  mayfly cost --by day --json | jq -r '.lines[] | [.what, .cost_nanodollars / 1e9] | @csv'")]
pub struct Cost {
    /// What to sum by
    #[arg(long, value_name = "WHAT", default_value = "repository")]
    by: By,
    /// Only this repository; * stands for any characters within one part
    #[arg(long, value_name = "OWNER/NAME", value_parser = pattern, value_hint = ValueHint::Other)]
    repository: Option<RepositoryPattern>,
    /// Only this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only runners that ended within this time
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d", value_hint = ValueHint::Other)]
    since: Duration,
    /// Show at most N lines; the total has all [default: 50; with --json all]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    limit: Option<usize>,
}

/// Most lines for people, unless asked otherwise.
const SHOWN: usize = 50;

impl Cost {
    /// Sums costs.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            reaches_back(self.since, pools.as_deref(), screen);
            let ledger = connected.ledger();
            let failed = |error| ledger_refused("read the costs", &error);
            if let Some(problem) = no_such_pool(&ledger, pools.as_deref(), self.pool.as_ref())
                .await
                .map_err(failed)?
            {
                screen.say(problem);
                return Ok(Exit::Nothing);
            }
            let filter = Filter {
                pool: self.pool.clone(),
                repository: self.repository.clone(),
                since: now.minus(self.since),
                by: self.by,
            };
            let mut report = gather(&ledger, pools.as_deref(), &filter, now)
                .await
                .map_err(failed)?;
            if screen.json() {
                report.lines.truncate(self.limit.unwrap_or(usize::MAX));
                screen.print_json(&report)?;
            } else if report.lines.is_empty() {
                screen.say(format_args!(
                    "no runner ended in the last {}",
                    duration_text(self.since)
                ));
            } else {
                let limit = self.limit.unwrap_or(SHOWN);
                screen.print(text::text(&report, limit, screen.width()));
            }
            Ok(Exit::Done)
        })
    }
}
