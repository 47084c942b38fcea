//! Repositories that this process has written down: one that is known costs no call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mayfly_domain::id::{InstallationId, RepositoryId};
use mayfly_domain::job::JobEvent;
use mayfly_domain::time::Timestamp;
use mayfly_ledger::repositories::SEEN_TO;

/// Most repositories that are remembered: a few hundred bytes each. Whoever has more jobs' repositories than that reads some of them anew.
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
pub(crate) struct Noted(Mutex<HashMap<RepositoryId, Note>>);

impl Noted {
    fn all(&self) -> MutexGuard<'_, HashMap<RepositoryId, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the ledger knows all that this delivery says of its repository.
    pub(crate) fn has(&self, event: &JobEvent) -> bool {
        self.all().get(&event.repository.id).is_some_and(|note| {
            note.name == event.repository.name
                && note.private == event.repository.private
                && note.installation == event.installation
                && event.received_at.since(note.at) < SEEN_TO
        })
    }

    /// The ledger knows it now.
    pub(crate) fn add(&self, event: &JobEvent) {
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        let note = Note {
            name: event.repository.name.clone(),
            private: event.repository.private,
            installation: event.installation,
            at: event.received_at,
        };
        all.insert(event.repository.id, note);
    }
}
