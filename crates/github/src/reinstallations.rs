//! Where installations that are gone have gone to, as far as GitHub told it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mayfly_domain::model::id::InstallationId;
use mayfly_domain::model::time::Timestamp;

use crate::endpoint::Endpoint;

/// What GitHub says of the installation at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This is the one, whatever it was before.
    Now(InstallationId),
    /// There was none at this time.
    None(Timestamp),
}

/// Where installations that are gone have gone to: by the one that someone still knows, and the
/// place.
#[derive(Default)]
pub(crate) struct Reinstallations(Mutex<HashMap<(InstallationId, String), Found>>);

impl Reinstallations {
    /// What was found for a place.
    pub(crate) fn found(&self, place: &Endpoint) -> Option<Found> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(place.grant.installation, place.path.clone()))
            .copied()
    }

    /// Keeps what was found for a place.
    pub(crate) fn keep(&self, place: &Endpoint, found: Found) {
        let key = (place.grant.installation, place.path.clone());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, found);
    }
}
