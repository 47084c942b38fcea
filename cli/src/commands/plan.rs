//! `mayfly plan`: what a pools file would change.

pub mod difference;
pub mod effects;
pub mod github;
pub mod references;
pub mod report;
pub mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mayfly_config::store::system_clock;

use self::github::comment;
use self::report::{Compared, Plan, gather};
use self::text::text;
use super::doctor::quota::{self, ServiceQuotas};
use crate::deployment::connect::{Connected, connect};
use crate::deployment::drift;
use crate::deployment::pools_store::{PoolsStore, Version};
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::input::pools_file::{Readable, readable};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{CAUTION, Screen};

/// A pools file to compare with the active one.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Changes nothing. Prices come from [prices] in the file, or else from AWS's list prices in the stack's region. Of a new pool it shows the keys that are not the default.

Examples:
  mayfly plan pools.toml
  mayfly plan --exit-code pools.toml             # in CI: 0 no changes, 2 changes, 1 failed
  mayfly plan --format github pools.toml > comment.md   # for a pull request: examples/gitops has the workflow
  mayfly plan pools.toml --json | jq '.pools[] | select(.change == \"remove\") | .pool'")]
pub struct PlanArgs {
    /// The pools file; - for stdin
    file: PathBuf,
    /// Exit with 2 if there are changes
    #[arg(long)]
    exit_code: bool,
    /// The format: text, or github, a pull request comment in Markdown
    #[arg(
        long,
        value_enum,
        default_value = "text",
        hide_possible_values = true,
        conflicts_with = "json"
    )]
    format: Format,
    /// Show every key of new pools
    #[arg(long, short)]
    verbose: bool,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For a comment at GitHub.
    Github,
}

/// What a plan was made from, to carry it out.
pub struct Prepared {
    /// The deployment.
    pub connected: Connected,
    /// The newest version that there was.
    pub newest: Option<Version>,
    /// The plan.
    pub plan: Plan,
}

/// Reads what is active and makes the plan for a file.
///
/// # Errors
///
/// If the deployment cannot be asked.
pub async fn prepare(
    connected: Connected,
    file: &Readable,
    name: String,
    screen: &Screen,
) -> Result<Prepared, Failure> {
    let parameter = connected.ssm_pools_store();
    let newest = parameter.version(None).await?;
    // A broken file cannot be compared: then the one that the functions use is.
    let before = match &newest {
        Some(_) => connected.active_pools(screen).await.or_else(|problem| {
            screen.say(format_args!(
                "{CAUTION}warning:{CAUTION:#} nothing to compare with: {}",
                problem.problem
            ));
            Ok::<_, Failure>(None)
        })?,
        None => None,
    };
    let author = match &newest {
        Some(newest) => parameter.author(newest.number).await,
        None => None,
    };
    let ledger = connected.ledger();
    let drift = match &newest {
        Some(newest) => drift::find(&ledger, &parameter, newest, system_clock()).await?,
        None => None,
    };
    let public_ip = connected.deployment.assign_public_ip == "ENABLED";
    let region = connected.region().to_owned();
    let quotas = ServiceQuotas::new(&connected.sdk);
    let (allowed, warnings) = futures::join!(
        quota::known(&quotas),
        references::warnings(&connected, &file.pools)
    );
    let compared = Compared {
        newest: newest.as_ref(),
        author,
        drift,
        before: before.as_deref(),
        file,
        region: &region,
        public_ip,
        allowed,
    };
    let plan = gather(&ledger, &compared, &connected.stack, name).await;
    let plan = plan.map_err(|error| ledger_refused("read the ledger", &error))?;
    for (problem, fix) in warnings {
        screen.say(format_args!(
            "{CAUTION}warning:{CAUTION:#} {problem}\n    {fix}"
        ));
    }
    Ok(Prepared {
        connected,
        newest,
        plan,
    })
}

impl PlanArgs {
    /// Shows the plan.
    ///
    /// # Errors
    ///
    /// If the file cannot be used, or the deployment not be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let readable = readable(&self.file, screen)?;
        let prepared = block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            prepare(
                connected,
                &readable,
                self.file.display().to_string(),
                screen,
            )
            .await
        })?;
        if screen.json() {
            screen.print_json(&prepared.plan)?;
        } else if self.format == Format::Github {
            screen.print_exactly(&comment(&prepared.plan, self.verbose))?;
        } else {
            screen.print(text(&prepared.plan, self.verbose));
        }
        Ok(if self.exit_code && prepared.plan.changes_something() {
            Exit::Changes
        } else {
            Exit::Done
        })
    }
}
