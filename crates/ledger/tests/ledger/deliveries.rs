//! What sweeper keeps of deliveries that failed, and of repositories.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::model::failed_delivery::{DeliveryGuid, Redelivery};
use mayfly_domain::model::id::{DeliveryId, RepositoryId, RunId};
use mayfly_domain::model::job::{JobAction, JobEvent};
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::target::Repository;
use mayfly_ledger::key::{self, Key};
use mayfly_ledger::repositories::RepositorySeen;
use mayfly_ledger::store::REV;
use mayfly_ledger::{Ledger, Store, Versioned};

use crate::fixture::{at, attribute, event, put};

const KEEP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

fn failed() -> Redelivery {
    Redelivery {
        guid: guid(),
        delivery: DeliveryId(39_000_000_001),
        first_at: at(0),
        action: JobAction::Queued,
        repository: Some(RepositoryId(710_000_001)),
        refused: false,
    }
}

fn guid() -> DeliveryGuid {
    "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().unwrap()
}

async fn open<S: Store>(ledger: &Ledger<S>) -> Vec<Versioned<OutboxEntry>> {
    ledger.outbox_page("", None).await.unwrap().entries
}

async fn a_delivery_that_failed_is_one_follow_up_whose_waits_go_on_when_it_is_read_again<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    ledger.record_undelivered(&failed(), at(60)).await.unwrap();
    let first = open(&ledger).await.remove(0);
    assert_eq!(
        (
            &first.follow_up,
            first.installation,
            first.since,
            first.due(at(60))
        ),
        (&FollowUp::RedeliverWebhook(failed()), None, at(0), true)
    );
    let asked = first.retry_with_backoff(Duration::from_secs(60), at(60));
    ledger
        .reschedule_outbox_entry(&first, asked.clone())
        .await
        .unwrap();
    ledger.record_undelivered(&failed(), at(61)).await.unwrap();
    assert_eq!(open(&ledger).await.remove(0).into_inner(), asked);
}

async fn what_was_delivered_has_no_follow_up_and_gets_none<S: Store>(ledger: Ledger<S>) {
    ledger.record_undelivered(&failed(), at(60)).await.unwrap();
    let follow_up = open(&ledger).await.remove(0);
    assert!(!ledger.is_delivered(&guid()).await.unwrap());
    ledger
        .record_delivered(&guid(), KEEP, at(120))
        .await
        .unwrap();
    // Anyone who still works on it, or reads of its first attempt, changes nothing.
    ledger
        .reschedule_outbox_entry(
            &follow_up,
            follow_up.retry_with_backoff(Duration::from_secs(60), at(121)),
        )
        .await
        .unwrap();
    ledger.record_undelivered(&failed(), at(180)).await.unwrap();
    assert_eq!(
        (
            open(&ledger).await,
            ledger.is_delivered(&guid()).await.unwrap()
        ),
        (Vec::new(), true)
    );
    ledger
        .record_delivered(&guid(), KEEP, at(240))
        .await
        .unwrap();
}

async fn a_repository_is_written_over_what_was_read_and_nothing_else<S: Store>(ledger: Ledger<S>) {
    let job = event(JobAction::Queued, 1, 0);
    ledger
        .touch_repository(&RepositorySeen::from(&job))
        .await
        .unwrap();
    let mut seen = ledger.repositories().await.unwrap().remove(0);
    seen.looked_at.insert(RunId(19_000_000_001));
    let first = ledger.put_repository(seen.clone()).await.unwrap().unwrap();
    assert_eq!(
        (
            ledger.put_repository(seen).await.unwrap(),
            ledger.repositories().await.unwrap()
        ),
        (None, vec![first.clone()])
    );
    let mut hidden = first.clone();
    hidden.hidden = 1;
    let second = ledger.put_repository(hidden).await.unwrap().unwrap();
    assert_eq!(
        ledger.repository(second.repository.id).await.unwrap(),
        Some(second.clone().into_inner())
    );
    ledger.forget_repository(&first).await.unwrap();
    assert_eq!(
        ledger.repositories().await.unwrap(),
        std::slice::from_ref(&second)
    );
    ledger.forget_repository(&second).await.unwrap();
    assert_eq!(ledger.repository(second.repository.id).await.unwrap(), None);
}

async fn a_repository_is_as_its_newest_job_says_and_is_written_once_a_day<S: Store>(
    ledger: Ledger<S>,
) {
    let told = |job, seconds, name: &str| {
        let event = event(JobAction::Completed, job, seconds);
        JobEvent {
            repository: Repository {
                name: name.to_owned(),
                ..event.repository.clone()
            },
            ..event
        }
    };
    let mut revs = Vec::new();
    for event in [
        told(5, 0, "acme/app"),
        told(6, 60, "acme/app"),
        told(7, 120, "acme/new"),
        told(4, 180, "acme/app"),
        told(8, 90_000, "acme/new"),
    ] {
        ledger
            .touch_repository(&RepositorySeen::from(&event))
            .await
            .unwrap();
        let seen = ledger.repositories().await.unwrap().remove(0).into_inner();
        let key = key::repository(seen.repository.id);
        revs.push((
            attribute(&ledger, &key, REV).await.unwrap(),
            seen.repository.name,
            seen.newest.0,
            seen.seen_at == event.received_at,
        ));
    }
    // The first version of an item that may come again is the time in milliseconds.
    let first = at(0).millis() - 1;
    let is = |writes: i64, name: &str, newest, seen| {
        let rev = first + writes;
        (rev.to_string(), name.to_owned(), newest, seen)
    };
    let (app, new) = ("acme/app", "acme/new");
    assert_eq!(
        revs,
        [
            is(1, app, 5, true),
            is(1, app, 5, false),
            is(2, new, 7, true),
            is(2, new, 7, false),
            is(3, new, 8, true)
        ]
    );
}

async fn an_item_that_cannot_be_read_is_left_out_of_its_list_and_the_others_are_there<S: Store>(
    ledger: Ledger<S>,
) {
    ledger
        .touch_repository(&RepositorySeen::from(&event(JobAction::Completed, 5, 0)))
        .await
        .unwrap();
    ledger.record_undelivered(&failed(), at(0)).await.unwrap();
    for (pk, sk) in [
        (key::REPOSITORIES, "1"),
        (key::OUTBOX, "check_job#1"),
        (key::OUTBOX, "zzz"),
    ] {
        let key = Key {
            pk: pk.to_owned(),
            sk: sk.to_owned(),
        };
        let strange = BTreeMap::from([("strange", 1)]);
        ledger
            .store()
            .commit(vec![put(key, &strange, 1)])
            .await
            .unwrap();
    }
    assert_eq!(ledger.repositories().await.unwrap().len(), 1);
    assert_eq!(ledger.outbox_page("", None).await.unwrap().entries.len(), 1);
}

on_both! {
    an_item_that_cannot_be_read_is_left_out_of_its_list_and_the_others_are_there
    a_repository_is_as_its_newest_job_says_and_is_written_once_a_day
    a_delivery_that_failed_is_one_follow_up_whose_waits_go_on_when_it_is_read_again
    what_was_delivered_has_no_follow_up_and_gets_none
    a_repository_is_written_over_what_was_read_and_nothing_else
}
