//! How a command ends.

use std::fmt;
use std::process::ExitCode;

/// How a command ended, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed, or something was found wrong.
    Failed,
    /// 2: the plan has changes, and that was asked.
    Changes,
    /// 3: what was named does not exist.
    Nothing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Nothing => 3,
        })
    }
}

/// Why a command could not be carried out, and what to do about it: for people, so without a stack
/// of causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What did not work.
    pub problem: String,
    /// What to do about it; empty where nothing sensible can be said.
    pub hint: String,
}

impl Failure {
    /// A failure with a hint.
    #[must_use]
    pub fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.hint)
        }
    }
}

impl std::error::Error for Failure {}
