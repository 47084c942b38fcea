//! Tasks: looked at, listed, stopped, and told of in events.

use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::task::TaskStatus;
use mayfly_ecs::{DescribeTasks, Described, RunTask, StopTask, event};
use mayfly_fargate_model::Settings;

use crate::against_the_model::stand::{SIZE, Stand, address, started};

async fn launch(stand: &Stand, runner: u32) -> TaskArn {
    let request = stand.request(runner, SIZE).await;
    started(&stand.adapter.launch(&request, &format!("{runner}-1")).await)
}

#[tokio::test]
async fn a_task_runs_the_entry_script_until_it_is_stopped() {
    let stand = Stand::with_processes(Settings {
        stop_timeout_ms: Some(2000),
        ..Settings::default()
    })
    .await;
    let arn = launch(&stand, 1).await;
    let running = stand.until(&arn, TaskStatus::Running).await;
    assert_eq!(running.address, address(1));
    stand.adapter.stop(&arn, "surplus").await.unwrap();
    let stopped = stand.until(&arn, TaskStatus::Stopped).await;
    assert!(
        stopped.version > running.version && stopped.timeline.stopped >= running.timeline.started,
        "{stopped:?}"
    );
    // Again, and what ECS never had: both are fine.
    stand.adapter.stop(&arn, "surplus").await.unwrap();
    stand
        .adapter
        .stop(
            &TaskArn(arn.0.replace(arn.task_id(), &"0".repeat(32))),
            "surplus",
        )
        .await
        .unwrap();
    stand.down().await;
}

#[tokio::test]
async fn an_event_says_what_a_look_says() {
    let stand = Stand::new().await;
    let arn = launch(&stand, 1).await;
    let look = stand.until(&arn, TaskStatus::Stopped).await;
    let told = stand.event(&arn, look.version).await;
    assert_eq!(event::parse(&told["detail"]).unwrap(), Some(look));
    stand.down().await;
}

#[tokio::test]
async fn a_failed_pull_is_told_with_its_reason_and_without_an_exit_code() {
    let stand = Stand::new().await;
    let arn = launch(&stand, 1).await;
    let task = stand.until(&arn, TaskStatus::Stopped).await;
    assert_eq!(
        (task.end.stop_code.as_deref(), task.end.exit_code),
        (Some("TaskFailedToStart"), None)
    );
    assert!(
        task.end
            .stopped_reason
            .unwrap()
            .starts_with("CannotPullContainerError")
    );
    stand.down().await;
}

#[tokio::test]
async fn tasks_are_found_by_their_runner_even_when_they_have_stopped() {
    let stand = Stand::new().await;
    let (one, _other) = (launch(&stand, 1).await, launch(&stand, 2).await);
    assert_eq!(
        stand.adapter.list_by_started_by(&address(1)).await.unwrap(),
        std::slice::from_ref(&one)
    );
    stand.until(&one, TaskStatus::Stopped).await;
    assert_eq!(
        stand.adapter.list_by_started_by(&address(1)).await.unwrap(),
        [one]
    );
    assert!(
        stand
            .adapter
            .list_by_started_by(&address(3))
            .await
            .unwrap()
            .is_empty()
    );
    stand.down().await;
}

#[tokio::test]
async fn what_ecs_does_not_know_is_missing() {
    let stand = Stand::new().await;
    let arn = launch(&stand, 1).await;
    let unknown = TaskArn(arn.0.replace(arn.task_id(), &"0".repeat(32)));
    let described = stand
        .adapter
        .describe(&[unknown.clone(), arn])
        .await
        .unwrap();
    assert!(
        described.contains(&Described::Missing(unknown)) && described.len() == 2,
        "{described:?}"
    );
    stand.down().await;
}

#[tokio::test]
async fn all_live_tasks_are_listed_over_several_pages() {
    let slow = Settings {
        start_delay_ms: 600_000,
        max_tasks: 200,
        throttled: false,
        ..Settings::default()
    };
    let stand = Stand::with_processes(slow).await;
    for runner in 0..120 {
        launch(&stand, runner).await;
    }
    assert_eq!(stand.adapter.list_all().await.unwrap().len(), 120);
    stand.down().await;
}
