//! The command line: the options of every command, and the commands.

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{Parser, Subcommand};

use crate::commands::advise::Advise;
use crate::commands::apply::Apply;
use crate::commands::check::Check;
use crate::commands::completions::Completions;
use crate::commands::cost::Cost;
use crate::commands::dashboard::Dashboard;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explain;
use crate::commands::init::Init;
use crate::commands::jobs::Jobs;
use crate::commands::logs::Logs;
use crate::commands::matching::Match;
use crate::commands::plan::PlanArgs;
use crate::commands::pools::Pools;
use crate::commands::report::Report;
use crate::commands::retry::RetryArgs;
use crate::commands::rotate::Rotate;
use crate::commands::runners::Runners;
use crate::commands::status::Status;
use crate::commands::stop::Stop;
use crate::commands::version::Version;
use crate::options::Global;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Exit codes:
  0  done
  1  failed: an error, wrong arguments, or a check that found a problem
  2  plan --exit-code: there are changes
  3  the job, runner, pool or version does not exist";

/// GitHub Actions runners on AWS Fargate, one task for one job.
#[derive(Debug, Parser)]
#[command(name = "mayfly", version, styles = STYLES, after_help = AFTER, arg_required_else_help = true)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up the GitHub App: create it, store its secrets, wait for a delivery
    Init(Init),
    /// Check a pools file: every error with its line and a hint
    Check(Check),
    /// Show which pool takes a job with these labels, and why the others do not
    Match(Match),
    /// List jobs, open and recently ended, with their costs
    Jobs(Jobs),
    /// List runners and their states
    Runners(Runners),
    /// Sum costs by repository, pool, workflow, job or day
    Cost(Cost),
    /// Propose sizes of pools by what their runners used
    Advise(Advise),
    /// Report waits, failures and costs: text, JSON, CSV or a page
    Report(Report),
    /// Show pools, waiting jobs and recent failures
    Status(Status),
    /// Show jobs, pools, waits and costs on a page that refreshes itself
    Dashboard(Dashboard),
    /// Show the active pools, or their file
    Pools(Pools),
    /// Show what a pools file would change
    Plan(PlanArgs),
    /// Apply a pools file
    Apply(Apply),
    /// Show what a runner's container printed
    Logs(Logs),
    /// Stop a runner; a busy one only with --force
    Stop(Stop),
    /// Try a job again now
    Retry(RetryArgs),
    /// Explain a job: what happened, what it waits for, and what helps
    Explain(Explain),
    /// Check a deployment and suggest fixes
    Doctor(Doctor),
    /// Replace the webhook's secret or the App's key without losing deliveries
    Rotate(Rotate),
    /// Print the JSON Schema of the pools file, for editors
    Schema,
    /// Print a script that completes mayfly's commands in a shell
    Completions(Completions),
    /// Show the versions of mayfly and of the deployment
    Version(Version),
}
