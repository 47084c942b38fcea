//! One thing that is wrong with a pools file, or doubtful about it.

use std::fmt;

/// One thing that is wrong with a pools file. `Display` gives
/// `line 12: pools.linux.memory: what is wrong (what to do)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with everything above it, as `pools.linux.memory`; empty where the file is not TOML,
    /// or as a whole is wrong.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.hint)
    }
}
