//! `mayfly`: what a platform engineer sets Mayfly up with, and asks it why.
//!
//! Each command is a module of [`commands`]: `<name>.rs` has its arguments and runs it; where it
//! shows much, `<name>/report.rs` gathers that into plain data, which is its JSON, and
//! `<name>/text.rs` renders it. Commands stand on [`deployment`] (AWS), [`github`], [`input`] (what
//! people name and hand in) and [`terminal`]; only [`args`] knows all commands.
//!
//! Answers go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, wrong
//! arguments, or something is wrong, 2 a plan with changes, 3 what was named does not exist.

pub mod args;
pub mod commands;
pub mod deployment;
pub mod failure;
pub mod github;
pub mod input;
pub mod options;
pub mod runtime;
pub mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::terminal::screen::Screen;

/// The program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no failure; if stdout is closed, they are lost.
            // Not clap's own 2: in a pipeline that means changes (plan --exit-code).
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Failed
            } else {
                Exit::Done
            }
            .into();
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

fn run(arguments: Arguments, screen: &Screen) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Check(check) => check.run(&arguments.global, screen),
        Command::Match(asked) => asked.run(&arguments.global, screen),
        Command::Cost(cost) => cost.run(&arguments.global, screen),
        Command::Advise(advise) => advise.run(&arguments.global, screen),
        Command::Dashboard(dashboard) => dashboard.run(&arguments.global, screen),
        Command::Report(report) => report.run(&arguments.global, screen),
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
        Command::Completions(completions) => completions.run(Arguments::command(), screen),
        Command::Version(version) => version.run(&arguments.global, screen),
    }
}
