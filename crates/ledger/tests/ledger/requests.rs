//! What people ask for, on the model of the table and on DynamoDB's API.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobAction;
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::runner::{RunnerState, StopKind};
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::transitions::retry::Retry;
use mayfly_domain::transitions::stop::StopOutcome;
use mayfly_ledger::requests::{AppliedVersion, ApplyEnd, ApplyLock, FileHash};
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{ARN, at, event, on, pools, queue, registered, requested, task, waiting};

fn wish(seconds: u64, force: bool) -> StopRequest {
    StopRequest {
        at: at(seconds),
        by: "user/alice".to_owned(),
        force,
    }
}

async fn a_runner_is_marked_or_left_to_sweeper_as_its_state_says<S: Store>(ledger: Ledger<S>) {
    let unregistered = requested(&ledger, 1, None).await.address();
    assert!(matches!(
        ledger
            .request_stop(&unregistered, &wish(5, false))
            .await
            .unwrap(),
        Some(StopOutcome::Marked)
    ));
    let row = ledger.runner(&unregistered).await.unwrap().unwrap();
    let row = row.into_inner();
    assert_eq!(row.stop.unwrap().kind, StopKind::UserRequest);
    assert_eq!(
        ledger
            .request_stop(&unregistered, &wish(6, true))
            .await
            .unwrap(),
        Some(StopOutcome::Ending)
    );
    let runner = registered(&ledger, 2, 1).await;
    assert!(matches!(
        ledger
            .request_stop(&runner.address(), &wish(7, false))
            .await
            .unwrap(),
        Some(StopOutcome::Requested)
    ));
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let row = row.into_inner();
    assert_eq!(
        (row.stop, row.stop_request, row.state),
        (None, Some(wish(7, false)), RunnerState::Registered)
    );
}

async fn a_runner_at_work_is_untouched_without_force_and_one_that_is_gone_is_none<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .apply_delivery(&on(event(JobAction::InProgress, 1, 10), &runner), &pools())
        .await
        .unwrap();
    let before = ledger.runner(&runner.address()).await.unwrap().unwrap();
    assert_eq!(
        ledger
            .request_stop(&runner.address(), &wish(20, false))
            .await
            .unwrap(),
        Some(StopOutcome::Busy)
    );
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap().unwrap(),
        before
    );
    assert!(matches!(
        ledger
            .request_stop(&runner.address(), &wish(21, true))
            .await
            .unwrap(),
        Some(StopOutcome::Requested)
    ));
    ledger
        .task_seen(&task(&runner, ARN, 7, TaskStatus::Stopped), at(60))
        .await
        .unwrap();
    assert_eq!(
        ledger
            .request_stop(&runner.address(), &wish(61, true))
            .await
            .unwrap(),
        None
    );
}

async fn retry<S: Store>(ledger: &Ledger<S>, job: i64, seconds: u64) -> Option<Retry> {
    ledger
        .retry(JobId(job), "user/alice", &pools(), at(seconds))
        .await
        .unwrap()
}

async fn a_job_that_gave_up_counts_as_never_tried_and_github_is_still_asked_first<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .task_seen(&task(&runner, ARN, 7, TaskStatus::Stopped), at(60))
        .await
        .unwrap();
    let before = waiting(&ledger, 1).await.unwrap();
    assert!(before.attempts == 1 && before.not_before.is_some() && before.needs_check);
    assert!(matches!(
        retry(&ledger, 1, 70).await,
        Some(Retry::BackoffReset { .. })
    ));
    let after = waiting(&ledger, 1).await.unwrap();
    assert_eq!(
        (
            after.attempts,
            after.not_before,
            after.needs_check,
            after.checked_at_github
        ),
        (0, None, true, None)
    );
    assert!(after.needs_check(at(71)), "in the next sweep");
    let record = ledger.job(JobId(1)).await.unwrap().unwrap();
    assert!(
        record
            .story
            .last()
            .unwrap()
            .event
            .to_string()
            .contains("retried by user/alice")
    );
}

