//! The first that is heard of a job.

use std::collections::BTreeSet;

use crate::job::{JobEvent, JobRecord, JobState, kept, note};
use crate::observe::{Verdict, queued_at};
use crate::pool::{Placement, Pools, Refusal, Wanted};
use crate::runner::Runner;
use crate::time::Timestamp;

/// Why a job without labels is ignored. `runs-on: { group: x }` alone sends none, and no delivery about a job that waits names the group.
const NO_LABEL: &str = "the job names no label, as with runs-on: {group: …} alone: pools take jobs by their labels";

/// The record of a job that was never seen before, not yet in any state that the event brings; or why none is written.
pub(crate) fn first_sight(event: &JobEvent, pools: &Pools, meant: Option<&Runner>) -> Result<JobRecord, Verdict> {
    let wanted = Wanted { labels: &event.labels, repository: &event.repository, run: event.run, attempt: event.attempt };
    let mut record = blank(event, pools.generation);
    match pools.place(wanted) {
        Placement::Pool(pool) => {
            record.give_to(pool);
            note(&mut record.story, event.received_at, format!("goes to pool {} (pools file, version {})", pool.name, pools.generation));
        }
        // What runs on our runner is written down, whoever may take it by its labels.
        _ if meant.is_some() => {}
        // Whether it waits or began on somebody else's runner: a `queued` that comes last must find that the job is running or over,
        // or it would leave an unplaced job for ever, and a runner would be started for it once a pool takes its labels.
        Placement::Unplaced(reason) => no_pool_takes(&mut record, reason, event.received_at),
        // A stranger's job leaves nothing: their number has no bound. Nor does one that no pools file can be made to take.
        Placement::Refused(refusal @ (Refusal::Account | Refusal::Labels)) => return Err(Verdict::Ignored(refusal.in_words().to_owned())),
        // The next pools file may allow it. Whoever may open pull requests in a public repository can have such records written: one small one for
        // each job that GitHub lets wait for a runner, which goes by itself.
        Placement::Refused(refusal) => no_pool_takes(&mut record, refusal.in_words().to_owned(), event.received_at),
        Placement::NotOurs if event.labels.is_empty() => return Err(Verdict::Ignored(NO_LABEL.to_owned())),
        Placement::NotOurs => return Err(Verdict::Ignored("no pool matches".to_owned())),
    }
    Ok(record)
}

fn no_pool_takes(record: &mut JobRecord, reason: String, now: Timestamp) {
    note(&mut record.story, now, reason.clone());
    record.reason = Some(reason);
    record.expire(now);
}

fn blank(event: &JobEvent, generation: u64) -> JobRecord {
    JobRecord {
        rev: 0,
        id: event.job,
        run: event.run,
        attempt: event.attempt,
        name: kept(&event.name),
        labels: event.labels.clone(),
        repository: event.repository.clone(),
        installation: event.installation,
        state: JobState::Unplaced,
        pool: None,
        matched: None,
        size: None,
        target: None,
        generation,
        queued: BTreeSet::new(),
        blocking: BTreeSet::new(),
        epoch: 0,
        received_at: event.received_at,
        queued_at: queued_at(event),
        running_at: None,
        closed_at: None,
        conclusion: None,
        runner_name: None,
        runner: None,
        reason: None,
        heard_at: None,
        doubt: None,
        given_up: false,
        story: Vec::new(),
        expires_at: None,
    }
}
