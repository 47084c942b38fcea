//! The first that is heard of a job.

use std::collections::BTreeSet;

use crate::model::job::{JobAction, JobEvent, JobRecord, JobState, truncated};
use crate::model::placement::{JobRequirements, Placement};
use crate::model::pool::Pools;
use crate::model::runner::Runner;
use crate::model::story::{Reason, Refusal, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::transitions::changes::Verdict;

/// The record of a job that was never seen before, not yet in any state that the event brings; or
/// why none is written.
pub(crate) fn new_record(
    event: &JobEvent,
    pools: &Pools,
    meant: Option<&Runner>,
) -> Result<JobRecord, Verdict> {
    let wanted = JobRequirements {
        labels: &event.labels,
        repository: &event.repository,
        run: event.run,
        attempt: event.attempt,
    };
    let mut record = blank(event, pools);
    match pools.place(wanted) {
        Placement::Pool(pool) => {
            record.assign_to_pool(pool);
            let placed = StoryEvent::Placed {
                pool: pool.name.clone(),
                pools_version: pools.version,
                left: None,
            };
            note(&mut record.story, event.received_at, placed);
        }
        // What runs on our runner is written down, anyone who may take it by its labels.
        _ if meant.is_some() => {}
        // This holds whether the job waits or started on another fleet's runner. A `queued`
        // delivery that arrives last must find that the job runs or is over. Otherwise the job
        // would stay unplaced forever, and get a runner once a pool takes its labels.
        Placement::Unplaced(reason) => no_pool_takes(&mut record, reason, event.received_at),
        // A stranger's job leaves nothing: their number has no bound. A job that no pools file can
        // take is not recorded either.
        Placement::Refused(refusal @ (Refusal::Account | Refusal::Labels)) => {
            return Err(Verdict::Ignored(Reason::NotServed { refusal }));
        }
        // The next pools file may allow it. Anyone who may open pull requests in a public
        // repository can have such records written: one small one for each job that GitHub lets
        // wait for a runner, which goes by itself.
        Placement::Refused(refusal) => no_pool_takes(
            &mut record,
            Reason::NotServed { refusal },
            event.received_at,
        ),
        // `runs-on: { group: x }` alone sends none, and no delivery about a job that waits names
        // the group.
        Placement::NotOurs if event.labels.is_empty() => {
            return Err(Verdict::Ignored(Reason::NoLabels));
        }
        Placement::NotOurs => return Err(Verdict::Ignored(Reason::NotOurs)),
    }
    Ok(record)
}

fn no_pool_takes(record: &mut JobRecord, reason: Reason, now: Timestamp) {
    note(
        &mut record.story,
        now,
        StoryEvent::Unplaced {
            reason: reason.clone(),
        },
    );
    record.reason = Some(reason);
    record.expire(now);
}

fn blank(event: &JobEvent, pools: &Pools) -> JobRecord {
    JobRecord {
        id: event.job,
        run: event.run,
        attempt: event.attempt,
        name: truncated(&event.name),
        workflow: event.workflow.as_deref().map(truncated),
        labels: event.labels.clone(),
        repository: event.repository.clone(),
        installation: event.installation,
        state: JobState::Unplaced,
        pool: None,
        matched: None,
        size: None,
        target: None,
        pools_version: pools.version,
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
        last_heard_at: None,
        unconfirmed: None,
        given_up: false,
        usage: None,
        story: Vec::new(),
        keep: pools.keep,
        expires_at: None,
    }
}

/// Since when a job waits, as this delivery knows it. GitHub's own time, if known, so that late
/// deliveries do not lose their place in the queue.
pub(crate) fn queued_at(event: &JobEvent) -> Timestamp {
    match event.action {
        JobAction::Queued | JobAction::Waiting => event.started_at.or(event.created_at),
        JobAction::InProgress | JobAction::Completed => event.created_at,
    }
    .unwrap_or(event.received_at)
}
