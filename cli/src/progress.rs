//! What is going on, for whoever waits before a terminal: one line that gives way to the answer.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

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
        Self { terminal: std::io::stderr().is_terminal(), since: Instant::now(), shown: false }
    }
}

impl Progress {
    /// Says what is going on now.
    pub fn say(&mut self, text: &str) {
        if self.terminal && self.since.elapsed() >= SOON {
            self.shown = true;
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r{text}\u{1b}[K").and_then(|()| stderr.flush());
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
