//! What closed is found by its day.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobAction, JobEvent};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::{Closed, Order, TimeRange};
use mayfly_ledger::{History, Ledger, Store};

use crate::fixture::{ARN, at, event, on, pools, registered, task};

async fn over<S: Store>(ledger: &Ledger<S>, job: i64, closed: Timestamp) {
    let event = JobEvent {
        completed_at: Some(closed),
        ..event(JobAction::Completed, job, 0)
    };
    ledger.apply_delivery(&event, &pools()).await.unwrap();
}

fn ids(closed: &Closed) -> Vec<i64> {
    closed.jobs.iter().map(|job| job.id.0).collect()
}

fn range(from: Timestamp, to: Timestamp) -> TimeRange {
    TimeRange { from, to }
}

const DAY: u64 = 24 * 60 * 60;

async fn closed_jobs_of_several_days_come_in_order<S: Store + History>(ledger: Ledger<S>) {
    for (job, seconds) in [
        (1, 0),
        (2, 10),
        (3, DAY),
        (4, 2 * DAY),
        (5, 2 * DAY + 10),
        (6, 2 * DAY + 10),
        (7, 2 * DAY + 20),
    ] {
        over(&ledger, job, at(seconds)).await;
    }
    let span = range(at(10), at(2 * DAY + 10));
    let newest = ledger
        .closed(span, Order::NewestFirst, 100, at(3 * DAY))
        .await
        .unwrap();
    let oldest = ledger
        .closed(span, Order::OldestFirst, 100, at(3 * DAY))
        .await
        .unwrap();
    assert_eq!(
        (ids(&oldest).first(), ids(&oldest).get(1..3), newest.cut_at),
        (Some(&2), Some(&[3, 4][..]), None)
    );
    let mut reversed = ids(&newest);
    reversed.reverse();
    // Which of two that closed at one moment comes first is no one's promise.
    reversed[3..].sort_unstable();
    assert_eq!(reversed, [2, 3, 4, 5, 6]);
}

async fn no_more_is_read_than_was_asked_for_and_it_is_said_where_it_ends<S: Store + History>(
    ledger: Ledger<S>,
) {
    for job in 1..=9 {
        over(&ledger, job, at(job.unsigned_abs())).await;
    }
    let closed = ledger
        .closed(range(at(0), at(100)), Order::NewestFirst, 4, at(100))
        .await
        .unwrap();
    assert_eq!(
        (ids(&closed), closed.cut_at),
        (vec![9, 8, 7, 6], Some(at(6)))
    );
}

async fn what_is_open_is_not_among_them<S: Store + History>(ledger: Ledger<S>) {
    ledger
        .apply_delivery(&event(JobAction::Queued, 1, 0), &pools())
        .await
        .unwrap();
    over(&ledger, 2, at(1)).await;
    let closed = ledger
        .closed(range(at(0), at(100)), Order::NewestFirst, 100, at(100))
        .await
        .unwrap();
    assert_eq!(ids(&closed), [2]);
}

async fn a_closed_runner_is_found_beside_its_job<S: Store + History>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .apply_delivery(&on(event(JobAction::Completed, 1, 20), &runner), &pools())
        .await
        .unwrap();
    ledger
        .task_seen(&task(&runner, ARN, 2, TaskStatus::Stopped), at(30))
        .await
        .unwrap();
    let closed = ledger
        .closed(range(at(0), at(100)), Order::OldestFirst, 100, at(100))
        .await
        .unwrap();
    assert_eq!(
        (
            ids(&closed),
            closed.runners.iter().map(|one| one.id.clone()).collect()
        ),
        (vec![1], vec![runner.id.clone()])
    );
    assert_eq!(
        closed.runners[0].work.as_ref().and_then(|work| work.job),
        Some(JobId(1))
    );
}

async fn a_record_whose_time_is_up_is_gone_whatever_dynamodb_has<S: Store + History>(
    ledger: Ledger<S>,
) {
    over(&ledger, 1, at(0)).await;
    let span = range(at(0), at(20 * DAY));
    let kept = ledger
        .closed(span, Order::NewestFirst, 100, at(180 * DAY - 1))
        .await
        .unwrap();
    let late = ledger
        .closed(span, Order::NewestFirst, 100, at(180 * DAY + 1))
        .await
        .unwrap();
    assert_eq!((ids(&kept), ids(&late)), (vec![1], Vec::new()));
}

on_both! {
    closed_jobs_of_several_days_come_in_order
    no_more_is_read_than_was_asked_for_and_it_is_said_where_it_ends
    what_is_open_is_not_among_them
    a_closed_runner_is_found_beside_its_job
    a_record_whose_time_is_up_is_gone_whatever_dynamodb_has
}
