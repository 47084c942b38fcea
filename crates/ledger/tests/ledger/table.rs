//! The port's promises: where the model and DynamoDB's API must agree, and where the model is as
//! unkind as DynamoDB may be.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_dynamodb_model::{Fault, Handle, Model, Operation, What, When, yielding};
use mayfly_ledger::key::Key;
use mayfly_ledger::store::{CommitError, Expect, Item, Write};
use mayfly_ledger::{Ledger, Store};

fn key(sk: &str) -> Key {
    Key {
        pk: "p".to_owned(),
        sk: sk.to_owned(),
    }
}

fn value(rev: u64) -> Item {
    HashMap::from([("rev".to_owned(), AttributeValue::N(rev.to_string()))])
}

fn put(sk: &str, rev: u64, expect: Expect) -> Write {
    Write::Put(key(sk), value(rev), expect)
}

fn is_conflict(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Conflict))
}

async fn rev<S: Store>(store: &S, sk: &str) -> Option<u64> {
    let item = store.get(&key(sk)).await.unwrap()?;
    item.get("rev")?.as_n().ok()?.parse().ok()
}

async fn plain_writes_keep_their_conditions<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    assert!(is_conflict(
        &store.commit(vec![put("a", 2, Expect::Rev(1))]).await
    ));
    store
        .commit(vec![put("a", 1, Expect::Absent)])
        .await
        .unwrap();
    assert!(is_conflict(
        &store.commit(vec![put("a", 1, Expect::Absent)]).await
    ));
    assert!(is_conflict(
        &store.commit(vec![put("a", 2, Expect::Rev(7))]).await
    ));
    store
        .commit(vec![put("a", 2, Expect::Rev(1))])
        .await
        .unwrap();
    assert!(is_conflict(
        &store
            .commit(vec![Write::Delete(key("a"), Expect::Rev(1))])
            .await
    ));
    store
        .commit(vec![Write::Delete(key("a"), Expect::Rev(2))])
        .await
        .unwrap();
    store
        .commit(vec![Write::Delete(key("a"), Expect::Any)])
        .await
        .unwrap();
    assert_eq!(rev(store, "a").await, None);
    store.commit(vec![]).await.unwrap();
}

async fn a_transaction_is_carried_out_whole_or_not_at_all<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    store
        .commit(vec![
            put("a", 1, Expect::Absent),
            put("b", 1, Expect::Absent),
        ])
        .await
        .unwrap();
    let half = vec![
        put("a", 2, Expect::Rev(1)),
        put("b", 2, Expect::Rev(9)),
        put("c", 1, Expect::Absent),
    ];
    assert!(is_conflict(&store.commit(half).await));
    assert_eq!(
        (
            rev(store, "a").await,
            rev(store, "b").await,
            rev(store, "c").await
        ),
        (Some(1), Some(1), None)
    );
    let whole = vec![
        Write::Delete(key("a"), Expect::Rev(1)),
        put("b", 2, Expect::Rev(1)),
        put("c", 1, Expect::Any),
    ];
    store.commit(whole).await.unwrap();
    assert_eq!(
        (
            rev(store, "a").await,
            rev(store, "b").await,
            rev(store, "c").await
        ),
        (None, Some(2), Some(1))
    );
}

async fn what_dynamodb_takes_no_transaction_for_is_a_failure_and_no_conflict<S: Store>(
    ledger: Ledger<S>,
) {
    let store = ledger.store();
    let twice = store
        .commit(vec![put("a", 1, Expect::Any), put("a", 2, Expect::Any)])
        .await;
    assert!(matches!(twice, Err(CommitError::Store(_))), "{twice:?}");
    let many = store
        .commit(
            (0..101)
                .map(|n| put(&n.to_string(), 1, Expect::Any))
                .collect(),
        )
        .await;
    assert!(matches!(many, Err(CommitError::Store(_))), "{many:?}");
    assert_eq!(rev(store, "a").await, None);
}

