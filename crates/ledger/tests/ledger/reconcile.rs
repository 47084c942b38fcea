//! What GitHub says when it is asked, and jobs rematched.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{AssignedRunner, JobAction, JobEvent, JobState};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::transitions::reconcile::{GithubJob, GithubJobDetails, GithubJobStatus};
use mayfly_domain::transitions::rematch::RematchOutcome;
use mayfly_domain::transitions::retry::Retry;
use mayfly_ledger::reconcile::ReconcileReport;
use mayfly_ledger::registrations::ReservationWrites;
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{ARN, at, event, linux, on, pools, queue, registered, started, task, waiting};

fn says(status: GithubJobStatus) -> GithubJobDetails {
    GithubJobDetails {
        status,
        runner: None,
        conclusion: None,
        created_at: None,
        started_at: None,
        completed_at: None,
    }
}

fn names(runner: &Runner) -> Option<AssignedRunner> {
    Some(AssignedRunner {
        id: runner.github.unwrap(),
        name: runner.name().to_string(),
    })
}

async fn reconcile_job<S: Store>(
    ledger: &Ledger<S>,
    seen: GithubJobDetails,
    seconds: u64,
) -> ReconcileReport {
    ledger
        .reconcile_job(JobId(1), &GithubJob::Found(seen), &pools(), at(seconds))
        .await
        .unwrap()
        .unwrap()
}

async fn follow_ups<S: Store>(ledger: &Ledger<S>) -> BTreeSet<String> {
    ledger
        .outbox_page("", None)
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|open| open.follow_up.to_string())
        .collect()
}

async fn a_job_that_github_still_shows_queued_may_be_served_again<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .task_seen(&task(&runner, ARN, 7, TaskStatus::Stopped), at(60))
        .await
        .unwrap();
    assert!(waiting(&ledger, 1).await.unwrap().needs_check);
    let told = reconcile_job(&ledger, says(GithubJobStatus::Queued), 61).await;
    assert_eq!(told.changes.wake, BTreeSet::from([linux()]));
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(
        !row.needs_check
            && row.not_before.is_some()
            && row.attempts == 1
            && row.checked_at_github == Some(at(61))
    );
    ledger
        .apply_delivery(&event(JobAction::Completed, 1, 70), &pools())
        .await
        .unwrap();
    assert_eq!(
        reconcile_job(&ledger, says(GithubJobStatus::Queued), 300)
            .await
            .record
            .state,
        JobState::Closed
    );
    assert_eq!(waiting(&ledger, 1).await, None);
}

async fn an_answer_that_the_job_is_over_takes_its_row_and_tells_its_runner<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    let over = GithubJobDetails {
        runner: names(&runner),
        conclusion: Some("success".into()),
        ..says(GithubJobStatus::Completed)
    };
    let told = reconcile_job(&ledger, over, 60).await;
    assert_eq!(
        (told.record.state, told.record.runner),
        (JobState::Closed, Some(runner.id.clone()))
    );
    assert_eq!(waiting(&ledger, 1).await, None);
    let after = ledger.runner(&runner.address()).await.unwrap().unwrap();
    assert_eq!(
        (after.state, after.done_at),
        (RunnerState::Busy, Some(at(60)))
    );
}

async fn held_back_and_free_again_by_githubs_word<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    assert_eq!(
        reconcile_job(&ledger, says(GithubJobStatus::Gated), 60)
            .await
            .record
            .state,
        JobState::Queued,
        "believed too early"
    );
    assert_eq!(
        reconcile_job(&ledger, says(GithubJobStatus::Gated), 200)
            .await
            .record
            .state,
        JobState::Blocked
    );
    assert_eq!(
        (waiting(&ledger, 1).await, follow_ups(&ledger).await),
        (None, BTreeSet::from(["check_job#1".to_owned()]))
    );
    let told = reconcile_job(&ledger, says(GithubJobStatus::Queued), 400).await;
    assert_eq!(
        (told.record.state, told.changes.wake),
        (JobState::Queued, BTreeSet::from([linux()]))
    );
    assert!(waiting(&ledger, 1).await.is_some());
}

