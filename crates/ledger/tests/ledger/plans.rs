//! Looks and plans: who comes second looks again.

use mayfly_domain::model::id::{RunnerId, TaskArn};
use mayfly_domain::model::story::Reason;
use mayfly_ledger::key;
use mayfly_ledger::pool_snapshot::MOST_LAUNCHES;
use mayfly_ledger::store::REV;
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{
    ARN, OTHER_ARN, at, attribute, commit_mark, entry, item, linux, marked, queue, registering,
    requested, row, started,
};

async fn the_first_commit_writes_rows_version_and_the_pools_entry<S: Store>(ledger: Ledger<S>) {
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(snapshot.meta.is_absent());
    assert!(
        ledger
            .commit_plan(&entry(), &snapshot, (&[row(1), row(2)], &[]), at(1))
            .await
            .unwrap()
    );
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert_eq!(
        (
            attribute(&ledger, &key::meta(&linux()), REV).await,
            snapshot.meta.launched.len(),
            snapshot.runners.len()
        ),
        (Some(at(1).millis().to_string()), 2, 2)
    );
    assert_eq!(ledger.pool_entries().await.unwrap(), [entry()]);
}

async fn of_two_planners_with_the_same_look_one_commits<S: Store>(ledger: Ledger<S>) {
    let snapshots = [
        ledger.pool_snapshot(&linux()).await.unwrap(),
        ledger.pool_snapshot(&linux()).await.unwrap(),
    ];
    assert!(
        ledger
            .commit_plan(&entry(), &snapshots[0], (&[row(1)], &[]), at(1))
            .await
            .unwrap()
    );
    assert!(
        !ledger
            .commit_plan(&entry(), &snapshots[1], (&[row(2)], &[]), at(1))
            .await
            .unwrap()
    );
    let rows: Vec<RunnerId> = ledger
        .runners(&linux())
        .await
        .unwrap()
        .into_iter()
        .map(|runner| runner.id)
        .collect();
    assert_eq!(rows, [row(1).id]);
}

async fn a_plan_that_marks_a_runner_which_registers_meanwhile_is_dropped_whole<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = started(&ledger, 1, None).await;
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    ledger.park(&runner, None, at(6)).await.unwrap().unwrap();
    let mark = snapshot.runners[0].clone();
    assert!(
        !ledger
            .commit_plan(&entry(), &snapshot, (&[row(2)], &[mark]), at(1))
            .await
            .unwrap()
    );
    assert_eq!(ledger.runners(&linux()).await.unwrap().len(), 1);
}

async fn the_largest_plan_fits_into_one_transaction<S: Store>(ledger: Ledger<S>) {
    let rows: Vec<_> = (1..=MOST_LAUNCHES as u128).map(row).collect();
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(
        ledger
            .commit_plan(&entry(), &snapshot, (&rows, &[]), at(1))
            .await
            .unwrap()
    );
    assert_eq!(
        ledger.pool_snapshot(&linux()).await.unwrap().runners.len(),
        MOST_LAUNCHES
    );
}

async fn a_look_at_a_pool_shows_nothing_of_another<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    requested(&ledger, 1, Some(1)).await;
    let snapshot = ledger
        .pool_snapshot(&"other".parse().unwrap())
        .await
        .unwrap();
    assert!(snapshot.jobs.is_empty() && snapshot.runners.is_empty() && snapshot.meta.is_absent());
}

async fn all_pages_of_a_pool_are_read<S: Store>(ledger: Ledger<S>) {
    for job in 1..=11 {
        queue(&ledger, job, 0).await;
    }
    let rows: Vec<_> = (1..=11).map(row).collect();
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(
        ledger
            .commit_plan(&entry(), &snapshot, (&rows, &[]), at(1))
            .await
            .unwrap()
    );
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert_eq!((snapshot.jobs.len(), snapshot.runners.len()), (11, 11));
}

async fn a_tasks_arn_is_written_once<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    assert_eq!(runner.arn, Some(TaskArn(ARN.into())));
    assert_eq!(
        ledger
            .launched(&runner.address(), &TaskArn(ARN.into()), at(3))
            .await
            .unwrap(),
        None
    );
    let why = ledger
        .launched(&runner.address(), &TaskArn(OTHER_ARN.into()), at(3))
        .await
        .unwrap();
    assert_eq!(why, Some(Reason::OtherTask));
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap(),
        Some(runner)
    );
}

async fn a_task_for_a_marked_or_closed_row_is_to_be_stopped_by_whoever_writes_its_arn<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = requested(&ledger, 1, None).await;
    assert!(marked(&ledger, &runner).await);
    assert_eq!(
        ledger
            .launched(&runner.address(), &TaskArn(ARN.into()), at(6))
            .await
            .unwrap(),
        Some(Reason::NotNeeded)
    );
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap().unwrap().arn,
        Some(TaskArn(ARN.into()))
    );
    let nobody = row(7).address();
    assert!(
        ledger
            .launched(&nobody, &TaskArn(ARN.into()), at(6))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(item(&ledger, &key::runner(&nobody)).await, None);
}

async fn a_runner_that_registers_is_not_marked<S: Store>(ledger: Ledger<S>) {
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    let before = row(1);
    let reservation = registering(&ledger, 1, 1).await;
    assert!(!commit_mark(&ledger, &snapshot, &before).await);
    assert_eq!(
        ledger.runner(&before.address()).await.unwrap(),
        Some(reservation.runner)
    );
}

on_both! {
    the_first_commit_writes_rows_version_and_the_pools_entry
    of_two_planners_with_the_same_look_one_commits
    a_plan_that_marks_a_runner_which_registers_meanwhile_is_dropped_whole
    the_largest_plan_fits_into_one_transaction
    a_look_at_a_pool_shows_nothing_of_another
    all_pages_of_a_pool_are_read
    a_tasks_arn_is_written_once
    a_task_for_a_marked_or_closed_row_is_to_be_stopped_by_whoever_writes_its_arn
    a_runner_that_registers_is_not_marked
}
