//! What deliveries write.

use mayfly_domain::model::id::{GithubRunnerId, JobId};
use mayfly_domain::model::job::{JobAction, JobEvent, JobState};
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::runner::RunnerState;
use mayfly_domain::transitions::changes::Verdict;
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{
    at, attribute, event, item, linux, on, pools, queue, record, registered, started, waiting,
};

async fn state<S: Store>(ledger: &Ledger<S>, job: i64) -> Option<JobState> {
    ledger.job(JobId(job)).await.unwrap().map(|job| job.state)
}

async fn see<S: Store>(ledger: &Ledger<S>, event: JobEvent) -> Verdict {
    ledger.apply_delivery(&event, &pools()).await.unwrap().0
}

async fn a_queued_job_has_a_record_and_a_waiting_row_and_wakes_its_pool<S: Store>(
    ledger: Ledger<S>,
) {
    let (_, changes) = queue(&ledger, 1, 0).await;
    assert_eq!(changes.wake.into_iter().collect::<Vec<_>>(), [linux()]);
    assert_eq!(state(&ledger, 1).await, Some(JobState::Queued));
    assert_eq!(waiting(&ledger, 1).await.unwrap().queued_at, at(0));
}

async fn a_job_that_names_only_self_hosted_is_written_down_as_unplaced<S: Store>(
    ledger: Ledger<S>,
) {
    let labels: Labels = ["self-hosted", "gpu"].into_iter().collect();
    let verdict = see(
        &ledger,
        JobEvent {
            labels,
            ..event(JobAction::Queued, 1, 0)
        },
    )
    .await;
    assert!(matches!(verdict, Verdict::Unplaced(_)));
    assert_eq!(state(&ledger, 1).await, Some(JobState::Unplaced));
    // Unplaced jobs go away by themselves, too.
    assert!(attribute(&ledger, &record(1), "expires_at").await.is_some());
}

async fn a_job_of_someone_elses_is_not_written_down<S: Store>(ledger: Ledger<S>) {
    for action in [
        JobAction::Queued,
        JobAction::Waiting,
        JobAction::InProgress,
        JobAction::Completed,
    ] {
        let labels: Labels = ["ubuntu-latest"].into_iter().collect();
        assert!(matches!(
            see(
                &ledger,
                JobEvent {
                    labels,
                    ..event(action, 1, 0)
                }
            )
            .await,
            Verdict::Ignored(_)
        ));
    }
    assert_eq!(item(&ledger, &record(1)).await, None);
}

async fn the_same_delivery_again_writes_nothing_and_wakes_again<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let before = item(&ledger, &record(1)).await;
    let (_, again) = queue(&ledger, 1, 0).await;
    assert!(again.writes_nothing() && !again.wake.is_empty());
    assert_eq!(item(&ledger, &record(1)).await, before);
}

async fn a_gated_job_waits_only_while_more_deliveries_say_queued_than_held<S: Store>(
    ledger: Ledger<S>,
) {
    let said = [
        event(JobAction::Queued, 1, 0),
        event(JobAction::Waiting, 1, 1),
        event(JobAction::Queued, 1, 2),
    ];
    let expected = [
        Some(JobState::Queued),
        Some(JobState::Blocked),
        Some(JobState::Queued),
    ];
    for (event, expected) in said.into_iter().zip(expected) {
        see(&ledger, event).await;
        assert_eq!(state(&ledger, 1).await, expected);
        assert_eq!(
            waiting(&ledger, 1).await.is_some(),
            expected == Some(JobState::Queued)
        );
    }
}

async fn a_gated_job_ends_the_same_in_any_order_of_its_deliveries<S: Store>(ledger: Ledger<S>) {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for (job, order) in (1..).zip(orders) {
        let said = [
            event(JobAction::Queued, job, 0),
            event(JobAction::Waiting, job, 1),
            event(JobAction::Queued, job, 2),
        ];
        for index in order {
            see(&ledger, said[index].clone()).await;
            see(&ledger, said[index].clone()).await;
        }
        assert_eq!(
            (
                state(&ledger, job).await,
                waiting(&ledger, job).await.is_some()
            ),
            (Some(JobState::Queued), true),
            "{order:?}"
        );
    }
}

