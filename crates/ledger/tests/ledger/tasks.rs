//! What ECS says of tasks, and how runners end.

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{JobId, TaskArn};
use mayfly_domain::model::job::{JobAction, JobEvent};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::model::story::{Reason, StoryEvent};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::timeouts;
use mayfly_ledger::closed_runners::RunnerRecords;
use mayfly_ledger::key;
use mayfly_ledger::registrations::ReservationWrites;
use mayfly_ledger::runners::TaskUpdate;
use mayfly_ledger::{Ledger, Store, Versioned};

use crate::fixture::{
    ARN, OTHER_ARN, at, attribute, event, item, linux, marked, on, pools, registered, requested,
    row, started, task, waiting,
};

async fn seen<S: Store>(ledger: &Ledger<S>, task: &Task) -> TaskUpdate {
    ledger.task_seen(task, at(60)).await.unwrap()
}

async fn row_of<S: Store>(ledger: &Ledger<S>, runner: &Runner) -> Option<Versioned<Runner>> {
    ledger.runner(&runner.address()).await.unwrap()
}

async fn record_of<S: Store>(ledger: &Ledger<S>, runner: &Runner) -> Runner {
    ledger.runner_record(&runner.id).await.unwrap().unwrap()
}

async fn a_running_task_is_adopted_by_a_row_without_one<S: Store>(ledger: Ledger<S>) {
    let runner = requested(&ledger, 1, None).await;
    assert_eq!(
        seen(&ledger, &task(&runner, ARN, 3, TaskStatus::Running)).await,
        TaskUpdate::default()
    );
    let row = row_of(&ledger, &runner).await.unwrap();
    assert_eq!(
        (row.arn.clone(), row.task_version, row.timeline.created),
        (Some(TaskArn(ARN.into())), 3, Some(at(1)))
    );
}

async fn older_news_of_a_task_changes_nothing<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    seen(&ledger, &task(&runner, ARN, 5, TaskStatus::Running)).await;
    let row = row_of(&ledger, &runner).await;
    for version in [5, 4] {
        assert_eq!(
            seen(&ledger, &task(&runner, ARN, version, TaskStatus::Running)).await,
            TaskUpdate::default()
        );
    }
    assert_eq!(row_of(&ledger, &runner).await, row);
}

async fn a_task_under_another_arn_changes_nothing<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    for status in [TaskStatus::Running, TaskStatus::Stopped] {
        assert_eq!(
            seen(&ledger, &task(&runner, OTHER_ARN, 9, status)).await,
            TaskUpdate::default()
        );
    }
    assert_eq!(row_of(&ledger, &runner).await, Some(runner));
}

async fn a_running_task_of_a_marked_runner_is_to_be_stopped<S: Store>(ledger: Ledger<S>) {
    let runner = requested(&ledger, 1, None).await;
    assert!(marked(&ledger, &runner).await);
    for version in [2, 2] {
        let news = seen(&ledger, &task(&runner, ARN, version, TaskStatus::Running)).await;
        assert_eq!(news.stop, Some(Reason::NotNeeded));
    }
}

async fn a_stopped_task_closes_its_runner_once<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    let stopped = task(&runner, ARN, 7, TaskStatus::Stopped);
    assert_eq!(
        seen(&ledger, &stopped)
            .await
            .wake
            .into_iter()
            .collect::<Vec<_>>(),
        [linux()]
    );
    assert_eq!(row_of(&ledger, &runner).await, None);
    let record = record_of(&ledger, &runner).await;
    assert_eq!(
        (record.outcome, record.exit_code),
        (Some(Outcome::FailedStart), Some(0))
    );
    assert_eq!(seen(&ledger, &stopped).await, TaskUpdate::default());
    assert_eq!(record_of(&ledger, &runner).await, record);
}

async fn a_stopped_task_closes_a_row_that_never_knew_it<S: Store>(ledger: Ledger<S>) {
    let runner = requested(&ledger, 1, None).await;
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    assert_eq!(
        record_of(&ledger, &runner).await.arn,
        Some(TaskArn(ARN.into()))
    );
}

async fn a_task_that_runs_without_a_row_is_to_be_stopped<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    assert!(
        seen(&ledger, &task(&runner, ARN, 3, TaskStatus::Running))
            .await
            .stop
            .is_some()
    );
    assert_eq!(row_of(&ledger, &runner).await, None);
}

async fn a_task_that_runs_although_its_runner_is_closed_is_not_stopped_if_it_may_have_a_registration<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .close_runner(&runner.address(), End::Missing, |_| true, at(9))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        seen(&ledger, &task(&runner, ARN, 3, TaskStatus::Running)).await,
        TaskUpdate::default()
    );
    assert!(
        seen(&ledger, &task(&runner, OTHER_ARN, 3, TaskStatus::Running))
            .await
            .stop
            .is_some()
    );
}

