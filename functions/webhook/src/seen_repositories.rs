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
