//! Where answers go: stdout, as text or as JSON; everything else to stderr. Colour on a terminal
//! only, and nothing else that a terminal would obey.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;
use crate::options::Color;
use crate::terminal::text_format::{escaped, harmless};

/// Something went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something may be wrong.
pub const CAUTION: Style = AnsiColor::Yellow.on_default().bold();
/// Less important than the rest.
pub const FAINT: Style = Style::new().dimmed();
/// More important than the rest.
pub const STRONG: Style = Style::new().bold();

/// The terminal, or its replacement.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    choice: Option<ColorChoice>,
    json: bool,
    wide: bool,
}

impl Screen {
    /// With or without colour, and with answers in JSON or as text.
    #[must_use]
    pub fn new(color: Color, json: bool) -> Self {
        let choice = match color {
            Color::Auto => None,
            Color::Always => Some(ColorChoice::Always),
            Color::Never => Some(ColorChoice::Never),
        };
        Self {
            choice,
            json,
            wide: false,
        }
    }

    /// The same, with tables as wide as they are, if so.
    #[must_use]
    pub fn wide(self, wide: bool) -> Self {
        Self { wide, ..self }
    }

    /// How wide the terminal is that answers go to; none: tables are not cut.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        if self.wide {
            None
        } else {
            terminal().map(|(columns, _)| columns)
        }
    }

    /// True if the answer is to be JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Prints an answer. A closed stdout is no failure: the reader has had enough.
    pub fn print(&self, text: impl Display) {
        let _ = self.told(text);
    }

    /// Prints an answer of which more follow. `false`: stdout is closed.
    #[must_use]
    pub fn told(&self, text: impl Display) -> bool {
        let stdout = std::io::stdout().lock();
        let mut out = match self.choice {
            None => AutoStream::auto(stdout),
            Some(choice) => AutoStream::new(stdout, choice),
        };
        writeln!(out, "{}", harmless(&text.to_string()))
            .and_then(|()| out.flush())
            .is_ok()
    }

    /// Prints a text as it is: no newline more, no colour less. Only a terminal is spared what it
    /// would obey.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole, unless stdout is closed.
    pub fn print_exactly(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let shown = if stdout.is_terminal() {
            harmless(text)
        } else {
            text.to_owned()
        };
        match stdout
            .write_all(shown.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
                format!("could not write the output: {error}"),
                "",
            )),
            _ => Ok(()),
        }
    }

    /// Draws a whole screen of a terminal that [`Screen::enter`] made ready. `false`: it is gone.
    #[must_use]
    pub fn draw(&self, lines: &[String]) -> bool {
        let lines: Vec<String> = lines.iter().map(|line| harmless(line)).collect();
        let text = match self.choice {
            Some(ColorChoice::Never) => anstream::adapter::strip_str(&lines.join("\n")).to_string(),
            _ if self.choice.is_none()
                && AutoStream::choice(&std::io::stdout()) == ColorChoice::Never =>
            {
                anstream::adapter::strip_str(&lines.join("\n")).to_string()
            }
            _ => lines.join("\n"),
        };
        raw(&format!(
            "\u{1b}[H{}\u{1b}[K\u{1b}[J",
            text.replace('\n', "\u{1b}[K\r\n")
        ))
    }

    /// Gives a terminal a second screen to draw on, without a cursor, until what is returned is
    /// dropped.
    #[must_use]
    pub fn enter(&self) -> Drawing {
        let _ = raw("\u{1b}[?1049h\u{1b}[?25l");
        Drawing(())
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
        let text = serde_json::to_string_pretty(answer).map_err(|error| {
            Failure::new(format!("could not write the output as JSON: {error}"), "")
        })?;
        self.print(escaped(&text));
        Ok(())
    }

    /// Prints a list: as JSON, or as the text that it makes, if there is anything in it; else says
    /// that there is `none`. Says if there is `more`, whichever it is.
    ///
    /// # Errors
    ///
    /// If the answer cannot be written as JSON.
    pub fn print_list(
        &self,
        answer: &impl Serialize,
        text: Option<String>,
        none: &str,
        more: bool,
    ) -> Result<(), Failure> {
        match text {
            _ if self.json => self.print_json(answer)?,
            Some(text) => self.print(text),
            None => self.say(none),
        }
        if more {
            self.say("not all are shown: filter, or pass a higher --limit");
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
        let _ = writeln!(out, "{}", harmless(&text.to_string()));
    }

    /// Says why a command could not be carried out.
    pub fn failure(&self, failure: &Failure) {
        self.say(format_args!("{BAD}error:{BAD:#} {}", failure.problem));
        if !failure.hint.is_empty() {
            self.say(format_args!("  {}", failure.hint));
        }
    }
}

/// JSON on one line, for a stream of answers.
///
/// # Errors
///
/// If it cannot be written as JSON.
pub fn json_line(answer: &impl Serialize) -> Result<String, Failure> {
    let line = serde_json::to_string(answer).map_err(|error| {
        Failure::new(format!("could not write the output as JSON: {error}"), "")
    })?;
    Ok(escaped(&line))
}

/// Columns and lines of the terminal that answers go to; none if they go elsewhere.
#[must_use]
pub fn terminal() -> Option<(usize, usize)> {
    let (columns, lines) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some((columns.0.into(), lines.0.into()))
}

/// A screen that is drawn on. Its end gives the terminal back as it was.
#[derive(Debug)]
pub struct Drawing(());

impl Drop for Drawing {
    fn drop(&mut self) {
        let _ = raw("\u{1b}[?25h\u{1b}[?1049l");
    }
}

fn raw(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .is_ok()
}
