//! What bounds a plan besides the pool's own limits.

use std::collections::BTreeMap;

use crate::model::id::InstallationId;
use crate::model::time::Timestamp;

/// What bounds a plan besides the pool's own limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// GitHub told these installations to wait until then.
    pub github: BTreeMap<InstallationId, Timestamp>,
    /// Most launches that this run can send.
    pub launches: usize,
    /// Fingerprint of what a launch of each size would be made from; by
    /// [`Size`](crate::model::size::Size) in its text form.
    pub definitions: BTreeMap<String, String>,
}

impl Limits {
    /// Until when GitHub wants to hear nothing of an installation; `None` when it may be asked.
    pub(crate) fn told_to_wait(
        &self,
        installation: InstallationId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.github
            .get(&installation)
            .copied()
            .filter(|reset| *reset > now)
    }
}
