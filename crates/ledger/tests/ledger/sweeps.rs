//! What sweeper keeps.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::job::JobAction;
use mayfly_domain::model::timeouts;
use mayfly_ledger::pool_snapshot::PoolEntry;
use mayfly_ledger::repositories::{RepositorySeen, SeenRepository};
use mayfly_ledger::store::REV;
use mayfly_ledger::{Ledger, Store, key};

use crate::fixture::{at, attribute, entry, event, linux, requested, row};

async fn one_sweeper_holds_the_lease_until_it_gives_it_back_or_it_runs_out<S: Store>(
    ledger: Ledger<S>,
) {
    assert!(ledger.take_lease("a", at(0)).await.unwrap());
    assert!(!ledger.take_lease("b", at(1)).await.unwrap());
    assert!(ledger.take_lease("a", at(1)).await.unwrap());
    ledger.release_lease("b").await.unwrap();
    assert!(!ledger.take_lease("b", at(2)).await.unwrap());
    ledger.release_lease("a").await.unwrap();
    assert!(ledger.take_lease("b", at(3)).await.unwrap());
    let over = at(3).plus(timeouts::SWEEPER_LEASE + Duration::from_millis(1));
    assert!(ledger.take_lease("c", over).await.unwrap());
    // The one that was too slow gives back nothing.
    ledger.release_lease("b").await.unwrap();
    assert!(!ledger.take_lease("d", over).await.unwrap());
}

async fn pools_are_remembered_until_they_are_forgotten<S: Store>(ledger: Ledger<S>) {
    let gone = PoolEntry {
        gone_at: Some(at(9)),
        ..entry()
    };
    ledger.put_pool_entry(&entry()).await.unwrap();
    ledger.put_pool_entry(&gone).await.unwrap();
    assert_eq!(ledger.pool_entries().await.unwrap(), [gone]);
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(ledger.forget_pool(&linux(), &snapshot.meta).await.unwrap());
    assert_eq!(ledger.pool_entries().await.unwrap(), []);
    assert!(ledger.forget_pool(&linux(), &snapshot.meta).await.unwrap());
}

async fn a_pool_that_was_planned_since_the_look_is_not_forgotten_and_one_that_was_is_entered_again<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    let before = ledger.pool_snapshot(&linux()).await.unwrap();
    requested(&ledger, 1, None).await;
    assert!(!ledger.forget_pool(&linux(), &before.meta).await.unwrap());
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(ledger.forget_pool(&linux(), &snapshot.meta).await.unwrap());
    // Anyone who planned from the look before it was forgotten looks again.
    assert!(
        !ledger
            .commit_plan(&entry(), &snapshot, (&[row(2)], &[]), at(1))
            .await
            .unwrap()
    );
    requested(&ledger, 3, None).await;
    assert_eq!(ledger.pool_entries().await.unwrap(), [entry()]);
    // So does a planner that slept through both.
    assert!(
        !ledger
            .commit_plan(&entry(), &snapshot, (&[row(2)], &[]), at(9))
            .await
            .unwrap()
    );
}

/// Reads what a sweep or a delivery reads before it writes, and writes only after others have
/// removed the item and made it again.
async fn what_was_read_of_an_item_that_was_removed_and_made_again_is_written_over_nothing<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    let seen = |seconds| RepositorySeen::from(&event(JobAction::Queued, 1, seconds));
    ledger.touch_repository(&seen(0)).await.unwrap();
    let before = ledger.repositories().await.unwrap().remove(0);
    ledger.forget_repository(&before).await.unwrap();
    ledger.touch_repository(&seen(60)).await.unwrap();
    let late = SeenRepository {
        hidden: 9,
        ..(*before).clone()
    };
    let written = ledger.put_repository(before.with_value(late)).await;
    assert_eq!(written.unwrap(), None);
    ledger.forget_repository(&before).await.unwrap();
    let now = ledger.repositories().await.unwrap();
    assert_eq!(now[0].seen_at, at(60), "forgotten, or written over");
    // An account that is served now brings its repositories, under numbers of their own, too.
    ledger.forget_repository(&now[0]).await.unwrap();
    ledger.unserved(&seen(70)).await.unwrap();
    let left = ledger.left_by("acme").await.unwrap();
    ledger.serve(&left[0], at(80)).await.unwrap();
    let served = ledger.repositories().await.unwrap().remove(0);
    assert_eq!(served.seen_at, at(80));
    assert!(served.checked_at < at(0), "GitHub is to be asked at once");
    for old in [&before, &now[0]] {
        assert_eq!(ledger.put_repository(old.clone()).await.unwrap(), None);
    }
}

/// Also where sweepers whose clocks differ take it at what each calls the same moment. Of the lease no
/// reader keeps the number across calls: the table tells which it had.
async fn each_lease_has_a_number_of_its_own<S: Store>(ledger: Ledger<S>) {
    let mut numbers = BTreeSet::new();
    for _ in 0..4 {
        assert!(ledger.take_lease("a", at(60)).await.unwrap());
        assert!(ledger.take_lease("a", at(61)).await.unwrap());
        numbers.insert(attribute(&ledger, &key::lease(), REV).await.unwrap());
        ledger.release_lease("a").await.unwrap();
    }
    assert_eq!(numbers.len(), 4);
}

/// The one that comes second would go on from where the first one stopped, or lose what that read.
async fn of_two_sweeps_that_read_one_list_one_moves_its_place<S: Store>(ledger: Ledger<S>) {
    let first = ledger.cursor::<u32>("deliveries").await.unwrap();
    let moved = ledger.move_cursor(&first, 1).await.unwrap();
    assert!(moved.is_some());
    assert_eq!(ledger.move_cursor(&first, 2).await.unwrap(), None);
    let now = ledger.cursor::<u32>("deliveries").await.unwrap();
    assert_eq!(now.at, 1);
    assert!(ledger.move_cursor(&now, 3).await.unwrap().is_some());
    assert_eq!(ledger.move_cursor(&now, 4).await.unwrap(), None);
}

on_both! {
    each_lease_has_a_number_of_its_own
    what_was_read_of_an_item_that_was_removed_and_made_again_is_written_over_nothing
    of_two_sweeps_that_read_one_list_one_moves_its_place
    one_sweeper_holds_the_lease_until_it_gives_it_back_or_it_runs_out
    pools_are_remembered_until_they_are_forgotten
    a_pool_that_was_planned_since_the_look_is_not_forgotten_and_one_that_was_is_entered_again
}
