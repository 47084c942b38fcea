//! Whether the pools file in force is the one that `mayfly apply` wrote last. The ledger keeps that
//! one's hash with the lock of apply; anyone who may read the ledger can tell.

use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::requests::FileHash;
use mayfly_ledger::{Ledger, Store};
use serde::Serialize;

use crate::deployment::pools_store::{PoolsStore, Version};
use crate::deployment::refused::ledger_refused;
use crate::failure::Failure;
use crate::terminal::time_format::Rfc3339;

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

/// Holds the newest version of the parameter against what the ledger says was applied. None if they
/// agree, if nothing was ever applied, and while one applies.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn find<S: Store, P: PoolsStore>(
    ledger: &Ledger<S>,
    parameter: &P,
    newest: &Version,
    now: Timestamp,
) -> Result<Option<Drift>, Failure> {
    let last = ledger.last_apply().await;
    let last = last.map_err(|error| ledger_refused("read what was applied last", &error))?;
    let Some(last) = last.filter(|last| last.until <= now) else {
        return Ok(None);
    };
    let Some(applied) = last
        .version
        .filter(|_| !last.wrote(newest.number, &FileHash::of(&newest.text)))
    else {
        return Ok(None);
    };
    Ok(Some(Drift {
        version: newest.number,
        written_at: newest.at.map(Rfc3339),
        written_by: parameter.author(newest.number).await,
        applied,
    }))
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
