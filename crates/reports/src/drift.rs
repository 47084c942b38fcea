//! A active pools file that `mayfly apply` did not write, in words.

use serde::Serialize;

use crate::time_format::Rfc3339;

/// The parameter was changed by other means than `mayfly apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The version in the parameter.
    pub version: u64,
    /// When it was written.
    pub written_at: Option<Rfc3339>,
    /// By whom, if the store tells.
    pub written_by: Option<String>,
    /// The version that `mayfly apply` wrote last.
    pub applied: u64,
}

impl Drift {
    /// What was found, in words.
    #[must_use]
    pub fn problem(&self) -> String {
        let by = self
            .written_by
            .as_ref()
            .map(|by| format!(" by {by}"))
            .unwrap_or_default();
        let at = self
            .written_at
            .map(|at| format!(" at {at}"))
            .unwrap_or_default();
        format!(
            "version {} of the pools file was written{by}{at} by other means than mayfly apply, which wrote version {} last",
            self.version, self.applied
        )
    }

    /// What to do about it, in words.
    #[must_use]
    pub fn fix(&self) -> String {
        let undo = if self.applied < self.version {
            format!("mayfly apply --version {}", self.applied)
        } else {
            // The parameter was deleted and made again: its numbers began again, too.
            "mayfly apply with your own file".to_owned()
        };
        format!(
            "to keep it: mayfly pools --file > pools.toml, review it, mayfly apply pools.toml; to undo it: {undo}"
        )
    }
}