async fn a_job_that_nothing_holds_back_is_not_written_and_an_unknown_one_is_none<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    let before = (
        waiting(&ledger, 1).await,
        ledger.job(JobId(1)).await.unwrap(),
    );
    assert_eq!(retry(&ledger, 1, 10).await, Some(Retry::Waits));
    assert_eq!(
        (
            waiting(&ledger, 1).await,
            ledger.job(JobId(1)).await.unwrap()
        ),
        before
    );
    assert_eq!(retry(&ledger, 2, 10).await, None);
    ledger
        .apply_delivery(&event(JobAction::Completed, 1, 20), &pools())
        .await
        .unwrap();
    assert_eq!(retry(&ledger, 1, 30).await, Some(Retry::Over));
}

async fn what_only_github_knows_leaves_a_follow_up_that_is_due<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    ledger
        .apply_delivery(&event(JobAction::InProgress, 1, 10), &pools())
        .await
        .unwrap();
    assert!(matches!(retry(&ledger, 1, 20).await, Some(Retry::CheckJob)));
    let open = ledger
        .outbox_entry(&FollowUp::CheckJob(JobId(1)))
        .await
        .unwrap()
        .unwrap();
    assert!(open.due(at(20)));
}

/// A file of this one's.
fn file(text: &str) -> FileHash {
    FileHash::of(text)
}

async fn one_at_a_time_applies_and_nobody_for_ever<S: Store>(ledger: Ledger<S>) {
    let alice = ledger
        .acquire_apply_lock("alice", &file("alice"), at(0))
        .await
        .unwrap()
        .unwrap();
    let told = ledger
        .acquire_apply_lock("bob", &file("bob"), at(1))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!((told.by.as_str(), told.at), ("alice", at(0)));
    assert!(
        ledger
            .acquire_apply_lock("alice", &file("alice"), at(2))
            .await
            .unwrap()
            .is_err(),
        "nor does she twice: it may be another one of that name"
    );
    ledger
        .release_apply_lock(&alice, ApplyEnd::NotWritten)
        .await
        .unwrap();
    let bob = ledger
        .acquire_apply_lock("bob", &file("bob"), at(3))
        .await
        .unwrap()
        .unwrap();
    // Who ends what is over already, or another's, ends nothing.
    ledger
        .release_apply_lock(&alice, ApplyEnd::NotWritten)
        .await
        .unwrap();
    assert!(
        ledger
            .acquire_apply_lock("carol", &file("carol"), at(4))
            .await
            .unwrap()
            .is_err()
    );
    let carol = ledger
        .acquire_apply_lock("carol", &file("carol"), bob.until)
        .await
        .unwrap()
        .unwrap();
    ledger
        .release_apply_lock(&bob, ApplyEnd::NotWritten)
        .await
        .unwrap();
    assert_eq!(
        ledger
            .acquire_apply_lock("dave", &file("dave"), at(64))
            .await
            .unwrap()
            .unwrap_err(),
        carol.into_inner()
    );
}