async fn queued_with_status_waiting_blocks_the_job<S: Store>(ledger: Ledger<S>) {
    see(
        &ledger,
        JobEvent {
            gated: true,
            ..event(JobAction::Queued, 1, 0)
        },
    )
    .await;
    assert_eq!(
        (state(&ledger, 1).await, waiting(&ledger, 1).await),
        (Some(JobState::Blocked), None)
    );
    see(&ledger, event(JobAction::Queued, 1, 1)).await;
    assert_eq!(state(&ledger, 1).await, Some(JobState::Queued));
}

async fn in_progress_takes_the_waiting_row_and_makes_our_runner_busy<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    see(&ledger, on(event(JobAction::InProgress, 1, 10), &runner)).await;
    assert_eq!(
        (state(&ledger, 1).await, waiting(&ledger, 1).await),
        (Some(JobState::Running), None)
    );
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let row = row.into_inner();
    assert_eq!(
        (row.state, row.work.unwrap().job),
        (RunnerState::Busy, Some(JobId(1)))
    );
}

async fn our_runners_name_with_another_id_changes_no_runner<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let mut forged = on(event(JobAction::InProgress, 2, 10), &runner);
    forged.runner.as_mut().unwrap().id = GithubRunnerId(666);
    see(&ledger, forged).await;
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap(),
        Some(runner)
    );
}

async fn a_runner_of_an_earlier_mint_is_not_meant<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let mut earlier = on(event(JobAction::InProgress, 1, 10), &runner);
    earlier.runner.as_mut().unwrap().name =
        earlier.runner.as_ref().unwrap().name.replace("-1", "-0");
    see(&ledger, earlier).await;
    assert_eq!(
        ledger
            .runner(&runner.address())
            .await
            .unwrap()
            .unwrap()
            .state,
        RunnerState::Registered
    );
}

async fn a_runner_that_takes_another_job_wakes_both_ends<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    queue(&ledger, 2, 1).await;
    let (_, changes) = ledger
        .apply_delivery(&on(event(JobAction::InProgress, 2, 10), &runner), &pools())
        .await
        .unwrap();
    assert_eq!(changes.wake.into_iter().collect::<Vec<_>>(), [linux()]);
    assert!(waiting(&ledger, 1).await.is_some() && waiting(&ledger, 2).await.is_none());
    assert_eq!(
        ledger
            .runner(&runner.address())
            .await
            .unwrap()
            .unwrap()
            .into_inner()
            .work
            .unwrap()
            .job,
        Some(JobId(2))
    );
}

async fn our_runner_is_busy_with_a_job_that_is_closed_or_unknown<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    see(&ledger, event(JobAction::Completed, 1, 5)).await;
    see(&ledger, on(event(JobAction::InProgress, 1, 4), &runner)).await;
    assert_eq!(state(&ledger, 1).await, Some(JobState::Closed));
    assert_eq!(
        ledger
            .runner(&runner.address())
            .await
            .unwrap()
            .unwrap()
            .state,
        RunnerState::Busy
    );

    let second = registered(&ledger, 2, 2).await;
    let stranger = JobEvent {
        labels: ["ubuntu-latest"].into_iter().collect(),
        ..event(JobAction::InProgress, 3, 6)
    };
    see(&ledger, on(stranger, &second)).await;
    assert_eq!(
        ledger
            .runner(&second.address())
            .await
            .unwrap()
            .unwrap()
            .into_inner()
            .work
            .unwrap()
            .job,
        Some(JobId(3))
    );
    assert_eq!(
        ledger.job(JobId(3)).await.unwrap().unwrap().runner,
        Some(second.id.clone())
    );
}