async fn a_job_waits_again_when_github_says_so_twice_and_its_runner_has_no_row<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .apply_delivery(&on(event(JobAction::InProgress, 1, 10), &runner), &pools())
        .await
        .unwrap();
    reconcile_job(&ledger, says(GithubJobStatus::Queued), 200).await;
    assert_eq!(
        reconcile_job(&ledger, says(GithubJobStatus::Queued), 300)
            .await
            .record
            .state,
        JobState::Running,
        "its runner is open"
    );
    ledger
        .task_seen(&task(&runner, ARN, 7, TaskStatus::Stopped), at(310))
        .await
        .unwrap();
    assert!(
        follow_ups(&ledger).await.contains("check_job#1"),
        "a runner ended and left its job running"
    );
    let told = reconcile_job(&ledger, says(GithubJobStatus::Queued), 320).await;
    assert_eq!(
        (
            told.record.state,
            told.record.epoch,
            waiting(&ledger, 1).await.is_some()
        ),
        (JobState::Queued, 1, true)
    );
    // The old beginning, told once more.
    let late = JobEvent {
        delivery: "late".into(),
        ..on(event(JobAction::InProgress, 1, 10), &runner)
    };
    ledger.apply_delivery(&late, &pools()).await.unwrap();
    assert!(waiting(&ledger, 1).await.is_some());
}

async fn a_job_that_began_elsewhere_or_is_held_back_leaves_a_follow_up<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    assert_eq!(follow_ups(&ledger).await, BTreeSet::new());
    let stranger = Some(AssignedRunner {
        id: mayfly_domain::model::id::GithubRunnerId(1),
        name: "buildbox".into(),
    });
    ledger
        .apply_delivery(
            &JobEvent {
                runner: stranger,
                ..event(JobAction::InProgress, 1, 10)
            },
            &pools(),
        )
        .await
        .unwrap();
    ledger
        .apply_delivery(
            &JobEvent {
                gated: true,
                ..event(JobAction::Queued, 2, 10)
            },
            &pools(),
        )
        .await
        .unwrap();
    let nobodys = JobEvent {
        labels: ["self-hosted", "gpu"].into_iter().collect(),
        ..event(JobAction::Queued, 3, 10)
    };
    ledger.apply_delivery(&nobodys, &pools()).await.unwrap();
    assert_eq!(
        follow_ups(&ledger).await,
        ["check_job#1", "check_job#2", "match_job#3"]
            .map(str::to_owned)
            .into()
    );
    // One of our own leaves none.
    let runner = registered(&ledger, 4, 4).await;
    ledger
        .apply_delivery(&on(event(JobAction::InProgress, 4, 20), &runner), &pools())
        .await
        .unwrap();
    assert_eq!(follow_ups(&ledger).await.len(), 3);
}

/// The pools file once `linux` has another name.
fn renamed() -> Pools {
    let mut pools = Pools {
        version: 8,
        ..pools()
    };
    pools
        .pools
        .iter_mut()
        .find(|pool| pool.name == linux())
        .unwrap()
        .name = "renamed".parse().unwrap();
    pools
}

async fn a_job_of_a_gone_pool_is_in_one_pool_at_a_time<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    assert_eq!(
        ledger.rematch(JobId(1), &pools(), at(1)).await.unwrap(),
        RematchOutcome::NotNeeded
    );
    assert!(matches!(
        ledger.rematch(JobId(1), &renamed(), at(1)).await.unwrap(),
        RematchOutcome::Changed(_)
    ));
    assert_eq!(
        (
            waiting(&ledger, 1).await,
            ledger
                .waiting_jobs(&"renamed".parse().unwrap())
                .await
                .unwrap()
                .len()
        ),
        (None, 1)
    );
    assert_eq!(
        ledger.rematch(JobId(1), &renamed(), at(2)).await.unwrap(),
        RematchOutcome::NotNeeded
    );
    let mut none = renamed();
    none.version = 9;
    none.pools.retain(|pool| pool.name.as_str() == "other");
    assert!(matches!(
        ledger.rematch(JobId(1), &none, at(3)).await.unwrap(),
        RematchOutcome::Changed(_)
    ));
    assert_eq!(
        ledger.job(JobId(1)).await.unwrap().unwrap().state,
        JobState::Unplaced
    );
    assert_eq!(
        ledger
            .waiting_jobs(&"renamed".parse().unwrap())
            .await
            .unwrap(),
        []
    );
    let open = ledger
        .outbox_page("", None)
        .await
        .unwrap()
        .entries
        .remove(0);
    assert_eq!(
        open.follow_up,
        FollowUp::MatchJob {
            job: JobId(1),
            pools_version: 9
        }
    );
    let back = Pools {
        version: 10,
        ..pools()
    };
    assert!(matches!(
        ledger.rematch(JobId(1), &back, at(4)).await.unwrap(),
        RematchOutcome::Changed(_)
    ));
    assert!(waiting(&ledger, 1).await.is_some());
}

