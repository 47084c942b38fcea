//! Where answers go: stdout, as text or as JSON; everything else to stderr. Colour on a terminal only.

use std::fmt::Display;
use std::io::Write;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::arguments::Color;
use crate::failure::Failure;

/// Something went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something may be wrong.
pub const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Less important than the rest.
pub const FAINT: Style = Style::new().dimmed();
/// More important than the rest.
pub const STRONG: Style = Style::new().bold();

/// The terminal, or what stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    choice: Option<ColorChoice>,
    json: bool,
}

impl Screen {
    /// With colour when it is said so, and answers in JSON or in words.
    #[must_use]
    pub fn new(color: Color, json: bool) -> Self {
        let choice = match color {
            Color::Auto => None,
            Color::Always => Some(ColorChoice::Always),
            Color::Never => Some(ColorChoice::Never),
        };
        Self { choice, json }
    }

    /// True if the answer is to be JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Prints an answer. Whoever closed stdout wants no more of it: that is no failure.
    pub fn print(&self, text: impl Display) {
        let _ = self.told(text);
    }

    /// Prints an answer of which more follow. `false`: nobody reads them any more.
    #[must_use]
    pub fn told(&self, text: impl Display) -> bool {
        let stdout = std::io::stdout().lock();
        let mut out = match self.choice {
            None => AutoStream::auto(stdout),
            Some(choice) => AutoStream::new(stdout, choice),
        };
        writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
    }

    /// Prints a text as it is: no newline more, no colour less.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole, unless nobody wants it.
    pub fn print_exactly(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(format!("write the answer: {error}"), "")),
            _ => Ok(()),
        }
    }

    /// Asks a question: what follows is typed on the same line.
    pub fn ask(&self, question: impl Display) {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    }

    /// Prints an answer as JSON, indented.
    ///
    /// # Errors
    ///
    /// If the answer cannot be written as JSON.
    pub fn print_json(&self, answer: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(answer).map_err(|error| Failure::new(format!("write the answer as JSON: {error}"), ""))?;
        self.print(text);
        Ok(())
    }

    /// Prints a list: as JSON, or as the text that it makes, if there is anything in it; else says that there is `none`. Says if there is `more`.
    ///
    /// # Errors
    ///
    /// If the answer cannot be written as JSON.
    pub fn print_list(&self, answer: &impl Serialize, text: Option<String>, (none, more): (&str, bool)) -> Result<(), Failure> {
        if self.json {
            return self.print_json(answer);
        }
        match text {
            Some(text) => self.print(text),
            None => self.say(none),
        }
        if more {
            self.say("there are more: narrow it down, or say --limit");
        }
        Ok(())
    }

    /// Says something that is no answer.
    pub fn say(&self, text: impl Display) {
        let stderr = std::io::stderr().lock();
        let mut out = match self.choice {
            None => AutoStream::auto(stderr),
            Some(choice) => AutoStream::new(stderr, choice),
        };
        let _ = writeln!(out, "{text}");
    }

    /// Says why a command could not be carried out.
    pub fn failure(&self, failure: &Failure) {
        self.say(format_args!("{BAD}error:{BAD:#} {}", failure.problem));
        if !failure.hint.is_empty() {
            self.say(format_args!("  {}", failure.hint));
        }
    }
}
