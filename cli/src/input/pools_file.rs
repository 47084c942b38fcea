//! Reading a pools file from disk, and telling what is wrong with it.

use std::io::Read as _;
use std::path::Path;

use anstyle::Style;
use mayfly_config::pools_file::{self, Problem, Review, Vcpus, review};
use mayfly_domain::model::pool::Pools;

use crate::failure::Failure;
use crate::terminal::screen::{BAD, CAUTION, Screen};
use crate::terminal::text_format::plain;

/// Means stdin in place of a file.
const STDIN: &str = "-";

/// Jobs carry the number of the version that placed them; a file that is active nowhere has none.
pub const NO_VERSION: u64 = 0;

/// True for the name that means stdin.
#[must_use]
pub fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == STDIN
}

/// The text of a file; `-` is stdin.
///
/// # Errors
///
/// If it cannot be read, or is not text.
pub fn text(file: &Path) -> Result<String, Failure> {
    let bytes = if is_stdin(file) {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|error| {
        Failure::new(
            format!("could not read {}: {error}", file.display()),
            "name a pools file, or - for stdin",
        )
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        Failure::new(
            format!("{}:{line}: this line is not UTF-8", file.display()),
            "save it as UTF-8",
        )
    })
}

/// The pools of a file that must be without problems.
///
/// # Errors
///
/// If it cannot be read, or has problems: they are shown.
pub fn pools(file: &Path, screen: &Screen) -> Result<Pools, Failure> {
    pools_file::parse(&text(file)?, NO_VERSION).map_err(|problems| {
        for problem in &problems {
            show(screen, file, problem, "error", BAD);
        }
        Failure::new(
            format!("{} is not a usable pools file", file.display()),
            "fix it: mayfly check shows what is wrong",
        )
    })
}

/// A file that can be used.
pub struct Readable {
    /// Its text.
    pub text: String,
    /// What it says.
    pub pools: Pools,
}

/// Reads a pools file and shows what is wrong or doubtful about it.
///
/// # Errors
///
/// If it cannot be read, or has problems.
pub fn readable(file: &Path, screen: &Screen) -> Result<Readable, Failure> {
    readable_text(text(file)?, file, screen)
}

/// The same of a text that was read already; `file` is what it is called.
///
/// # Errors
///
/// If it has problems.
pub fn readable_text(text: String, file: &Path, screen: &Screen) -> Result<Readable, Failure> {
    let Review {
        pools, warnings, ..
    } = review(&text, NO_VERSION, Vcpus::default());
    let shown = |problems: &[Problem], (kind, style)| {
        problems
            .iter()
            .for_each(|problem| show(screen, file, problem, kind, style))
    };
    match pools {
        Ok(pools) => {
            shown(&warnings, ("warning", CAUTION));
            Ok(Readable { text, pools })
        }
        Err(problems) => {
            shown(&problems, ("error", BAD));
            Err(Failure::new(
                format!("{} is not a usable pools file", file.display()),
                "nothing was changed: fix the file first",
            ))
        }
    }
}

/// Shows a problem, or a warning.
pub fn show(screen: &Screen, file: &Path, problem: &Problem, kind: &str, style: Style) {
    let Problem {
        line,
        column,
        path,
        message,
        hint,
    } = problem;
    let colon = if path.is_empty() { "" } else { ": " };
    let (path, message, hint) = (plain(path), plain(message), plain(hint));
    screen.say(format_args!(
        "{}:{line}:{column}: {style}{kind}:{style:#} {path}{colon}{message}\n    {hint}",
        file.display()
    ));
}