async fn which_version_was_applied_last_is_known_and_when_it_is_not<S: Store>(ledger: Ledger<S>) {
    let applied = async |at| ledger.applied_version(at).await.unwrap();
    assert_eq!(
        applied(at(0)).await,
        AppliedVersion {
            version: None,
            under_way: false
        }
    );
    let alice = ledger
        .acquire_apply_lock("alice", &file("alice"), at(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        applied(at(1)).await,
        AppliedVersion {
            version: None,
            under_way: true
        }
    );
    ledger
        .release_apply_lock(&alice, ApplyEnd::Applied(4))
        .await
        .unwrap();
    assert_eq!(
        applied(at(2)).await,
        AppliedVersion {
            version: Some(4),
            under_way: false
        }
    );
    // One that was given up, and one that died on the way.
    let bob = ledger
        .acquire_apply_lock("bob", &file("bob"), at(3))
        .await
        .unwrap()
        .unwrap();
    ledger
        .release_apply_lock(&bob, ApplyEnd::NotWritten)
        .await
        .unwrap();
    assert_eq!(
        applied(at(4)).await,
        AppliedVersion {
            version: Some(4),
            under_way: false
        }
    );
    ledger
        .acquire_apply_lock("carol", &file("carol"), at(5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        applied(at(6)).await,
        AppliedVersion {
            version: Some(4),
            under_way: true
        }
    );
    assert_eq!(
        applied(at(65)).await,
        AppliedVersion {
            version: Some(4),
            under_way: false
        }
    );
}

/// The mark survives who fails, who dies, and a parameter that was made again.
async fn who_wrote_the_file_in_force_is_known<S: Store>(ledger: Ledger<S>) {
    let wrote = async |version, text| {
        let last = ledger.last_apply().await.unwrap();
        last.map(|last| last.wrote(version, &file(text)))
    };
    let acquire = async |text, second| {
        let file = file(text);
        let taken = ledger.acquire_apply_lock("alice", &file, at(second)).await;
        taken.unwrap().unwrap()
    };
    assert_eq!(wrote(1, "one").await, None);
    let one = acquire("one", 0).await;
    ledger
        .release_apply_lock(&one, ApplyEnd::Applied(1))
        .await
        .unwrap();
    assert_eq!(
        (wrote(1, "one").await, wrote(1, "by hand").await),
        (Some(true), Some(false))
    );
    // One that wrote nothing leaves nothing.
    let two = acquire("two", 1).await;
    ledger
        .release_apply_lock(&two, ApplyEnd::NotWritten)
        .await
        .unwrap();
    assert_eq!(
        (wrote(2, "two").await, wrote(1, "one").await),
        (Some(false), Some(true))
    );
    // Of one that died, and of one that got no answer, it is not known what they wrote.
    acquire("three", 2).await;
    let four = acquire("four", 70).await;
    ledger
        .release_apply_lock(&four, ApplyEnd::Unknown)
        .await
        .unwrap();
    for text in ["one", "three", "four"] {
        assert_eq!(wrote(2, text).await, Some(true), "{text}");
    }
    // The next one that writes ends that.
    let five = acquire("five", 140).await;
    ledger
        .release_apply_lock(&five, ApplyEnd::Applied(3))
        .await
        .unwrap();
    for (text, known) in [
        ("five", true),
        ("one", false),
        ("three", false),
        ("four", false),
    ] {
        assert_eq!(wrote(3, text).await, Some(known), "{text}");
    }
}

/// An item of a Mayfly that kept versions only.
#[test]
fn without_a_hash_the_version_tells_who_wrote() {
    let last = |version| ApplyLock {
        by: "alice".to_owned(),
        at: at(0),
        until: at(0),
        version,
        files: Vec::new(),
    };
    assert!(last(Some(3)).wrote(3, &file("one")) && !last(Some(3)).wrote(4, &file("one")));
    assert!(
        last(None).wrote(1, &file("one")),
        "it never applied one: nothing to go around"
    );
}

async fn of_two_who_begin_at_once_one_applies<S: Store>(ledger: Ledger<S>) {
    let hers = file("hers");
    let (one, other) = futures::join!(
        ledger.acquire_apply_lock("alice", &hers, at(0)),
        ledger.acquire_apply_lock("bob", &hers, at(0))
    );
    assert!(one.unwrap().is_ok() != other.unwrap().is_ok());
}

on_both! {
    a_runner_is_marked_or_left_to_sweeper_as_its_state_says
    a_runner_at_work_is_untouched_without_force_and_one_that_is_gone_is_none
    a_job_that_gave_up_counts_as_never_tried_and_github_is_still_asked_first
    a_job_that_nothing_holds_back_is_not_written_and_an_unknown_one_is_none
    what_only_github_knows_leaves_a_follow_up_that_is_due
    one_at_a_time_applies_and_nobody_for_ever
    which_version_was_applied_last_is_known_and_when_it_is_not
    who_wrote_the_file_in_force_is_known
    of_two_who_begin_at_once_one_applies
}
