//! Where a job stands by all that was said of it, and what it leaves open for sweeper.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::job::{JobRecord, JobState, synthetic_delivery, synthetic_delivery_time};
use crate::model::outbox::{FollowUp, OutboxEntry};
use crate::model::pool::Pools;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// Most deliveries of one kind that count. A gate causes two deliveries of one kind. A sender who
/// repeats a delivery under other GUIDs, which are not signed, must not make the record grow.
const MOST_DELIVERIES: usize = 32;

/// Adds a delivery to a set; false if it is in it already, or the set is full. One from before
/// GitHub was asked (`late`: when it was due) takes the place of what stood for it.
pub(crate) fn record_delivery(
    set: &mut BTreeSet<String>,
    delivery: &str,
    late: Option<Timestamp>,
) -> bool {
    if set.contains(delivery) {
        return false;
    }
    let stands_for_it = |id: &&String| {
        late.is_some_and(|late| synthetic_delivery_time(id).is_some_and(|asked| late <= asked))
    };
    if let Some(id) = set.iter().find(stands_for_it).cloned() {
        set.remove(&id);
    }
    set.len() < MOST_DELIVERIES && set.insert(delivery.to_owned())
}

/// Has a job that a pool takes wait or not, as its deliveries say.
pub(crate) fn recompute_state(record: &mut JobRecord, now: Timestamp) {
    let (state, event) = if record.queued.len() > record.blocking.len() {
        (JobState::Queued, StoryEvent::Queued)
    } else {
        (JobState::Blocked, StoryEvent::Gated)
    };
    if record.state != state {
        record.state = state;
        record.reason = (state == JobState::Blocked).then_some(Reason::Gated);
        record.unconfirmed = None;
        note(&mut record.story, now, event);
    }
}

/// Makes a job that a pool takes wait, or be gated, because GitHub says so when asked. Synthetic
/// deliveries fill the missing balance; the real ones replace them if they arrive late.
pub(crate) fn set_synthetic_delivery(record: &mut JobRecord, waits: bool, now: Timestamp) {
    let (queued, blocking) = (record.queued.len(), record.blocking.len());
    let (set, missing) = if waits {
        (&mut record.queued, (blocking + 1).saturating_sub(queued))
    } else {
        (&mut record.blocking, queued.saturating_sub(blocking))
    };
    set.extend((0..missing).map(|which| synthetic_delivery(now, which)));
}

/// What sweeper has to see to from now on, if the job has just come where no waiting row and no
/// open runner leads to it. `watched`: an open runner of ours works on it; then its care and its
/// end see to the job.
pub(crate) fn follow_up_for(
    record: &JobRecord,
    before: Option<JobState>,
    watched: bool,
    (pools, now): (&Pools, Timestamp),
) -> Option<OutboxEntry> {
    if before == Some(record.state) {
        return None;
    }
    let open = |follow_up, wait| Some(OutboxEntry::new(follow_up, record.installation, now, wait));
    let place = |pools_version| {
        open(
            FollowUp::MatchJob {
                job: record.id,
                pools_version,
            },
            Duration::ZERO,
        )
    };
    let gone = || {
        record
            .pool
            .as_ref()
            .is_some_and(|pool| pools.get(pool).is_none())
    };
    match record.state {
        JobState::Blocked => open(FollowUp::CheckJob(record.id), timeouts::CHECK_AFTER),
        // What another fleet runs is its own affair.
        JobState::Running if !watched && record.is_ours() => {
            open(FollowUp::CheckJob(record.id), timeouts::CHECK_AFTER)
        }
        JobState::Unplaced => place(record.pools_version),
        // Sweeper may have forgotten its pool long ago, and would not come by.
        JobState::Queued if gone() => place(0),
        JobState::Queued | JobState::Running | JobState::Closed => None,
    }
}
