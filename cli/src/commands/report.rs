//! `mayfly report`.

pub mod csv;
pub mod text;

use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
pub use mayfly_reports::{report_page as html, summary};

use super::list_filter::reaches_back;
use crate::deployment::connect::connect;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;
use crate::terminal::time_format::duration;

/// How a report is written; JSON is a choice of every command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables
    #[default]
    Text,
    /// A self-contained page without scripts
    Html,
    /// One line for each job
    Csv,
}

/// What to report.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Reports on jobs and runners that ended within this time: how long jobs waited and in which phase, how they ended, why runners failed, and what they cost. A job's whole wait counts where the job ended, even if it was queued before.

Examples:
  mayfly report
  mayfly report --since 14d --format html > report.html
  mayfly report --since 24h --format csv > jobs.csv
  mayfly report --json | jq '.wait.p95_seconds'")]
pub struct Report {
    /// Only what ended within this time
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d", value_hint = ValueHint::Other)]
    since: Duration,
    /// The format, written to stdout
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        conflicts_with = "json"
    )]
    format: Format,
}

impl Report {
    /// Reports.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await?;
            let now = mayfly_config::store::system_clock();
            let since = now.minus(self.since);
            reaches_back(self.since, pools.as_deref(), screen);
            let (report, ended) =
                summary::gather(&connected.ledger(), pools.as_deref(), since, now)
                    .await
                    .map_err(|error| ledger_refused("read what ended", &error))?;
            match self.format {
                _ if screen.json() => screen.print_json(&report)?,
                Format::Text => screen.print(text::text(&report, screen.width())),
                Format::Html => screen.print_exactly(&html::page(&report, &global.stack))?,
                Format::Csv => screen.print_exactly(&csv::csv(&ended, since)?)?,
            }
            Ok(Exit::Done)
        })
    }
}
