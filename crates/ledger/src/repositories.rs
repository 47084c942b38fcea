//! Repositories that jobs came from lately: where sweeper looks for jobs that GitHub never told of.

use std::collections::BTreeSet;

use mayfly_domain::id::{InstallationId, RepositoryId, RunId};
use mayfly_domain::target::Repository;
use mayfly_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Ledger;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::optional;
use crate::key;
use crate::store::{Expect, Store, Write, unchanged};

/// A repository that jobs came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRepository {
    /// How often it was written; 0 for one that never was.
    pub rev: u64,
    /// The repository, as a job told of it.
    pub repository: Repository,
    /// The App's installation there.
    pub installation: InstallationId,
    /// When one of its jobs was seen last; behind by a day at most.
    pub seen_at: Timestamp,
    /// When GitHub was last asked for all that waits there, or the repository was written down first.
    pub asked_at: Timestamp,
    /// The same for registrations that were left there.
    pub cleared_at: Timestamp,
    /// Runs that were looked at since: a look that is too long for one sweep goes on with the others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub looked_at: BTreeSet<RunId>,
    /// How many times in a row GitHub did not show it.
    #[serde(default)]
    pub hidden: u32,
}

impl<S: Store> Ledger<S> {
    /// All of them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn repositories(&self) -> Result<Vec<SeenRepository>, LedgerError> {
        self.all(key::REPOSITORIES, "").await
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn repository(&self, id: RepositoryId) -> Result<Option<SeenRepository>, LedgerError> {
        let key = key::repository(id);
        optional(&key, self.store.get(&key).await?)
    }

    /// Writes one over what it was made from. None: somebody else wrote it meanwhile, and what they say stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn put_repository(&self, after: SeenRepository) -> Result<Option<SeenRepository>, LedgerError> {
        let after = SeenRepository { rev: after.rev + 1, ..after };
        let write = Write::put(key::repository(after.repository.id), &after, unchanged(after.rev - 1))?;
        Ok(match settle(self.store.commit(vec![write]).await, after)? {
            Try::Done(after) => Some(after),
            Try::Again => None,
        })
    }

    /// Forgets one, unless it was written meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn forget_repository(&self, seen: &SeenRepository) -> Result<(), LedgerError> {
        let write = Write::Delete(key::repository(seen.repository.id), Expect::Rev(seen.rev));
        settle(self.store.commit(vec![write]).await, ()).map(|_| ())
    }
}
