//! `mayfly pools`: the active pools.

pub mod report;
pub mod text;

use clap::Args;
use mayfly_config::store::system_clock;
use serde::Serialize;

use self::report::{Known, gather};
use self::text::text;
use crate::deployment::connect::connect;
use crate::deployment::pools_store::{PoolsStore, Version};
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::Rfc3339;

/// What to show.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  mayfly pools
  mayfly pools --file > pools.toml                # as it was applied, to the byte
  mayfly pools --file --version 7 | diff - pools.toml
  mayfly apply --version 7                        # back to version 7")]
pub struct Pools {
    /// The file as it was applied
    #[arg(long)]
    file: bool,
    /// An earlier version of the file (AWS keeps the last 100)
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
}

/// A version of the file, as JSON.
#[derive(Debug, Serialize)]
struct File<'a> {
    version: u64,
    applied_at: Option<Rfc3339>,
    applied_by: Option<String>,
    text: &'a str,
}

impl Pools {
    /// Shows the pools, or the file.
    ///
    /// # Errors
    ///
    /// If the deployment cannot be asked, or no version of the file can be used.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let parameter = connected.ssm_pools_store();
            let Some(newest) = parameter.version(self.version).await? else {
                match self.version {
                    Some(number) => screen.say(format_args!(
                        "AWS has no version {number} of the pools file (it keeps the last 100)"
                    )),
                    None => screen.say("no pools file is active yet: mayfly apply pools.toml"),
                }
                return Ok(Exit::Nothing);
            };
            let author = parameter.author(newest.number).await;
            if self.file {
                return file(screen, &newest, author);
            }
            let Some(pools) = connected.active_pools(screen).await? else {
                return Ok(Exit::Nothing);
            };
            let known = Known {
                newest: &newest,
                author,
                pools: &pools,
            };
            let answer = gather(&connected.ledger(), &known)
                .await
                .map_err(|error| ledger_refused("read the ledger", &error))?;
            if screen.json() {
                screen.print_json(&answer)?;
            } else {
                screen.print(text(&answer, system_clock(), screen.width()));
            }
            Ok(Exit::Done)
        })
    }
}

fn file(screen: &Screen, version: &Version, applied_by: Option<String>) -> Result<Exit, Failure> {
    if screen.json() {
        screen.print_json(&File {
            version: version.number,
            applied_at: version.at.map(Rfc3339),
            applied_by,
            text: &version.text,
        })?;
    } else {
        screen.print_exactly(&version.text)?;
    }
    Ok(Exit::Done)
}
