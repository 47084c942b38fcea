//! The command `mayfly`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mayfly_cli::main(std::env::args_os())
}
