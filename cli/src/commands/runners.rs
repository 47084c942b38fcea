//! `mayfly runners`.

pub mod report;
pub mod text;

use std::time::Duration;

use clap::{Args, ValueHint};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_ledger::LedgerError;

use self::report::{Filter, State, gather};
use self::text::text;
use super::list_filter::{limit, no_such_pool, pattern, pool, reaches_back};
use crate::deployment::connect::connect;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::{duration, duration_text};

/// Which runners to list.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lists open runners, and with --since those that ended within this time, the newest last.

Examples:
  mayfly runners
  mayfly runners --pool linux --state busy
  mayfly runners --since 1h --json | jq '.runners[] | select(.outcome == \"failed_start\") | .reason'")]
pub struct Runners {
    /// Only this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only this repository; * stands for any characters within one part
    #[arg(long, value_name = "OWNER/NAME", value_parser = pattern, value_hint = ValueHint::Other)]
    repository: Option<RepositoryPattern>,
    /// Only in this state
    #[arg(long)]
    state: Option<State>,
    /// Include runners that ended within this time (records are kept for 180 days unless [history] keep in the pools file says otherwise)
    #[arg(long, value_name = "DURATION", value_parser = duration, value_hint = ValueHint::Other)]
    since: Option<Duration>,
    /// Show at most N, the newest [default: 200; with --json all]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    limit: Option<usize>,
}

impl Runners {
    /// Lists runners.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            let since = self
                .since
                .or((self.state == Some(State::Closed)).then_some(Duration::from_secs(60 * 60)));
            let filter = Filter {
                pool: self.pool.clone(),
                repository: self.repository.clone(),
                state: self.state,
                since: since.map(|since| now.minus(since)),
                limit: limit(self.limit, screen),
            };
            since
                .into_iter()
                .for_each(|since| reaches_back(since, pools.as_deref(), screen));
            let ledger = connected.ledger();
            let failed = |error: LedgerError| ledger_refused("read the runners", &error);
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
            let text = (!answer.runners.is_empty()).then(|| text(&answer, screen.width()));
            let such = if self.repository.is_some() || self.pool.is_some() || self.state.is_some() {
                "such runners"
            } else {
                "runners"
            };
            let none = since.map_or_else(
                || format!("no {such} now"),
                |since| format!("no {such} now or in the last {}", duration_text(since)),
            );
            screen.print_list(&answer, text, &none, answer.more)?;
            Ok(Exit::Done)
        })
    }
}
