//! What closed is found by its day.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobAction, JobEvent, JobRecord};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::archive::{ArchiveCursor, Day};
use mayfly_ledger::history::{After, Closed, Order, TimeRange};
use mayfly_ledger::{History, Ledger, Store};

use crate::fixture::{ARN, at, attribute, event, on, pools, record, registered, task};

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

/// 14:00 is the beginning: ten hours later a day is over.
const MIDNIGHT: u64 = 10 * 60 * 60;

async fn what_is_recorded_late_is_filed_where_the_archive_has_not_been<S: Store + History>(
    ledger: Ledger<S>,
) {
    for (job, recorded) in [(1, MIDNIGHT + 60), (2, MIDNIGHT + 2 * 60 * 60)] {
        let late = JobEvent {
            completed_at: Some(at(MIDNIGHT - 60)),
            received_at: at(recorded),
            ..event(JobAction::Completed, job, 0)
        };
        ledger.apply_delivery(&late, &pools()).await.unwrap();
    }
    let day = async |job| attribute(&ledger, &record(job), "day").await;
    assert_eq!(day(1).await.as_deref(), Some("2026-11-22"));
    assert_eq!(day(2).await.as_deref(), Some("2026-11-23"));
    // Who asks for what closed since a time finds both.
    let closed = ledger
        .closed(
            range(at(MIDNIGHT - 120), at(DAY)),
            Order::OldestFirst,
            100,
            at(DAY),
        )
        .await
        .unwrap();
    assert_eq!(ids(&closed), [1, 2]);
    assert_eq!(closed.jobs[1].closed_at, Some(at(MIDNIGHT - 60)));
}

/// The jobs of a day from a part on, as the archive gets them.
async fn lines_from<S: Store + History>(
    ledger: &Ledger<S>,
    mut next: ArchiveCursor<After>,
) -> Vec<serde_json::Value> {
    let (mut lines, day) = (String::new(), next.day);
    while next.day == day {
        let part = ledger.archive_part(&next).await.unwrap();
        assert_eq!(part.runners, "");
        lines.push_str(&part.jobs);
        next = next.following(part.last);
    }
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn a_day_of_the_archive_is_read_as_lines<S: Store + History>(ledger: Ledger<S>) {
    for job in 1..=3 {
        over(&ledger, job, at(job.unsigned_abs())).await;
    }
    over(&ledger, 4, at(DAY)).await;
    let day = |seconds| ArchiveCursor {
        day: Day::of(at(seconds)),
        part: 0,
        after: None,
    };
    let lines = lines_from(&ledger, day(0)).await;
    let jobs: Vec<_> = lines.iter().map(|line| line["id"].as_i64()).collect();
    assert_eq!(jobs, [Some(1), Some(2), Some(3)]);
    let known: JobRecord = serde_json::from_value(lines[0].clone()).unwrap();
    assert_eq!(ledger.job(JobId(1)).await.unwrap().as_ref(), Some(&known));
    // After its first record the two others follow.
    let after = After {
        key: record(1),
        closed_at: at(1),
    };
    let rest = ArchiveCursor {
        after: Some(after),
        ..day(0)
    };
    assert_eq!(lines_from(&ledger, rest).await, lines[1..]);
    assert_eq!(lines_from(&ledger, day(DAY)).await.len(), 1);
}

async fn the_archive_goes_on_where_it_was_and_one_at_a_time<S: Store>(ledger: Ledger<S>) {
    let place = ledger.archive_place().await.unwrap();
    assert_eq!(place.at, None);
    let next = ArchiveCursor {
        day: Day::of(at(0)),
        part: 7,
        after: Some(After {
            key: record(1),
            closed_at: at(1),
        }),
    };
    let moved = ledger
        .move_cursor(&place, Some(next.clone()))
        .await
        .unwrap();
    assert!(moved.is_some());
    let late = ledger.move_cursor(&place, Some(next.following(None))).await;
    assert_eq!(late.unwrap(), None, "another sweep was there before");
    assert_eq!(ledger.archive_place().await.unwrap().at, Some(next));
}

on_both! {
    what_is_recorded_late_is_filed_where_the_archive_has_not_been
    a_day_of_the_archive_is_read_as_lines
    the_archive_goes_on_where_it_was_and_one_at_a_time
    closed_jobs_of_several_days_come_in_order
    no_more_is_read_than_was_asked_for_and_it_is_said_where_it_ends
    what_is_open_is_not_among_them
    a_closed_runner_is_found_beside_its_job
    a_record_whose_time_is_up_is_gone_whatever_dynamodb_has
}
