//! `mayfly`: what a platform engineer sets Mayfly up with, and asks it why.
//!
//! Each command is a module of [`commands`]: it gathers what it is about into plain data, and shows
//! that as text or as JSON. Answers go to stdout, everything else to stderr. Exit codes: 0 done, 1
//! failed or something is wrong, 2 wrong arguments, 3 what was named does not exist, 4 a plan with
//! changes.

pub mod active_pools;
pub mod arguments;
pub mod caller;
pub mod commands;
mod credentials;
pub mod deployment;
pub mod failure;
pub mod github_access;
pub mod github_setup;
pub mod iam;
pub mod job_arg;
pub mod key_file;
pub mod killed;
pub mod pool_status;
pub mod pools_store;
pub mod progress;
pub mod runner_arg;
pub mod runner_group;
pub mod runner_phase;
pub mod screen;
pub mod secrets_store;
#[cfg(test)]
mod ssm_on_loopback;
pub mod start_summary;
pub mod table;
pub mod text_format;
pub mod time_format;
pub mod wait_reason;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::screen::Screen;

/// The program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no failure; where that is closed no one reads
            // them.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let screen =
        Screen::new(arguments.global.color, arguments.global.json).wide(arguments.global.wide);
    match run(arguments, &screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            Exit::Failed.into()
        }
    }
}

/// Runs what has to ask AWS or GitHub.
///
/// # Errors
///
/// What the command fails with.
pub fn wait_for<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::new(format!("start: {error}"), ""))?
        .block_on(asking)
}

fn run(arguments: Arguments, screen: &Screen) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Check(check) => check.run(&arguments.global, screen),
        Command::Match(asked) => asked.run(&arguments.global, screen),
        Command::Jobs(jobs) => jobs.run(&arguments.global, screen),
        Command::Runners(runners) => runners.run(&arguments.global, screen),
        Command::Status(status) => status.run(&arguments.global, screen),
        Command::Pools(pools) => pools.run(&arguments.global, screen),
        Command::Plan(plan) => plan.run(&arguments.global, screen),
        Command::Apply(apply) => apply.run(&arguments.global, screen),
        Command::Logs(logs) => logs.run(&arguments.global, screen),
        Command::Stop(stop) => stop.run(&arguments.global, screen),
        Command::Retry(again) => again.run(&arguments.global, screen),
        Command::Doctor(doctor) => doctor.run(&arguments.global, screen),
        Command::Explain(explain) => explain.run(&arguments.global, screen),
        Command::Init(init) => init.run(&arguments.global, screen),
        Command::Rotate(rotate) => rotate.run(&arguments.global, screen),
        Command::Schema => commands::schema::run(screen),
        Command::Completions(completions) => completions.run(screen),
        Command::Version(version) => version.run(&arguments.global, screen),
    }
}
