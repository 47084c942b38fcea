//! `mayfly check`.

use std::path::PathBuf;

use clap::Args;
use mayfly_config::pools_file::{Problem, Review, Vcpus, review};
use serde::Serialize;

use super::doctor::quota::{Allowed, ServiceQuotas, gather};
use crate::deployment::connect::sdk;
use crate::failure::{Exit, Failure};
use crate::input::pools_file::{NO_VERSION, show, text};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{BAD, CAUTION, GOOD, Screen};
use crate::terminal::text_format::counted;

/// What to check.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  mayfly check pools.toml
  mayfly check --quota pools.toml                # against what the account may run
  mayfly check --vcpus 6 --strict pools.toml     # a new account's quota; warnings fail, too
  git show HEAD:pools.toml | mayfly check -")]
pub struct Check {
    /// The pools file; - for stdin
    file: PathBuf,
    /// Ask AWS for the account's vCPU quotas, and warn about pools that need more
    #[arg(long)]
    quota: bool,
    /// vCPUs that the account may run on demand (quota L-3032A538): warn of pools that need more
    #[arg(long, value_name = "N")]
    vcpus: Option<u32>,
    /// The account's vCPU quota on Spot (L-36FBB829)
    #[arg(long, value_name = "N")]
    spot_vcpus: Option<u32>,
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
}

/// One thing that was found, as JSON.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    severity: &'static str,
    line: usize,
    column: usize,
    path: &'a str,
    message: &'a str,
    hint: &'a str,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    file: String,
    pools: Vec<&'a str>,
    findings: Vec<Finding<'a>>,
    /// What is worth knowing and no mistake.
    notes: &'a [String],
}

impl Check {
    /// Checks the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or AWS does not say what the account may run.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let text = text(&self.file)?;
        let vcpus = self.vcpus(global)?;
        let Review {
            pools,
            warnings,
            notes,
        } = review(&text, NO_VERSION, vcpus);
        let problems = pools.as_ref().err().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = pools
            .iter()
            .flat_map(|pools| &pools.pools)
            .map(|pool| pool.name.as_str())
            .collect();
        if screen.json() {
            let findings = problems
                .iter()
                .map(|problem| finding("error", problem))
                .chain(warnings.iter().map(|warning| finding("warning", warning)));
            screen.print_json(&Answer {
                file: self.file.display().to_string(),
                pools: names,
                findings: findings.collect(),
                notes: &notes,
            })?;
        } else {
            for problem in problems {
                show(screen, &self.file, problem, "error", BAD);
            }
            for warning in &warnings {
                show(screen, &self.file, warning, "warning", CAUTION);
            }
            for note in &notes {
                screen.say(format_args!("{}: {note}", self.file.display()));
            }
            self.sum_up(screen, problems.len(), warnings.len(), &names);
        }
        let well = problems.is_empty() && (warnings.is_empty() || !self.strict);
        Ok(if well { Exit::Done } else { Exit::Failed })
    }

    /// What the account may run: as was said, else as AWS says, if it is to be asked.
    fn vcpus(&self, global: &Global) -> Result<Vcpus, Failure> {
        let said = Vcpus {
            on_demand: self.vcpus,
            spot: self.spot_vcpus,
        };
        if !self.quota || (said.on_demand.is_some() && said.spot.is_some()) {
            return Ok(said);
        }
        let Allowed {
            on_demand, spot, ..
        } = block_on(async { Ok(gather(&ServiceQuotas::new(&sdk(global).await?)).await) })?;
        let asked = |said: Option<u32>, asked: Result<u32, Failure>| said.map_or(asked, Ok);
        Ok(Vcpus {
            on_demand: Some(asked(said.on_demand, on_demand)?),
            spot: Some(asked(said.spot, spot)?),
        })
    }

    fn sum_up(&self, screen: &Screen, problems: usize, warnings: usize, pools: &[&str]) {
        let file = self.file.display();
        if problems > 0 {
            return screen.say(format_args!("{file}: {}", counted(problems, "error")));
        }
        let warnings = if warnings > 0 {
            format!(", {}", counted(warnings, "warning"))
        } else {
            String::new()
        };
        screen.print(format_args!(
            "{GOOD}{file}:{GOOD:#} {}{warnings}: {}",
            counted(pools.len(), "pool"),
            pools.join(", ")
        ));
    }
}

fn finding<'a>(severity: &'static str, problem: &'a Problem) -> Finding<'a> {
    let Problem {
        line,
        column,
        path,
        message,
        hint,
    } = problem;
    Finding {
        severity,
        line: *line,
        column: *column,
        path,
        message,
        hint,
    }
}
