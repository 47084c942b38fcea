//! Repositories of recent jobs: sweeper looks there for jobs whose delivery never arrived.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, JobId, RepositoryId, RunId};
use mayfly_domain::model::job::JobEvent;
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes::at;
use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::{Versioned, readable};

/// An item says to the day when a repository was seen: what is news about it is written down once a
/// day.
pub const SEEN_TO: Duration = Duration::from_secs(24 * 60 * 60);

/// A repository that jobs came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRepository {
    /// The repository, as its newest job names it.
    pub repository: Repository,
    /// That job: what an older one says late of the repository's name and installation is past.
    #[serde(default = "no_job")]
    pub newest: JobId,
    /// The App's installation there.
    pub installation: InstallationId,
    /// When one of its jobs was seen last; behind by a day at most.
    pub seen_at: Timestamp,
    /// When GitHub was last asked for all that waits there, or the repository was written down
    /// first.
    pub checked_at: Timestamp,
    /// The same for registrations that were left there.
    pub cleared_at: Timestamp,
    /// Runs that were looked at since: a look that is too long for one sweep goes on with the
    /// others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub looked_at: BTreeSet<RunId>,
    /// How many times in a row GitHub did not show it.
    #[serde(default)]
    pub hidden: u32,
}

/// A repository whose account no pools file served when a job of it came. It is no more than a name
/// in a list that is not read until the account is served: what strangers leave must cost no sweep
/// anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnservedRepository {
    /// The repository.
    pub repository: Repository,
    /// The App's installation there.
    pub installation: InstallationId,
    expires_at: i64,
}

/// A repository of an account that is not served is remembered for so long, from the day on which
/// it was written down: its jobs wait for a day at most.
const UNSERVED_FOR: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Repositories of one account that are served at once, when it is served.
const PAGE: i32 = 100;

const fn no_job() -> JobId {
    JobId(0)
}

/// A delivery about a job of a repository, reduced to what it says about the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySeen {
    /// The repository.
    pub repository: Repository,
    /// The App's installation that the delivery came through.
    pub installation: InstallationId,
    /// The job, if the delivery says which: GitHub sends some without one.
    pub job: Option<JobId>,
    /// When the delivery arrived.
    pub at: Timestamp,
}

impl From<&JobEvent> for RepositorySeen {
    fn from(event: &JobEvent) -> Self {
        Self {
            repository: event.repository.clone(),
            installation: event.installation,
            job: Some(event.job),
            at: event.received_at,
        }
    }
}

impl SeenRepository {
    /// The repository after a delivery about one of its jobs; none if that is no news.
    fn after(known: Option<&Self>, seen: &RepositorySeen) -> Option<Self> {
        let now = seen.at;
        // The age of a delivery without a job is unknown, so it does not overwrite newer facts.
        let job = seen.job.unwrap_or(no_job());
        let Some(known) = known else {
            return Some(Self {
                repository: seen.repository.clone(),
                newest: job,
                installation: seen.installation,
                seen_at: now,
                // Deliveries for the current jobs there have arrived.
                checked_at: now,
                cleared_at: now,
                looked_at: BTreeSet::new(),
                hidden: 0,
            });
        };
        // It may have been renamed, and the App reinstalled. Then GitHub is asked about it as often
        // as at first.
        let moved = job >= known.newest
            && (known.repository != seen.repository || known.installation != seen.installation);
        if moved {
            let (repository, installation) = (seen.repository.clone(), seen.installation);
            return Some(Self {
                repository,
                installation,
                newest: job,
                seen_at: now,
                hidden: 0,
                ..known.clone()
            });
        }
        let stale = now.since(known.seen_at) >= SEEN_TO;
        stale.then(|| Self {
            newest: known.newest.max(job),
            seen_at: now,
            ..known.clone()
        })
    }
}

impl<S: Store> Ledger<S> {
    /// Records a delivery about a job of this repository. One read, and a write if anything
    /// changed.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: it may not have been recorded.
    pub async fn touch_repository(&self, seen: &RepositorySeen) -> Result<(), LedgerError> {
        self.with_retries(TRIES, "record that a repository has jobs", || async {
            let mut tx = Transaction::default();
            let key = key::repository(seen.repository.id);
            let known = self.read_for(&mut tx, key.clone()).await?;
            let Some(after) = SeenRepository::after(known.as_ref(), seen) else {
                return Ok(Attempt::Done(()));
            };
            tx.put_next(key, after, at(seen.at))?;
            self.commit(tx, ()).await
        })
        .await
    }

    /// Records a delivery about a job of this repository, whose account is not served. One write,
    /// which replaces any earlier one.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: it may not have been recorded.
    pub async fn unserved(&self, seen: &RepositorySeen) -> Result<(), LedgerError> {
        let (repository, installation) = (seen.repository.clone(), seen.installation);
        let key = key::unserved_repository(repository.owner_login(), repository.id);
        let item = UnservedRepository {
            repository,
            installation,
            expires_at: seen.at.plus(UNSERVED_FOR).seconds(),
        };
        let mut tx = Transaction::default();
        tx.put_next(key, item, at(seen.at))?;
        self.commit(tx, ()).await.map(drop)
    }

    /// Some of the repositories that an account left while it was not served. None are left for one
    /// that is served: [`Ledger::serve`] takes them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn left_by(
        &self,
        login: &str,
    ) -> Result<Vec<Versioned<UnservedRepository>>, LedgerError> {
        Ok(readable(
            self.store()
                .query(&key::unserved(login), "", None, Some(PAGE))
                .await?
                .items,
        ))
    }

    /// A repository's account is served from now on: GitHub is to be asked for all that waits
    /// there.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: it is left, to be served the next time.
    pub async fn serve(
        &self,
        left: &Versioned<UnservedRepository>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.with_retries(TRIES, "record that a repository is served", || async {
            let mut tx = Transaction::default();
            let key = key::repository(left.repository.id);
            let known = self.read_for(&mut tx, key.clone()).await?;
            let seen = RepositorySeen {
                repository: left.repository.clone(),
                installation: left.installation,
                job: None,
                at: now,
            };
            let Some(served) = known.or_else(|| SeenRepository::after(None, &seen)) else {
                return Ok(Attempt::Done(()));
            };
            let due = SeenRepository {
                checked_at: Timestamp::from_millis(0),
                hidden: 0,
                seen_at: now,
                ..served
            };
            tx.put_next(key, due, at(now))?;
            tx.delete_read(left);
            self.commit(tx, ()).await
        })
        .await
    }

    /// All of them. One that cannot be read is logged and left out: it must not keep the others
    /// from their turn.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn repositories(&self) -> Result<Vec<Versioned<SeenRepository>>, LedgerError> {
        Ok(readable(self.query_items(key::REPOSITORIES, "").await?))
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn repository(
        &self,
        id: RepositoryId,
    ) -> Result<Option<SeenRepository>, LedgerError> {
        let seen = self.read(key::repository(id)).await?;
        Ok(seen.map(Versioned::into_inner))
    }

    /// Writes one over what it was made from. None: someone else wrote it meanwhile, and what they
    /// say stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn put_repository(
        &self,
        after: Versioned<SeenRepository>,
    ) -> Result<Option<Versioned<SeenRepository>>, LedgerError> {
        Ok(self.put(after).await?.done())
    }

    /// Forgets one, unless it was written meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn forget_repository(
        &self,
        seen: &Versioned<SeenRepository>,
    ) -> Result<(), LedgerError> {
        self.remove(seen).await.map(drop)
    }
}
