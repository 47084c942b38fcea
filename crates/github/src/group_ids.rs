//! Ids of runner groups, kept for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, OwnerId};
use mayfly_domain::model::time::Timestamp;

/// How long a group's id is believed: groups are hardly ever made again.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// A group by what it is called: installation, organization, name.
pub(crate) type GroupName = (InstallationId, OwnerId, String);

/// Ids of groups, as they were found last.
#[derive(Default)]
pub(crate) struct Groups {
    ids: Mutex<HashMap<GroupName, (i64, Timestamp)>>,
}

impl Groups {
    /// The id that was found lately.
    pub(crate) fn known(&self, group: &GroupName, now: Timestamp) -> Option<i64> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(group)
            .filter(|(_, seen)| now.since(*seen) < FRESH)
            .map(|(id, _)| *id)
    }

    /// Keeps an id.
    pub(crate) fn keep(&self, group: GroupName, id: i64, now: Timestamp) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group, (id, now));
    }

    /// Drops an id that GitHub may not know any more.
    pub(crate) fn forget(&self, group: &GroupName) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(group);
    }
}