async fn a_job_whose_pool_registers_elsewhere_now_has_one_row_with_the_new_target<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    let before = waiting(&ledger, 1).await.unwrap();
    let mut elsewhere = Pools {
        version: 8,
        ..pools()
    };
    let its = elsewhere
        .pools
        .iter_mut()
        .find(|pool| pool.name == linux())
        .unwrap();
    its.scope = mayfly_domain::model::target::Scope::Organization {
        group: "builders".to_owned(),
    };
    assert!(matches!(
        ledger.rematch(JobId(1), &elsewhere, at(1)).await.unwrap(),
        RematchOutcome::Changed(_)
    ));
    let (row, record) = (
        waiting(&ledger, 1).await.unwrap(),
        ledger.job(JobId(1)).await.unwrap().unwrap(),
    );
    assert_ne!(
        (&row.target, &row.matched),
        (&before.target, &before.matched)
    );
    assert_eq!(
        (Some(row.target.clone()), row.matched.clone()),
        (record.target.map(|target| target.key()), record.matched)
    );
    assert_eq!(
        ledger.rematch(JobId(1), &elsewhere, at(2)).await.unwrap(),
        RematchOutcome::NotNeeded
    );
}

async fn a_job_that_was_reserved_meanwhile_is_not_moved<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, Some(1)).await;
    let row = waiting(&ledger, 1).await.unwrap();
    ledger
        .reserve(&runner, &row, ReservationWrites::default(), at(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        ledger.rematch(JobId(1), &renamed(), at(4)).await.unwrap(),
        RematchOutcome::Later
    );
    assert!(waiting(&ledger, 1).await.is_some());
}

/// Sweeper works on what it read a while ago: another one, left open since under the same name, is
/// not settled by that.
async fn what_was_left_open_since_is_not_done_with_what_was_read_before<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    ledger
        .apply_delivery(&event(JobAction::Waiting, 1, 1), &pools())
        .await
        .unwrap();
    let first = ledger.outbox_page("", None).await.unwrap().entries;
    // Someone wants the job tried again: GitHub is to be asked now.
    let asked = ledger
        .retry(JobId(1), "user/ada", &pools(), at(60))
        .await
        .unwrap();
    assert!(matches!(asked, Some(Retry::CheckJob)));
    let second = ledger.outbox_page("", None).await.unwrap().entries;
    ledger.complete_outbox_entry(&first[0]).await.unwrap();
    let again = first[0].retry_with_backoff(Duration::from_secs(600), at(61));
    ledger
        .reschedule_outbox_entry(&first[0], again)
        .await
        .unwrap();
    assert_eq!(
        ledger.outbox_page("", None).await.unwrap().entries,
        second.clone()
    );
    assert_eq!((first.len(), second[0].due(at(60))), (1, true));
    ledger.complete_outbox_entry(&second[0]).await.unwrap();
    assert_eq!(ledger.outbox_page("", None).await.unwrap().entries, []);
}

on_both! {
    a_job_that_github_still_shows_queued_may_be_served_again
    an_answer_that_the_job_is_over_takes_its_row_and_tells_its_runner
    held_back_and_free_again_by_githubs_word
    a_job_waits_again_when_github_says_so_twice_and_its_runner_has_no_row
    a_job_that_began_elsewhere_or_is_held_back_leaves_a_follow_up
    a_job_of_a_gone_pool_is_in_one_pool_at_a_time
    a_job_whose_pool_registers_elsewhere_now_has_one_row_with_the_new_target
    a_job_that_was_reserved_meanwhile_is_not_moved
    what_was_left_open_since_is_not_done_with_what_was_read_before
}
