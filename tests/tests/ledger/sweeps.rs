//! What sweeper keeps.

use std::time::Duration;

use mayfly_domain::id::JobId;
use mayfly_domain::job::JobAction;
use mayfly_domain::task::TaskStatus;
use mayfly_domain::times;
use mayfly_ledger::look::PoolEntry;
use mayfly_ledger::{Ledger, Store};

use crate::scene::{ARN, at, entry, event, linux, pools, registered, task, waiting};

async fn one_sweeper_holds_the_lease_until_it_gives_it_back_or_it_runs_out<S: Store>(ledger: Ledger<S>) {
    assert!(ledger.take_lease("a", at(0)).await.unwrap());
    assert!(!ledger.take_lease("b", at(1)).await.unwrap());
    assert!(ledger.take_lease("a", at(1)).await.unwrap());
    ledger.give_lease_back("b").await.unwrap();
    assert!(!ledger.take_lease("b", at(2)).await.unwrap());
    ledger.give_lease_back("a").await.unwrap();
    assert!(ledger.take_lease("b", at(3)).await.unwrap());
    let over = at(3).plus(times::SWEEPER_LEASE + Duration::from_millis(1));
    assert!(ledger.take_lease("c", over).await.unwrap());
    // The one that was too slow gives back nothing.
    ledger.give_lease_back("b").await.unwrap();
    assert!(!ledger.take_lease("d", over).await.unwrap());
}

async fn pools_are_remembered_until_they_are_forgotten<S: Store>(ledger: Ledger<S>) {
    let gone = PoolEntry { gone_at: Some(at(9)), ..entry() };
    ledger.put_pool_entry(&entry()).await.unwrap();
    ledger.put_pool_entry(&gone).await.unwrap();
    assert_eq!(ledger.pool_entries().await.unwrap(), [gone]);
    ledger.forget_pool(&linux()).await.unwrap();
    assert_eq!(ledger.pool_entries().await.unwrap(), []);
    ledger.forget_pool(&linux()).await.unwrap();
}

async fn a_job_that_github_still_shows_queued_may_be_served_again<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    ledger.task_seen(&task(&runner, ARN, 7, TaskStatus::Stopped), true, at(60)).await.unwrap();
    assert!(waiting(&ledger, 1).await.unwrap().ask);
    assert!(ledger.still_queued(&linux(), JobId(1), at(61)).await.unwrap());
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(!row.ask && row.not_before.is_some() && row.attempts == 1);
    ledger.observe(&event(JobAction::Completed, 1, 70), &pools()).await.unwrap();
    assert!(!ledger.still_queued(&linux(), JobId(1), at(71)).await.unwrap());
}

on_both! {
    one_sweeper_holds_the_lease_until_it_gives_it_back_or_it_runs_out
    pools_are_remembered_until_they_are_forgotten
    a_job_that_github_still_shows_queued_may_be_served_again
}
