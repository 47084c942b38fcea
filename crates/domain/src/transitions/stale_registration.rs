//! Stale registrations: registrations that GitHub may still have of a runner that has ended.

use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::runner::Runner;
use crate::model::target::Target;
use crate::model::time::Timestamp;
use crate::model::timeouts;

impl Runner {
    /// Where GitHub may still have a registration of this runner, now that it has ended; nowhere if
    /// none can be left.
    ///
    /// One registration is certainly gone if its job is over (GitHub takes an ephemeral runner away
    /// then) or if it was taken away while it had none. If there were several calls, all but the
    /// newest may have left an unusable registration.
    #[must_use]
    pub fn stale_registrations(&self) -> Vec<&Target> {
        let several = self.registration_attempt > 1 || self.attempt_outcome_unknown;
        let gone = self.done_at.is_some() || self.retired_at.is_some();
        if self.last_attempt_at.is_none() || (gone && !several) {
            return Vec::new();
        }
        self.target.iter().chain(&self.previous_targets).collect()
    }
}

/// True if what GitHub lists under a runner's name was left behind: the runner is closed, and has
/// been for so long that GitHub's own list can show it. A runner that the ledger does not know is
/// perhaps another deployment's, and one that is open may have registered just now.
#[must_use]
pub fn is_left_behind(row: Option<&Runner>, record: Option<&Runner>, now: Timestamp) -> bool {
    let closed = record.and_then(|record| record.closed_at);
    row.is_none()
        && closed.is_some_and(|closed| now.since(closed) > timeouts::STALE_REGISTRATION_AFTER)
}

/// The follow-up to take away what a runner leaves at GitHub; none if nothing can be left.
#[must_use]
pub fn deregister_follow_up(record: &Runner, now: Timestamp) -> Option<OutboxEntry> {
    let installation = record.stale_registrations().first()?.installation;
    Some(OutboxEntry::new(
        FollowUp::DeregisterRunner(record.id.clone()),
        installation,
        now,
        timeouts::STALE_REGISTRATION_AFTER,
    ))
}
