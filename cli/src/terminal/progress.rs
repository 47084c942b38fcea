//! What is going on, for a person who waits at a terminal: one line that gives way to the answer.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::terminal::text_format::{cut, plain};

/// Nothing is said of what takes no longer.
const SOON: Duration = Duration::from_secs(1);

/// A line on stderr, if that is a terminal.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    since: Instant,
    shown: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            since: Instant::now(),
            shown: false,
        }
    }
}

impl Progress {
    /// Says what takes long, where no terminal shows it.
    pub fn begin(text: &str) {
        let mut stderr = std::io::stderr().lock();
        if !stderr.is_terminal() {
            let _ = writeln!(stderr, "{}", plain(text));
        }
    }

    /// Says what is going on now.
    pub fn say(&mut self, text: &str) {
        if self.terminal && self.since.elapsed() >= SOON {
            self.shown = true;
            // A line that breaks cannot be written over.
            let room = terminal_size::terminal_size_of(std::io::stderr())
                .map_or(usize::MAX, |(columns, _)| usize::from(columns.0));
            let mut stderr = std::io::stderr().lock();
            let _ = write!(
                stderr,
                "\r{}\u{1b}[K",
                cut(&plain(text), room.saturating_sub(1))
            )
            .and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\u{1b}[K").and_then(|()| stderr.flush());
        }
    }
}
