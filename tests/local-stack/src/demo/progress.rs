//! Live progress: one line that changes on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::outcome::Outcome;

/// Shows how far the demo is.
pub(super) struct Progress {
    terminal: bool,
    last: String,
}

impl Progress {
    /// Tells how to read the lines to come.
    pub(super) fn new() -> Self {
        println!("one sign for each job: . waits, > runs, # done, x ended otherwise");
        Self {
            terminal: std::io::stdout().is_terminal(),
            last: String::new(),
        }
    }

    pub(super) fn show(&mut self, outcome: &Outcome, elapsed: Duration) {
        let count = |status: &str| {
            outcome
                .lines
                .iter()
                .filter(|line| line.job.status == status)
                .count()
        };
        let bar: String = outcome
            .lines
            .iter()
            .map(|line| sign(&line.job.status, line.job.conclusion.as_deref()))
            .collect();
        let state = format!(
            "[{bar}] {} waiting, {} running, {} over",
            outcome.lines.len() - count("in_progress") - count("completed"),
            count("in_progress"),
            count("completed"),
        );
        if self.terminal {
            print!("\r\x1b[2K{:5.1} s {state}", elapsed.as_secs_f64());
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stdout().flush();
        } else if state != self.last {
            println!("{:5.1} s {state}", elapsed.as_secs_f64());
        }
        self.last = state;
    }

    pub(super) fn end(&self) {
        println!("{}", if self.terminal { "\n" } else { "" });
    }
}

fn sign(status: &str, conclusion: Option<&str>) -> char {
    match (status, conclusion) {
        ("completed", Some("success")) => '#',
        ("completed", _) => 'x',
        ("in_progress", _) => '>',
        _ => '.',
    }
}
