//! `mayfly completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::screen::Screen;

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
    /// Prints the script.
    ///
    /// # Errors
    ///
    /// If the script is not text.
    pub fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "mayfly", &mut script);
        let script = String::from_utf8(script)
            .map_err(|error| Failure::new(format!("make the script: {error}"), ""))?;
        screen.print(script.trim_end());
        Ok(Exit::Done)
    }
}
