//! What can be said on the command line.

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::apply::Apply;
use crate::commands::check::Check;
use crate::commands::completions::Completions;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explain;
use crate::commands::init::Init;
use crate::commands::jobs::Jobs;
use crate::commands::logs::Logs;
use crate::commands::matching::Match;
use crate::commands::plan::Planning;
use crate::commands::pools::Pools;
use crate::commands::retry::Again;
use crate::commands::rotate::Rotate;
use crate::commands::runners::Runners;
use crate::commands::status::Status;
use crate::commands::stop::Stop;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Exit codes:
  0  done
  1  failed, or something was found wrong
  2  called wrongly
  3  there is nothing of what was asked for";

/// GitHub Actions runners on AWS Fargate, one task for one job.
#[derive(Debug, Parser)]
#[command(name = "mayfly", version, styles = STYLES, after_help = AFTER, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The CloudFormation stack of the deployment
    #[arg(long, global = true, env = "MAYFLY_STACK", default_value = "mayfly", value_name = "NAME")]
    pub stack: String,
    /// The AWS region; default: as the AWS CLI finds it
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// The AWS profile; default: as the AWS CLI finds it
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour: on a terminal, always or never (NO_COLOR is honoured)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up the GitHub App: make it, store its secrets, see it deliver
    Init(Init),
    /// Check a pools file: every error, each with its line and a hint
    Check(Check),
    /// Tell which pool would take a job with these labels, and why the others would not
    Match(Match),
    /// List jobs: open ones and those that closed lately, with what they cost
    Jobs(Jobs),
    /// List runners: how far each is, and how those ended that are gone
    Runners(Runners),
    /// Tell how things are: pools, what waits and why, what failed
    Status(Status),
    /// Show the pools in force, or the file that says so
    Pools(Pools),
    /// Show what a pools file would change, and touch nothing
    Plan(Planning),
    /// Put a pools file in force, all of it at once
    Apply(Apply),
    /// Show what a runner's container printed
    Logs(Logs),
    /// Stop a runner; one that works only with --force
    Stop(Stop),
    /// Try a job again now
    Retry(Again),
    /// Tell a job's story: what happened, what it waits for, and what would help
    Explain(Explain),
    /// Look a deployment over: what is wrong with it, and what to do about it
    Doctor(Doctor),
    /// Replace the webhook's secret or the App's key without losing a delivery
    Rotate(Rotate),
    /// Print the JSON Schema of the pools file, for editors
    Schema,
    /// Print a script that completes mayfly's commands in a shell
    Completions(Completions),
}
