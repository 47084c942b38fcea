//! `mayfly advise`.

pub mod pools_diff;
pub mod report;
pub mod text;

use std::time::Duration;

use clap::{Args, ValueHint};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::price::PriceList;
use mayfly_domain::model::right_size::LEAST_RUNS;

use self::report::{Filter, Known, gather};
use super::list_filter::{no_such_pool, pool, reaches_back};
use crate::deployment::connect::connect;
use crate::deployment::pools_store::PoolsStore;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::duration;

/// Which runs to use.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Each runner reports at its end what its container used. MEMORY: the most that any run had, without the page cache. CPU: vCPUs that 95 of 100 runs kept busy at most, on average over the run. A smaller size is proposed if it holds the most memory of all runs and a quarter more, and they keep half of its vCPUs busy at most; more memory if a run came within a tenth of what there is, or ran out of it. Only runs of the pool's current size count.

Examples:
  mayfly advise
  mayfly advise --pool linux --since 14d
  mayfly advise --diff | patch pools.toml         # then: mayfly plan pools.toml")]
pub struct Advise {
    /// Only this pool
    #[arg(long, value_name = "POOL", value_parser = pool, value_hint = ValueHint::Other)]
    pool: Option<PoolName>,
    /// Only runners that ended within this time
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d", value_hint = ValueHint::Other)]
    since: Duration,
    /// Propose nothing for fewer runs than this
    #[arg(long, value_name = "N", default_value_t = LEAST_RUNS, value_hint = ValueHint::Other)]
    min_runs: usize,
    /// Print nothing but the change of the pools file, for patch
    #[arg(long)]
    diff: bool,
}

impl Advise {
    /// Proposes sizes.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let Some(pools) = connected.active_pools(screen).await? else {
                return Ok(Exit::Nothing);
            };
            let now = mayfly_config::store::system_clock();
            reaches_back(self.since, Some(&pools), screen);
            let ledger = connected.ledger();
            let failed = |error| ledger_refused("read what runners used", &error);
            if let Some(problem) = no_such_pool(&ledger, Some(&pools), self.pool.as_ref())
                .await
                .map_err(failed)?
            {
                screen.say(problem);
                return Ok(Exit::Nothing);
            }
            // The file that these pools are of: a newer one may be broken.
            let file = connected
                .ssm_pools_store()
                .version(Some(pools.version))
                .await?;
            let known = Known {
                pools: &pools,
                file: file.as_ref().map(|file| file.text.as_str()),
                prices: PriceList {
                    region: connected.region(),
                    own: &pools.prices,
                    public_ip: connected.deployment.assign_public_ip == "ENABLED",
                },
            };
            let filter = Filter {
                pool: self.pool.clone(),
                since: now.minus(self.since),
                least_runs: self.min_runs,
            };
            let report = gather(&ledger, &known, &filter, now)
                .await
                .map_err(failed)?;
            if screen.json() {
                screen.print_json(&report)?;
            } else if self.diff {
                screen.print_exactly(report.diff.as_deref().unwrap_or_default())?;
            } else {
                screen.print(text::text(&report, screen.width()));
            }
            Ok(Exit::Done)
        })
    }
}
