//! Task definitions: registered once, again when they are gone.

use mayfly_domain::model::size::Architecture;
use mayfly_ecs::{Ecs, LaunchAnswer, LaunchFailure, RunTask, TaskDefinitionSpec, TaskDefinitions};

use crate::against_the_model::stand::{SIZE, Stand, definition, pool, site};

#[tokio::test]
async fn processes_find_what_others_registered() {
    let stand = Stand::new().await;
    let first = stand.adapter.ensure(&definition()).await.unwrap();
    let other = Ecs::new(stand.ecs.clone(), site().cluster);
    assert_eq!(other.ensure(&definition()).await.unwrap(), first);
    assert_eq!(stand.counts().await["calls"]["RegisterTaskDefinition"], 1);
    stand.down().await;
}

#[tokio::test]
async fn each_content_has_its_own_family() {
    let stand = Stand::new().await;
    let other = TaskDefinitionSpec::of(&site(), &pool(), Architecture::Arm64);
    let (one, other) = (
        stand.adapter.ensure(&definition()).await.unwrap(),
        stand.adapter.ensure(&other).await.unwrap(),
    );
    assert!(
        one.contains("task-definition/mayfly-x64-")
            && other.contains("task-definition/mayfly-arm64-"),
        "{one} {other}"
    );
    stand.down().await;
}

#[tokio::test]
async fn a_definition_that_was_deregistered_is_registered_again_after_the_launch_that_missed_it() {
    let stand = Stand::new().await;
    let request = stand.request(1, SIZE).await;
    stand
        .ecs
        .deregister_task_definition()
        .task_definition(&request.definition)
        .send()
        .await
        .unwrap();
    let answer = stand.adapter.launch(&request, "1-1").await;
    assert!(
        matches!(
            answer,
            LaunchAnswer::Failed {
                kind: LaunchFailure::Configuration,
                ..
            }
        ),
        "{answer:?}"
    );
    let again = stand.request(2, SIZE).await;
    assert_ne!(again.definition, request.definition);
    assert!(matches!(
        stand.adapter.launch(&again, "2-1").await,
        LaunchAnswer::Started(_)
    ));
    stand.down().await;
}