async fn a_task_that_nobody_knows_is_stopped_when_it_is_old<S: Store>(ledger: Ledger<S>) {
    let nobody = row(7);
    let task = task(&nobody, ARN, 3, TaskStatus::Running);
    for (age, stopped) in [(600, false), (601, true)] {
        let news = ledger.task_seen(&task, at(1 + age)).await.unwrap();
        assert_eq!(news.stop.is_some(), stopped, "{age} s");
    }
}

async fn what_a_runner_left_at_github_is_a_follow_up<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    let follow_ups = ledger.outbox_page("", None).await.unwrap().entries;
    let left = follow_ups
        .iter()
        .find(|open| open.follow_up == FollowUp::DeregisterRunner(runner.id.clone()))
        .unwrap();
    assert_eq!(
        left.not_before,
        at(60).plus(timeouts::STALE_REGISTRATION_AFTER)
    );
}

async fn a_runner_stands_open_or_closed_and_its_record_can_be_added_to<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = started(&ledger, 1, None).await;
    let records = ledger.runner_records(&runner.address()).await.unwrap();
    assert_eq!(
        (records.row.as_ref(), records.record),
        (Some(&*runner), None)
    );
    ledger
        .note_closed(&runner.id, &StoryEvent::FoundBusy, at(50))
        .await
        .unwrap();
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    for _ in 0..3 {
        ledger
            .note_closed(&runner.id, &StoryEvent::RegistrationsRemoved, at(70))
            .await
            .unwrap();
    }
    let records = ledger.runner_records(&runner.address()).await.unwrap();
    let story = records.record.unwrap().story;
    assert_eq!(
        (
            records.row,
            story
                .iter()
                .filter(|note| note.event == StoryEvent::RegistrationsRemoved)
                .count()
        ),
        (None, 1)
    );
    assert!(!story.iter().any(|note| note.event == StoryEvent::FoundBusy));
    assert_eq!(
        attribute(&ledger, &key::runner_record(&runner.id), "day")
            .await
            .as_deref(),
        Some("2026-11-22")
    );
    assert_eq!(
        ledger.runner_records(&row(9).address()).await.unwrap(),
        RunnerRecords::default()
    );
}

async fn an_interrupted_job_is_told_so_and_may_be_run_again_once<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    ledger
        .apply_delivery(&on(event(JobAction::InProgress, 1, 9), &runner), &pools())
        .await
        .unwrap();
    let mut interrupted = task(&runner, ARN, 7, TaskStatus::Stopped);
    interrupted.end.stop_code = Some("SpotInterruption".into());
    seen(&ledger, &interrupted).await;
    assert!(record_of(&ledger, &runner).await.interrupted);
    let job = ledger.job(JobId(1)).await.unwrap().unwrap();
    assert!(
        job.story
            .last()
            .unwrap()
            .event
            .to_string()
            .contains("reclaimed"),
        "{:?}",
        job.story
    );
    let follow_ups = ledger.outbox_page("", None).await.unwrap().entries;
    assert!(
        follow_ups
            .iter()
            .any(|open| open.follow_up == FollowUp::RerunJob(JobId(1)))
    );

    assert!(ledger.ask_to_rerun(job.run, job.id, at(70)).await.unwrap());
    assert!(!ledger.ask_to_rerun(job.run, job.id, at(71)).await.unwrap());
    ledger.not_rerun(job.run, job.id).await.unwrap();
    assert_eq!(ledger.rerun_of(job.run).await.unwrap(), None);
    assert!(ledger.ask_to_rerun(job.run, job.id, at(72)).await.unwrap());
    assert!(
        ledger
            .ask_to_rerun(job.run, JobId(2), at(73))
            .await
            .unwrap()
    );
    ledger.not_rerun(job.run, JobId(2)).await.unwrap();
    assert_eq!(
        ledger.rerun_of(job.run).await.unwrap().unwrap().jobs,
        [job.id].into()
    );
}

async fn a_failed_start_is_counted_with_the_close_and_a_marked_one_is_not<S: Store>(
    ledger: Ledger<S>,
) {
    let failed = started(&ledger, 1, None).await;
    let mut stopped = task(&failed, ARN, 7, TaskStatus::Stopped);
    stopped.end.stopped_reason = Some("CannotPullContainerError: not found".into());
    seen(&ledger, &stopped).await;
    let health = ledger
        .pool_snapshot(&linux())
        .await
        .unwrap()
        .health
        .of(&failed.size);
    assert_eq!(
        (health.failures, health.kind),
        (1, Some(FailureKind::Configuration))
    );

    let unneeded = requested(&ledger, 2, None).await;
    assert!(marked(&ledger, &unneeded).await);
    seen(&ledger, &task(&unneeded, ARN, 7, TaskStatus::Stopped)).await;
    assert_eq!(
        record_of(&ledger, &unneeded).await.outcome,
        Some(Outcome::Surplus)
    );
    assert_eq!(
        ledger
            .pool_snapshot(&linux())
            .await
            .unwrap()
            .health
            .of(&failed.size)
            .failures,
        1
    );
}

