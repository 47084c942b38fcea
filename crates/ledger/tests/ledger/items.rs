//! Items as they are stored: small where many are read, and readable by those who do not know this
//! version's names.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobAction, JobEvent, WaitingJob};
use mayfly_domain::model::task::TaskStatus;
use mayfly_dynamodb_model::item_bytes;
use mayfly_ledger::store::{Expect, Write};
use mayfly_ledger::{Ledger, Store, key};

use crate::fixture::{ARN, at, event, item, linux, pools, put, queue, registered, task, waiting};

/// What `docs/ARCHITECTURE.md` ("The ledger") allows a waiting row.
const WAITING_ROW: usize = 250;

/// Every member set, every number as long as it gets: what failed again and again in a pool with
/// the longest name.
async fn a_waiting_row_is_at_most_250_bytes_however_full<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let plain = waiting(&ledger, 1).await.unwrap();
    let pool: mayfly_domain::model::id::PoolName = "a".repeat(28).parse().unwrap();
    let full = WaitingJob {
        id: JobId(99_999_999_999_999),
        run: mayfly_domain::model::id::RunId(99_999_999_999_999),
        repository: mayfly_domain::model::id::RepositoryId(9_999_999_999),
        installation: mayfly_domain::model::id::InstallationId(9_999_999_999),
        attempt: 999,
        size: "16384/122880/200/arm64/ondemand".parse().unwrap(),
        not_before: Some(at(0)),
        runner: Some(crate::fixture::row(1).id),
        needs_check: true,
        checked_at_github: Some(at(0)),
        attempts: 1000,
        refused: Some(mayfly_domain::model::job::RefusalScope::Repository),
        hold: Some(HoldReason::FailedStarts(at(0))),
        matched: Some(mayfly_domain::model::pool::MatchKey("012345".to_owned())),
        ..plain.into_inner()
    };
    let key = key::waiting(&pool, full.id);
    ledger
        .store()
        .commit(vec![put(key.clone(), &full, 40 << 20)])
        .await
        .unwrap();
    let stored = item(&ledger, &key).await.unwrap();
    assert!(
        item_bytes(&stored) <= WAITING_ROW,
        "{} bytes: {stored:?}",
        item_bytes(&stored)
    );
}

async fn only_closed_records_are_in_the_index_of_days<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let open = [
        key::runner(&runner.address()),
        key::job_record(JobId(1)),
        key::waiting(&linux(), JobId(1)),
        key::meta(&linux()),
    ];
    for key in &open {
        let item = item(&ledger, key).await.unwrap();
        assert!(
            !item.contains_key("day")
                && !item.contains_key("closed_at")
                && !item.contains_key("expires_at"),
            "{key}"
        );
    }
    ledger
        .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(20))
        .await
        .unwrap();
    ledger
        .apply_delivery(&event(JobAction::Completed, 1, 30), &pools())
        .await
        .unwrap();
    for key in [key::runner_record(&runner.id), key::job_record(JobId(1))] {
        let item = item(&ledger, &key).await.unwrap();
        let numbers: BTreeSet<&str> = ["closed_at", "expires_at"]
            .into_iter()
            .filter(|name| matches!(item.get(*name), Some(AttributeValue::N(_))))
            .collect();
        assert_eq!(
            (
                numbers.len(),
                matches!(item.get("day"), Some(AttributeValue::S(_)))
            ),
            (2, true),
            "{key}"
        );
    }
}

async fn an_item_with_attributes_of_tomorrow_is_read<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let key = key::job_record(JobId(1));
    let mut stored = item(&ledger, &key).await.unwrap();
    stored.insert("tomorrow".to_owned(), AttributeValue::S("news".to_owned()));
    ledger
        .store()
        .commit(vec![Write::Put(key, stored, Expect::Rev(1))])
        .await
        .unwrap();
    assert!(ledger.job(JobId(1)).await.unwrap().is_some());
}

async fn an_unplaced_job_that_finds_no_pool_keeps_its_day_of_expiry<S: Store>(ledger: Ledger<S>) {
    let unplaced = JobEvent {
        labels: ["self-hosted", "gpu"].into_iter().collect(),
        ..event(JobAction::Queued, 1, 0)
    };
    ledger.apply_delivery(&unplaced, &pools()).await.unwrap();
    let expires = ledger
        .job(JobId(1))
        .await
        .unwrap()
        .unwrap()
        .expires_at
        .unwrap();
    assert_eq!(expires - at(0).seconds(), 180 * 24 * 3600);
}

on_both! {
    a_waiting_row_is_at_most_250_bytes_however_full
    only_closed_records_are_in_the_index_of_days
    an_item_with_attributes_of_tomorrow_is_read
    an_unplaced_job_that_finds_no_pool_keeps_its_day_of_expiry
}
