//! `mayfly schema`.

use mayfly_config::pools_file::SCHEMA;

use crate::failure::{Exit, Failure};
use crate::terminal::screen::Screen;

/// Prints the schema.
///
/// # Errors
///
/// Never.
pub fn run(screen: &Screen) -> Result<Exit, Failure> {
    screen.print(SCHEMA.trim_end());
    Ok(Exit::Done)
}