async fn a_registered_runner_that_got_nothing_has_its_job_asked_about<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    assert_eq!(
        record_of(&ledger, &runner).await.outcome,
        Some(Outcome::NeverAssigned)
    );
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(row.needs_check && row.attempts == 1 && row.not_before.is_some());
    assert!(
        ledger
            .job(JobId(1))
            .await
            .unwrap()
            .unwrap()
            .reason
            .is_some()
    );
}

async fn a_runner_that_ran_leaves_the_job_it_had_in_reserve_alone<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let other = on(event(JobAction::InProgress, 2, 9), &runner);
    ledger.apply_delivery(&other, &pools()).await.unwrap();
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    assert_eq!(
        record_of(&ledger, &runner).await.outcome,
        Some(Outcome::Ran)
    );
    assert!(!waiting(&ledger, 1).await.unwrap().needs_check);
}

async fn a_job_that_another_runner_holds_by_now_is_not_asked_about<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let row = waiting(&ledger, 1).await.unwrap();
    let second = requested(&ledger, 2, None).await;
    ledger
        .launched(&second.address(), &TaskArn(OTHER_ARN.into()), at(2))
        .await
        .unwrap();
    let second = row_of(&ledger, &second).await.unwrap();
    assert!(
        ledger
            .reserve(&second, &row, ReservationWrites::default(), at(9))
            .await
            .unwrap()
            .is_some()
    );
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(!row.needs_check && row.runner == Some(second.id.clone()));
}

async fn a_job_cancelled_before_its_runner_closes_is_not_asked_about<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let cancelled = JobEvent {
        conclusion: Some("cancelled".into()),
        ..event(JobAction::Completed, 1, 9)
    };
    ledger.apply_delivery(&cancelled, &pools()).await.unwrap();
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    assert_eq!(
        (
            record_of(&ledger, &runner).await.outcome,
            waiting(&ledger, 1).await
        ),
        (Some(Outcome::Surplus), None)
    );
}

async fn a_launch_that_failed_for_good_closes_its_row_if_it_is_still_the_same<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = requested(&ledger, 1, None).await;
    let end = End::NeverStarted(FailureKind::Transient, "no capacity");
    assert_eq!(
        ledger
            .close_runner(&runner.address(), end, |_| false, at(9))
            .await
            .unwrap(),
        None
    );
    assert!(row_of(&ledger, &runner).await.is_some());
    let closed = ledger
        .close_runner(&runner.address(), end, |row| row.arn.is_none(), at(9))
        .await
        .unwrap();
    assert_eq!(
        closed.unwrap().changes.closed.unwrap().reason,
        Some(Reason::Ecs {
            message: "no capacity".to_owned()
        })
    );
    assert_eq!(
        ledger
            .close_runner(&runner.address(), end, |_| true, at(9))
            .await
            .unwrap(),
        None
    );
}

async fn a_closed_runner_is_found_by_its_day_and_expires<S: Store>(ledger: Ledger<S>) {
    let runner = started(&ledger, 1, None).await;
    seen(&ledger, &task(&runner, ARN, 7, TaskStatus::Stopped)).await;
    let key = key::runner_record(&runner.id);
    assert_eq!(
        attribute(&ledger, &key, "day").await.as_deref(),
        Some("2026-11-22")
    );
    assert_eq!(
        attribute(&ledger, &key, "closed_at").await,
        Some(at(60).millis().to_string())
    );
    let expires: i64 = attribute(&ledger, &key, "expires_at")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(expires - at(60).seconds(), 180 * 24 * 3600);
    assert_eq!(item(&ledger, &key::runner(&runner.address())).await, None);
}

on_both! {
    a_running_task_is_adopted_by_a_row_without_one
    older_news_of_a_task_changes_nothing
    a_task_under_another_arn_changes_nothing
    a_running_task_of_a_marked_runner_is_to_be_stopped
    a_stopped_task_closes_its_runner_once
    a_stopped_task_closes_a_row_that_never_knew_it
    a_task_that_runs_without_a_row_is_to_be_stopped
    a_task_that_runs_although_its_runner_is_closed_is_not_stopped_if_it_may_have_a_registration
    a_task_that_nobody_knows_is_stopped_when_it_is_old
    what_a_runner_left_at_github_is_a_follow_up
    a_runner_stands_open_or_closed_and_its_record_can_be_added_to
    an_interrupted_job_is_told_so_and_may_be_run_again_once
    a_failed_start_is_counted_with_the_close_and_a_marked_one_is_not
    a_registered_runner_that_got_nothing_has_its_job_asked_about
    a_runner_that_ran_leaves_the_job_it_had_in_reserve_alone
    a_job_that_another_runner_holds_by_now_is_not_asked_about
    a_job_cancelled_before_its_runner_closes_is_not_asked_about
    a_launch_that_failed_for_good_closes_its_row_if_it_is_still_the_same
    a_closed_runner_is_found_by_its_day_and_expires
}
