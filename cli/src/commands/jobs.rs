//! `mayfly jobs`.

pub mod text;

use std::time::Duration;

use clap::{Args, ValueHint};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_ledger::LedgerError;
pub use mayfly_reports::jobs as report;

use self::report::{Filter, State, gather};
use super::list_filter::{limit, no_such_pool, pattern, pool, reaches_back};
use crate::deployment::connect::connect;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::{duration, duration_text};

/// Which jobs to list.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lists open jobs and recently ended ones, the newest last. Jobs that no pool takes are listed if they seem meant for one.

Examples:
  mayfly jobs
  mayfly jobs --repository 'acme/*' --state queued
  mayfly jobs --since 24h --json | jq '[.jobs[].cost_nanodollars // 0] | add / 1e9'")]
pub struct Jobs {
    /// Only this repository; * stands for any characters within one part
    #[arg(long, value_name = "OWNER/NAME", value_parser = pattern, value_hint = ValueHint::Other)]
    repository: Option<RepositoryPattern>,
    /// Only this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only in this state
    #[arg(long)]
    state: Option<State>,
    /// Include jobs that ended within this time (records are kept for 180 days unless [history] keep in the pools file says otherwise)
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h", value_hint = ValueHint::Other)]
    since: Duration,
    /// Show at most N, the newest [default: 200; with --json all]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    limit: Option<usize>,
}

impl Jobs {
    /// Lists jobs.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            let filter = Filter {
                repository: self.repository.clone(),
                pool: self.pool.clone(),
                state: self.state,
                since: now.minus(self.since),
                limit: limit(self.limit, screen),
            };
            reaches_back(self.since, pools.as_deref(), screen);
            let ledger = connected.ledger();
            let failed = |error: LedgerError| ledger_refused("read the jobs", &error);
            if let Some(problem) = no_such_pool(&ledger, pools.as_deref(), self.pool.as_ref())
                .await
                .map_err(failed)?
            {
                screen.say(problem);
                return Ok(Exit::Nothing);
            }
            let answer = gather(&ledger, pools.as_deref(), &filter, now)
                .await
                .map_err(failed)?;
            let text = (!answer.jobs.is_empty()).then(|| text::text(&answer, screen.width()));
            screen.print_list(&answer, text, &self.none(), answer.more)?;
            Ok(Exit::Done)
        })
    }

    /// What an empty list means.
    fn none(&self) -> String {
        let such = if self.repository.is_some() || self.pool.is_some() || self.state.is_some() {
            "such jobs"
        } else {
            "jobs"
        };
        match self.state {
            Some(state) if state != State::Closed => format!("no {such} now"),
            _ => format!("no {such} in the last {}", duration_text(self.since)),
        }
    }
}
