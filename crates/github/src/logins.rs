//! Logins that organizations have now, as far as GitHub told them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mayfly_domain::model::id::OwnerId;
use mayfly_domain::model::time::Timestamp;

/// Logins of organizations that are called otherwise than they were, or were asked for: with the
/// time of the asking.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<OwnerId, (Option<String>, Timestamp)>>);

impl Logins {
    /// The login, if another one than was written down, and when it was asked for.
    pub(crate) fn known(&self, organization: OwnerId) -> Option<(Option<String>, Timestamp)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&organization)
            .cloned()
    }

    /// Keeps what was found.
    pub(crate) fn keep(&self, organization: OwnerId, login: Option<String>, now: Timestamp) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(organization, (login, now));
    }
}
