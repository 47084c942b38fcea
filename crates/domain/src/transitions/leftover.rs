//! Leftovers: registrations that GitHub may still have of a runner that has ended.

use crate::model::errand::{Errand, Open};
use crate::model::runner::Runner;
use crate::model::target::Target;
use crate::model::time::Timestamp;
use crate::model::times;

impl Runner {
    /// Where GitHub may still have a registration of this runner, now that it has ended; nowhere if none can be left.
    ///
    /// One registration is certainly gone if its job is over (GitHub takes an ephemeral runner away then) or if it was taken away while it
    /// had none. Of more calls than one, all but the newest may have left a registration that nobody can use.
    #[must_use]
    pub fn left_at(&self) -> Vec<&Target> {
        let several = self.mint > 1 || self.mint_unsure;
        let gone = self.done_at.is_some() || self.retired_at.is_some();
        if self.minted_at.is_none() || (gone && !several) {
            return Vec::new();
        }
        self.target.iter().chain(&self.earlier).collect()
    }
}

/// The errand to take away what a runner leaves at GitHub; none if nothing can be left.
#[must_use]
pub fn unregister(record: &Runner, now: Timestamp) -> Option<Open> {
    let installation = record.left_at().first()?.installation;
    Some(Open::new(Errand::Unregister(record.id.clone()), installation, now, times::LEFTOVER_AFTER))
}