async fn completed_closes_the_record_for_good<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    see(&ledger, on(event(JobAction::InProgress, 1, 10), &runner)).await;
    see(&ledger, on(event(JobAction::Completed, 1, 20), &runner)).await;
    let job = ledger.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.conclusion.as_deref(), job.closed_at),
        (JobState::Closed, Some("success"), Some(at(20)))
    );
    assert_eq!(
        ledger
            .runner(&runner.address())
            .await
            .unwrap()
            .unwrap()
            .done_at,
        Some(at(20))
    );
    for late in [
        event(JobAction::Queued, 1, 30),
        event(JobAction::InProgress, 1, 31),
    ] {
        see(&ledger, late).await;
    }
    assert_eq!(
        (state(&ledger, 1).await, waiting(&ledger, 1).await),
        (Some(JobState::Closed), None)
    );
}

async fn completed_before_queued_leaves_a_closed_record<S: Store>(ledger: Ledger<S>) {
    see(&ledger, event(JobAction::Completed, 1, 5)).await;
    queue(&ledger, 1, 0).await;
    assert_eq!(
        (state(&ledger, 1).await, waiting(&ledger, 1).await),
        (Some(JobState::Closed), None)
    );
}

async fn a_cancelled_waiting_job_wakes_its_pool<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let cancelled = JobEvent {
        conclusion: Some("cancelled".into()),
        ..event(JobAction::Completed, 1, 5)
    };
    let (_, changes) = ledger.apply_delivery(&cancelled, &pools()).await.unwrap();
    assert_eq!(changes.wake.len(), 1);
    assert_eq!(waiting(&ledger, 1).await, None);
}

async fn a_closed_job_is_found_by_its_day_and_expires_half_a_year_after_its_close<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    assert_eq!(attribute(&ledger, &record(1), "day").await, None);
    see(&ledger, event(JobAction::Completed, 1, 5)).await;
    assert_eq!(
        attribute(&ledger, &record(1), "day").await.as_deref(),
        Some("2026-11-22")
    );
    assert_eq!(
        attribute(&ledger, &record(1), "closed_at").await,
        Some(at(5).millis().to_string())
    );
    let expires: i64 = attribute(&ledger, &record(1), "expires_at")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(expires - at(5).seconds(), 180 * 24 * 3600);
}

async fn a_name_of_ours_that_has_no_row_is_no_obstacle<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let nobody = started(&ledger, 9, None).await;
    let mut named = on(event(JobAction::InProgress, 1, 5), &nobody);
    named.runner.as_mut().unwrap().name = "mayfly-other-01jd0000000000000000000000-1".into();
    see(&ledger, named).await;
    assert_eq!(state(&ledger, 1).await, Some(JobState::Running));
}

on_both! {
    a_queued_job_has_a_record_and_a_waiting_row_and_wakes_its_pool
    a_job_that_names_only_self_hosted_is_written_down_as_unplaced
    a_job_of_someone_elses_is_not_written_down
    the_same_delivery_again_writes_nothing_and_wakes_again
    a_gated_job_waits_only_while_more_deliveries_say_queued_than_held
    a_gated_job_ends_the_same_in_any_order_of_its_deliveries
    queued_with_status_waiting_blocks_the_job
    in_progress_takes_the_waiting_row_and_makes_our_runner_busy
    our_runners_name_with_another_id_changes_no_runner
    a_runner_of_an_earlier_mint_is_not_meant
    a_runner_that_takes_another_job_wakes_both_ends
    our_runner_is_busy_with_a_job_that_is_closed_or_unknown
    completed_closes_the_record_for_good
    completed_before_queued_leaves_a_closed_record
    a_cancelled_waiting_job_wakes_its_pool
    a_closed_job_is_found_by_its_day_and_expires_half_a_year_after_its_close
    a_name_of_ours_that_has_no_row_is_no_obstacle
}
