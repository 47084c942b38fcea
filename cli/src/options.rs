//! The options that every command takes.

use clap::{Args, ValueEnum, ValueHint};

/// Options of every command: told last.
const GLOBAL: &str = "Global options";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The CloudFormation stack of the deployment
    #[arg(long, global = true, help_heading = GLOBAL, env = "MAYFLY_STACK", default_value = "mayfly", value_name = "NAME", value_hint = ValueHint::Other)]
    pub stack: String,
    /// The AWS region; default: as the AWS CLI finds it
    #[arg(long, global = true, help_heading = GLOBAL, value_hint = ValueHint::Other)]
    pub region: Option<String>,
    /// The AWS profile: its credentials and no others; default: as the AWS CLI finds them
    #[arg(long, global = true, help_heading = GLOBAL, value_hint = ValueHint::Other)]
    pub profile: Option<String>,
    /// Print JSON; times are UTC
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Do not fit tables to the terminal's width
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub wide: bool,
    /// Colour: auto (on a terminal), always or never; NO_COLOR is honoured
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
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
