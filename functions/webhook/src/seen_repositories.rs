//! Repositories that this process has written down: one that is known costs no call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mayfly_domain::model::id::{InstallationId, RepositoryId};
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::repositories::{RepositorySeen, SEEN_TO};

/// Most repositories that are remembered: a few hundred bytes each. Anyone who has more jobs'
/// repositories than that reads some of them again.
const MOST: usize = 2_000;

/// What was written down of one.
struct Note {
    name: String,
    private: bool,
    installation: InstallationId,
    at: Timestamp,
}

/// What this process has written down, or found to be.
#[derive(Default)]
pub(crate) struct SeenRepositories(Mutex<HashMap<RepositoryId, Note>>);

impl SeenRepositories {
    fn all(&self) -> MutexGuard<'_, HashMap<RepositoryId, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the ledger knows all that this delivery says of its repository.
    pub(crate) fn has(&self, seen: &RepositorySeen) -> bool {
        self.all().get(&seen.repository.id).is_some_and(|note| {
            note.name == seen.repository.name
                && note.private == seen.repository.private
                && note.installation == seen.installation
                && seen.at.since(note.at) < SEEN_TO
        })
    }

    /// The ledger knows it now.
    pub(crate) fn add(&self, seen: &RepositorySeen) {
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        let note = Note {
            name: seen.repository.name.clone(),
            private: seen.repository.private,
            installation: seen.installation,
            at: seen.at,
        };
        all.insert(seen.repository.id, note);
    }
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::id::{JobId, OwnerId};
    use mayfly_domain::model::target::Repository;

    use super::*;

    #[test]
    fn whatever_a_delivery_says_of_its_repository_is_news_until_it_was_written_down() {
        let seen = RepositorySeen {
            repository: Repository {
                id: RepositoryId(7),
                name: "acme/app".to_owned(),
                owner: OwnerId(5),
                private: true,
            },
            installation: InstallationId(1),
            job: Some(JobId(1)),
            at: Timestamp::from_millis(1_795_356_000_000),
        };
        let known = SeenRepositories::default();
        assert!(!known.has(&seen));
        known.add(&seen);
        assert!(known.has(&seen));
        let with = |change: &dyn Fn(&mut RepositorySeen)| {
            let mut other = seen.clone();
            change(&mut other);
            other
        };
        for news in [
            with(&|seen| seen.repository.private = false),
            with(&|seen| seen.repository.name = "acme/renamed".to_owned()),
            with(&|seen| seen.repository.id = RepositoryId(8)),
            with(&|seen| seen.installation = InstallationId(2)),
            with(&|seen| seen.at = seen.at.plus(SEEN_TO)),
        ] {
            assert!(!known.has(&news), "{news:?}");
        }
    }
}