async fn what_is_too_large_or_too_many_is_a_failure_and_no_conflict<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    let large = || {
        Write::Put(
            key("a"),
            HashMap::from([("text".to_owned(), AttributeValue::S("x".repeat(400 * 1024)))]),
            Expect::Any,
        )
    };
    let alone = store.commit(vec![large()]).await;
    assert!(matches!(alone, Err(CommitError::Store(_))), "{alone:?}");
    let together = store.commit(vec![large(), put("b", 1, Expect::Any)]).await;
    assert!(
        matches!(together, Err(CommitError::Store(_))),
        "{together:?}"
    );
    assert_eq!((rev(store, "a").await, rev(store, "b").await), (None, None));
    let twice = store.get_many(&[key("a"), key("a")]).await;
    assert!(matches!(twice, Err(CommitError::Store(_))), "{twice:?}");
    let many = store
        .get_many(&(0..101).map(|n| key(&n.to_string())).collect::<Vec<_>>())
        .await;
    assert!(matches!(many, Err(CommitError::Store(_))), "{many:?}");
}

async fn a_delete_that_expects_an_item_needs_one<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    let gone = || Write::Delete(key("a"), Expect::Rev(1));
    assert!(is_conflict(&store.commit(vec![gone()]).await));
    assert!(is_conflict(
        &store.commit(vec![gone(), put("b", 1, Expect::Any)]).await
    ));
    assert_eq!(rev(store, "b").await, None);
}

async fn a_query_goes_on_from_within_or_not_at_all<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    store
        .commit(vec![put("job#1", 1, Expect::Absent)])
        .await
        .unwrap();
    // What a page ended at may be gone by now, and still is a place to go on from.
    let page = store.query("p", "job#", Some("job#0"), None).await.unwrap();
    assert_eq!(page.items.len(), 1);
    for outside in ["a", "z"] {
        let refused = store.query("p", "job#", Some(outside), None).await;
        assert!(refused.is_err(), "{outside}: {refused:?}");
    }
}

