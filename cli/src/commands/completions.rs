//! `mayfly completions`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Exit, Failure};
use crate::terminal::screen::Screen;

/// A shell.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  source <(mayfly completions bash)\n  mayfly completions zsh > ~/.zfunc/_mayfly"
)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script for `command`, with all that it knows.
    ///
    /// # Errors
    ///
    /// If the script is not text.
    pub fn run(&self, mut command: Command, screen: &Screen) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "mayfly", &mut script);
        let script = String::from_utf8(script)
            .map_err(|error| Failure::new(format!("could not write the script: {error}"), ""))?;
        screen.print(script.trim_end());
        Ok(Exit::Done)
    }
}
