//! Whether the active pools file is the one that `mayfly apply` wrote last. The ledger keeps that
//! one's hash with the lock of apply; anyone who may read the ledger can tell.

use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::requests::FileHash;
use mayfly_ledger::{Ledger, Store};
pub use mayfly_reports::drift::Drift;
use mayfly_reports::time_format::Rfc3339;

use crate::deployment::pools_store::{PoolsStore, Version};
use crate::deployment::refused::ledger_refused;
use crate::failure::Failure;

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