async fn queries_give_what_begins_so_in_order_and_in_pages<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    for sk in [
        "job#2", "job#1", "jobs", "meta", "runner#1", "job#3", "job#",
    ] {
        store
            .commit(vec![put(sk, 1, Expect::Absent)])
            .await
            .unwrap();
    }
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store
            .query("p", "job#", after.as_deref(), Some(2))
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|(key, _)| key.sk));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["job#", "job#1", "job#2", "job#3"]);
    assert!(
        store
            .query("nobody", "", None, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn several_items_are_read_in_the_order_asked<S: Store>(ledger: Ledger<S>) {
    let store = ledger.store();
    store
        .commit(vec![put("b", 2, Expect::Absent)])
        .await
        .unwrap();
    let items = store
        .get_many(&[key("a"), key("b"), key("c")])
        .await
        .unwrap();
    assert_eq!(
        items.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(
        items[1].as_ref().unwrap().get("sk"),
        Some(&AttributeValue::S("b".to_owned()))
    );
}

on_both! {
    plain_writes_keep_their_conditions
    a_transaction_is_carried_out_whole_or_not_at_all
    what_dynamodb_takes_no_transaction_for_is_a_failure_and_no_conflict
    what_is_too_large_or_too_many_is_a_failure_and_no_conflict
    a_delete_that_expects_an_item_needs_one
    a_query_goes_on_from_within_or_not_at_all
    queries_give_what_begins_so_in_order_and_in_pages
    several_items_are_read_in_the_order_asked
}

/// The model with a transaction on `a` and `b` stopped half-way: a query sees `a` only.
async fn half_way() -> (
    Model,
    Handle,
    tokio::task::JoinHandle<Result<(), CommitError>>,
) {
    let model = Model::new();
    let store = model.ledger("reader").store().clone();
    model.hold(Some("writer"), |key| key.sk == "a");
    let writer = model.ledger("writer").store().clone();
    let running = tokio::spawn(async move {
        writer
            .commit(vec![
                put("a", 1, Expect::Absent),
                put("b", 1, Expect::Absent),
            ])
            .await
    });
    model.held().await;
    (model, store, running)
}

#[tokio::test]
async fn a_query_sees_half_a_transaction_and_a_read_of_one_item_all_of_it() {
    let (model, store, running) = half_way().await;
    let shown: Vec<String> = store
        .query("p", "", None, None)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|(key, _)| key.sk)
        .collect();
    assert_eq!(shown, ["a"]);
    assert_eq!(rev(&store, "b").await, Some(1));
    model.release();
    running.await.unwrap().unwrap();
    assert_eq!(
        store.query("p", "", None, None).await.unwrap().items.len(),
        2
    );
}

#[tokio::test]
async fn whoever_meets_a_transaction_under_way_is_refused() {
    let (model, store, running) = half_way().await;
    assert!(is_conflict(
        &store.commit(vec![put("b", 2, Expect::Any)]).await
    ));
    assert!(is_conflict(
        &store
            .commit(vec![put("b", 2, Expect::Any), put("c", 1, Expect::Any)])
            .await
    ));
    assert!(matches!(
        store.get_many(&[key("b"), key("c")]).await,
        Err(CommitError::Conflict)
    ));
    assert!(store.get_many(&[key("c")]).await.is_ok());
    model.release();
    running.await.unwrap().unwrap();
    assert_eq!(model.counts().conflicts(), 3);
}

#[tokio::test]
async fn a_writer_that_is_killed_half_way_has_written_all() {
    let (_model, store, running) = half_way().await;
    running.abort();
    assert!(running.await.is_err());
    assert_eq!(
        store
            .get_many(&[key("a"), key("b")])
            .await
            .unwrap()
            .into_iter()
            .flatten()
            .count(),
        2
    );
}

#[tokio::test]
async fn faults_strike_before_the_work_or_after_it() {
    let model = Model::new();
    let store = model.ledger("somebody").store().clone();
    model.add_fault(Fault::once(When::Before, What::Fails).on(Operation::PutItem));
    assert!(matches!(
        store.commit(vec![put("a", 1, Expect::Absent)]).await,
        Err(CommitError::Store(_))
    ));
    assert_eq!(rev(&store, "a").await, None);
    model.add_fault(
        Fault::once(When::After, What::Fails)
            .of("somebody")
            .about("p a"),
    );
    assert!(matches!(
        store.commit(vec![put("a", 1, Expect::Absent)]).await,
        Err(CommitError::Store(_))
    ));
    assert_eq!(rev(&store, "a").await, Some(1));
    assert!(!model.clear_faults());
}

#[tokio::test]
async fn the_same_seed_shows_the_same_halves() {
    let story = |seed: u64| async move {
        let model = Model::paced(seed, yielding(3));
        let writer = model.ledger("writer").store().clone();
        let writes: Vec<Write> = (0..6)
            .map(|n| put(&n.to_string(), 1, Expect::Absent))
            .collect();
        let running = tokio::spawn(async move { writer.commit(writes).await });
        let reader = model.ledger("reader").store().clone();
        // A task of its own: tokio lets all tasks run many times before it turns to the test
        // itself.
        let looking = tokio::spawn(async move {
            let mut seen = Vec::new();
            while !running.is_finished() {
                let page = reader.query("p", "", None, None).await.unwrap();
                seen.push(
                    page.items
                        .into_iter()
                        .map(|(key, _)| key.sk)
                        .collect::<Vec<_>>(),
                );
            }
            seen
        });
        looking.await.unwrap()
    };
    let first = story(7).await;
    assert_eq!(first, story(7).await);
    let mut others = Vec::new();
    for seed in 8..12 {
        others.push(story(seed).await);
    }
    let is_half = |seen: &Vec<String>| !seen.is_empty() && seen.len() < 6;
    assert!(
        others.iter().flatten().any(is_half),
        "never half: {others:?}"
    );
    assert!(
        others.iter().any(|other| *other != first),
        "every seed tells {first:?}"
    );
}
