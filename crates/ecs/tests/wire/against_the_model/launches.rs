//! Launches: one task for each, whatever happens to the calls.

use std::time::Duration;

use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::size::{Capacity, Size};
use mayfly_ecs::{LaunchAnswer, LaunchFailure, LaunchOutcome, RateLimiter, RunTask, launch_all};
use mayfly_fargate_model::{Fault, FaultKind};
use serde_json::json;
use tokio::time::Instant;

use crate::against_the_model::stand::{SIZE, Stand, started};

#[tokio::test]
async fn the_same_launch_twice_is_one_task() {
    let stand = Stand::new().await;
    let request = stand.request(1, SIZE).await;
    let first = started(&stand.adapter.launch(&request, "1-1").await);
    assert_eq!(started(&stand.adapter.launch(&request, "1-1").await), first);
    assert_eq!(stand.launched().await, 1);
    stand.down().await;
}

#[tokio::test]
async fn a_launch_whose_answer_was_lost_is_found_by_its_repetition() {
    for kind in [FaultKind::NoAnswerAfter, FaultKind::ServerErrorAfter] {
        let stand = Stand::new().await;
        stand.fault(Fault::of(kind).times(1)).await;
        let request = stand.request(1, SIZE).await;
        let lost = stand.adapter.launch(&request, "1-1").await;
        assert!(
            matches!(
                lost,
                LaunchAnswer::Unsure {
                    may_have_started: true,
                    ..
                }
            ),
            "{lost:?}"
        );
        started(&stand.adapter.launch(&request, "1-1").await);
        assert_eq!(stand.launched().await, 1);
        stand.down().await;
    }
}

#[tokio::test]
async fn another_request_under_the_token_adopts_the_task_that_it_stands_for() {
    let stand = Stand::new().await;
    let request = stand.request(1, SIZE).await;
    let first = started(&stand.adapter.launch(&request, "1-1").await);
    let other = request.next_after_capacity_failure(2);
    assert_eq!(started(&stand.adapter.launch(&other, "1-1").await), first);
    stand.down().await;
}

#[tokio::test]
async fn without_capacity_in_one_subnet_the_next_tries_find_the_other() {
    let stand = Stand::new().await;
    // ECS chose badly once, and subnet-a has nothing at all.
    stand.fault(Fault::of(FaultKind::NoCapacity).times(1)).await;
    stand
        .fault(Fault {
            subnet: Some("subnet-a".into()),
            ..Fault::of(FaultKind::NoCapacity)
        })
        .await;
    let request = stand.request(1, SIZE).await;
    let mut attempt = 1;
    loop {
        let placed = request.next_after_capacity_failure(attempt);
        match stand.adapter.launch(&placed, &format!("1-{attempt}")).await {
            LaunchAnswer::Started(_) => break,
            LaunchAnswer::Failed { kind, .. } => assert_eq!(kind, LaunchFailure::Capacity),
            unsure @ LaunchAnswer::Unsure { .. } => panic!("{unsure:?}"),
        }
        attempt += 1;
    }
    assert!((2..=3).contains(&attempt), "{attempt}");
    stand.down().await;
}

#[tokio::test]
async fn without_spot_capacity_a_runner_starts_on_demand() {
    let stand = Stand::new().await;
    stand
        .fault(Fault {
            capacity_provider: Some("FARGATE_SPOT".into()),
            ..Fault::of(FaultKind::NoCapacity)
        })
        .await;
    let request = stand
        .request(
            1,
            Size {
                capacity: Capacity::Spot,
                ..SIZE
            },
        )
        .await;
    let mut kinds = Vec::new();
    for attempt in 1..=4 {
        let answer = stand
            .adapter
            .launch(
                &request.next_after_capacity_failure(attempt),
                &format!("1-{attempt}"),
            )
            .await;
        kinds.push(matches!(answer, LaunchAnswer::Started(_)));
    }
    assert_eq!(kinds, [false, false, false, true]);
    stand.down().await;
}

#[tokio::test]
async fn an_exhausted_quota_is_told_as_such() {
    let stand = Stand::new().await;
    stand.change(json!({ "vcpu_quota": 0 })).await;
    let request = stand.request(1, SIZE).await;
    let answer = stand.adapter.launch(&request, "1-1").await;
    assert!(
        matches!(
            answer,
            LaunchAnswer::Failed {
                kind: LaunchFailure::Quota,
                ..
            }
        ),
        "{answer:?}"
    );
    stand.down().await;
}

#[tokio::test]
async fn a_launch_that_ecs_does_not_allow_is_denied() {
    let stand = Stand::new().await;
    let refusal = Fault {
        code: Some("AccessDeniedException".into()),
        reason: Some("no iam:PassRole".into()),
        ..Fault::of(FaultKind::Refused)
    };
    stand.fault(refusal).await;
    let request = stand.request(1, SIZE).await;
    let answer = stand.adapter.launch(&request, "1-1").await;
    let expected = LaunchAnswer::Failed {
        kind: LaunchFailure::Denied,
        reason: "AccessDeniedException: no iam:PassRole".into(),
        no_place: false,
    };
    assert_eq!(answer, expected);
    stand.down().await;
}

#[tokio::test]
async fn a_burst_over_bad_connections_is_one_task_for_each_runner() {
    let stand = Stand::new().await;
    for (kind, after) in [
        (FaultKind::NoAnswerAfter, 1),
        (FaultKind::Throttled, 3),
        (FaultKind::NoAnswerBefore, 5),
        (FaultKind::ServerErrorAfter, 7),
    ] {
        stand
            .fault(Fault {
                after,
                ..Fault::of(kind).times(2)
            })
            .await;
    }
    let mut sendings = Vec::new();
    for runner in 0..30 {
        sendings.push(stand.sending(runner).await);
    }
    let sent = launch_all(
        &stand.adapter,
        &RateLimiter::default(),
        sendings,
        Instant::now() + Duration::from_secs(30),
    )
    .await;
    let mut tasks: Vec<&TaskArn> = Vec::new();
    for (runner, sent) in &sent {
        match sent {
            LaunchOutcome::Answered(LaunchAnswer::Started(arn)) => tasks.push(arn),
            other => panic!("{runner}: {other:?}"),
        }
    }
    tasks.sort();
    tasks.dedup();
    assert_eq!((tasks.len(), stand.launched().await), (30, 30));
    stand.down().await;
}
