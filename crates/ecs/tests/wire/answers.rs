//! What ECS answers, and what it is taken for.

use std::time::Duration;

use aws_smithy_http_client::test_util::NeverClient;
use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::model::timeouts;
use mayfly_ecs::{
    DescribeTasks, Described, EcsError, LaunchAnswer, LaunchAttempt, LaunchFailure, LaunchOutcome,
    RunTask, StopTask,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ecs::{FakeEcs, TASK, adapter, address, exception, request};

/// One launch that is answered so.
async fn launched(answer: (u16, Value)) -> LaunchAnswer {
    FakeEcs::answering([answer])
        .adapter()
        .launch(&request(), "t-1")
        .await
}

fn refused(reason: &str) -> (u16, Value) {
    (
        200,
        json!({ "tasks": [], "failures": [{ "reason": reason }] }),
    )
}

async fn failure(answer: (u16, Value)) -> Option<LaunchFailure> {
    match launched(answer).await {
        LaunchAnswer::Failed { kind, .. } => Some(kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_task_in_the_answer_is_started() {
    let answer = launched((
        200,
        json!({ "tasks": [{ "taskArn": TASK }], "failures": [] }),
    ))
    .await;
    assert_eq!(answer, LaunchAnswer::Started(TaskArn(TASK.into())));
}

#[tokio::test]
async fn the_task_of_a_conflict_is_adopted() {
    let conflict =
        json!({ "__type": "ConflictException", "message": "in use", "resourceIds": [TASK] });
    assert_eq!(
        launched((400, conflict)).await,
        LaunchAnswer::Started(TaskArn(TASK.into()))
    );
}

#[tokio::test]
async fn a_conflict_without_a_task_leaves_the_launch_unsure() {
    let answer = launched(exception(400, "ConflictException", "in use")).await;
    assert!(
        matches!(
            answer,
            LaunchAnswer::Unsure {
                retry_after: None,
                ..
            }
        ),
        "{answer:?}"
    );
}

#[tokio::test]
async fn definite_failures_have_their_kind() {
    use LaunchFailure::{Capacity, Configuration, Denied, Quota};
    let no_vcpus = "You've reached the limit on the number of vCPUs you can run concurrently";
    for (answer, expected) in [
        (
            refused(
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            ),
            Capacity,
        ),
        (refused("RESOURCE:ENI"), Capacity),
        (refused(no_vcpus), Quota),
        (refused("INACTIVE"), Configuration),
        (exception(400, "ThrottlingException", no_vcpus), Quota),
        (exception(400, "ClientException", no_vcpus), Quota),
        (
            exception(
                400,
                "ThrottlingException",
                "Capacity is unavailable at this time",
            ),
            Capacity,
        ),
        (
            refused("The requested CPU configuration is above your limit."),
            Quota,
        ),
        (
            exception(
                400,
                "ThrottlingException",
                "The requested CPU configuration is above your limit.",
            ),
            Quota,
        ),
        (
            exception(
                400,
                "ThrottlingException",
                "The requested MEMORY configuration is above your limit.",
            ),
            Quota,
        ),
        (
            exception(
                400,
                "AccessDeniedException",
                "is not authorized to perform: iam:PassRole",
            ),
            Denied,
        ),
        (
            exception(
                400,
                "InvalidParameterException",
                "No Fargate configuration exists for given values",
            ),
            Configuration,
        ),
        (
            exception(400, "ClientException", "TaskDefinition not found."),
            Configuration,
        ),
        (
            exception(400, "ClusterNotFoundException", "Cluster not found."),
            Configuration,
        ),
        (
            exception(400, "PlatformTaskDefinitionIncompatibilityException", "no"),
            Configuration,
        ),
        (exception(400, "SomethingNewException", "no"), Configuration),
    ] {
        assert_eq!(failure(answer.clone()).await, Some(expected), "{answer:?}");
    }
}

#[tokio::test]
async fn answers_that_say_nothing_for_sure_leave_the_launch_unsure() {
    for answer in [
        exception(400, "ThrottlingException", "Rate exceeded"),
        exception(429, "", ""),
        exception(
            500,
            "ServerException",
            "Service Unavailable. Please try again later.",
        ),
        (503, json!("<html>")),
        (200, json!("not an object")),
        (200, json!({ "tasks": [], "failures": [] })),
        exception(
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    ] {
        let outcome = launched(answer.clone()).await;
        assert!(
            matches!(outcome, LaunchAnswer::Unsure { .. }),
            "{answer:?}: {outcome:?}"
        );
    }
}

/// ECS asks EC2 about the subnets of a launch, and a burst of launches is throttled there.
#[tokio::test]
async fn what_ec2_throttled_is_sent_again_within_the_run() {
    let words = "Error retrieving subnet information for [subnet-0a1b2c3d]: Rate exceeded (ErrorCode: Throttling)";
    let outcome = launched(exception(400, "InvalidParameterException", words)).await;
    assert!(
        matches!(
            outcome,
            LaunchAnswer::Unsure {
                retry_after: Some(_),
                may_have_started: false,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn only_that_there_is_no_place_speaks_of_earlier_sends_too() {
    let capacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
    for (answer, expected) in [
        (refused(capacity), true),
        (
            refused("You've reached the limit on the number of vCPUs you can run concurrently"),
            false,
        ),
        (refused("something that ECS says tomorrow"), false),
        (exception(400, "ThrottlingException", capacity), false),
        (exception(400, "AccessDeniedException", "no"), false),
    ] {
        let outcome = launched(answer.clone()).await;
        assert!(
            matches!(outcome, LaunchAnswer::Failed { no_place, .. } if no_place == expected),
            "{answer:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_launch_is_one_call() {
    let ecs = FakeEcs::answering([exception(500, "ServerException", "x")]);
    ecs.adapter().launch(&request(), "t-1").await;
    assert_eq!(ecs.operations(), ["RunTask"]);
}

/// An ECS that answers after so long, behind the configuration that all functions share, whose
/// attempts are shorter.
async fn launched_after(time: Duration) -> LaunchAnswer {
    let ecs = FakeEcs::answering([(
        200,
        json!({ "tasks": [{ "taskArn": TASK }], "failures": [] }),
    )]);
    ecs.answering_after(time).launch(&request(), "t-1").await
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_takes_its_time_is_waited_for() {
    for seconds in [4, 9] {
        assert_eq!(
            launched_after(Duration::from_secs(seconds)).await,
            LaunchAnswer::Started(TaskArn(TASK.into())),
            "{seconds} s"
        );
    }
    let began = Instant::now();
    let late = launched_after(Duration::from_secs(60)).await;
    assert!(
        matches!(
            late,
            LaunchAnswer::Unsure {
                may_have_started: true,
                ..
            }
        ),
        "{late:?}"
    );
    assert_eq!(began.elapsed().as_secs(), timeouts::RUN_TASK.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_is_never_answered_ends_unsure_before_the_deadline() {
    let adapter = adapter(aws_sdk_ecs::config::SharedHttpClient::new(
        NeverClient::new(),
    ));
    let deadline = Instant::now() + Duration::from_secs(15);
    let request = request();
    let sending = LaunchAttempt {
        runner: request.runner.runner.clone(),
        request,
        client_token: "t-1".into(),
    };
    let sent = mayfly_ecs::launch_all(
        &adapter,
        &mayfly_ecs::RateLimiter::default(),
        vec![sending],
        deadline,
    )
    .await;
    assert!(
        matches!(
            &sent[..],
            [(_, LaunchOutcome::Answered(LaunchAnswer::Unsure { .. }))]
        ),
        "{sent:?}"
    );
    assert!(Instant::now() < deadline);
}

#[tokio::test]
async fn stopping_what_ecs_does_not_know_is_a_success() {
    let ecs = FakeEcs::answering([exception(
        400,
        "InvalidParameterException",
        "The referenced task was not found.",
    )]);
    assert!(
        ecs.adapter()
            .stop(&TaskArn(TASK.into()), "surplus")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_stop_that_failed_says_if_another_try_makes_sense() {
    let stop = |answer| async {
        FakeEcs::answering([answer])
            .adapter()
            .stop(&TaskArn(TASK.into()), "x")
            .await
    };
    assert!(matches!(
        stop(exception(500, "ServerException", "x")).await,
        Err(EcsError::Transient(_))
    ));
    let refused = stop(exception(400, "AccessDeniedException", "no ecs:StopTask"))
        .await
        .unwrap_err();
    assert!(matches!(refused, EcsError::Refused(_)));
    assert_eq!(
        refused.to_string(),
        "StopTask failed: AccessDeniedException: no ecs:StopTask (request r-1)"
    );
}

#[tokio::test]
async fn the_reason_of_a_stop_is_cut_to_what_ecs_keeps() {
    let ecs = FakeEcs::answering([(200, json!({}))]);
    ecs.adapter()
        .stop(&TaskArn(TASK.into()), &"ä".repeat(300))
        .await
        .unwrap();
    assert_eq!(
        ecs.calls()[0].1["reason"].as_str().unwrap().chars().count(),
        255
    );
}

#[tokio::test]
async fn tasks_are_described_in_hundreds() {
    let ecs = FakeEcs::answering([(200, json!({ "tasks": [], "failures": [] }))]);
    let tasks: Vec<TaskArn> = (0..250).map(|n| TaskArn(format!("{TASK}{n}"))).collect();
    ecs.adapter().describe(&tasks).await.unwrap();
    let asked: Vec<usize> = ecs
        .calls()
        .iter()
        .map(|(_, body)| body["tasks"].as_array().unwrap().len())
        .collect();
    assert_eq!(asked, [100, 100, 50]);
}

#[tokio::test]
async fn tasks_are_ours_or_others_or_unknown() {
    let task = json!({
        "taskArn": TASK, "startedBy": address().to_string(), "version": 7, "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
        "createdAt": 1_700_000_000.25, "pullStartedAt": 1_700_000_012.0, "stoppedAt": 1_700_000_100.5, "stopCode": "TaskFailedToStart",
        "stoppedReason": "CannotPullContainerError: x",
        "containers": [{ "name": "aws-guardduty-agent", "exitCode": 9 }, { "name": "runner", "reason": "not found" }],
    });
    let service = json!({ "taskArn": "arn:other", "startedBy": "ecs-svc/1", "lastStatus": "RUNNING", "version": 1 });
    let failures = json!([{ "arn": "arn:gone", "reason": "MISSING" }]);
    let ecs = FakeEcs::answering([(
        200,
        json!({ "tasks": [task, service], "failures": failures }),
    )]);
    let described = ecs
        .adapter()
        .describe(&[TaskArn(TASK.into())])
        .await
        .unwrap();
    let [
        Described::Task(task),
        Described::Foreign(_),
        Described::Missing(_),
    ] = &described[..]
    else {
        panic!("{described:?}")
    };
    assert_eq!(
        (task.status, task.version, task.end.exit_code),
        (TaskStatus::Stopped, 7, None)
    );
    insta::assert_json_snapshot!(task);
}

#[tokio::test]
async fn a_runners_tasks_are_listed_page_by_page_and_stopped_ones_too() {
    let page =
        |arns: &[&str], next: Option<&str>| (200, json!({ "taskArns": arns, "nextToken": next }));
    let ecs = FakeEcs::answering([
        page(&["a"], Some("a")),
        page(&["b"], None),
        page(&["c"], None),
    ]);
    let tasks = ecs.adapter().list_by_started_by(&address()).await.unwrap();
    assert_eq!(tasks, ["a", "b", "c"].map(|arn| TaskArn(arn.into())));
    let asked: Vec<_> = ecs
        .calls()
        .into_iter()
        .map(|(_, body)| (body["desiredStatus"].clone(), body["startedBy"].clone()))
        .collect();
    let by = json!(address().to_string());
    assert_eq!(
        asked,
        [
            (json!("RUNNING"), by.clone()),
            (json!("RUNNING"), by.clone()),
            (json!("STOPPED"), by)
        ]
    );
}

#[tokio::test]
async fn what_runs_is_listed_even_if_ecs_refuses_to_list_what_has_stopped_and_not_if_it_is_silent()
{
    let running = || (200, json!({ "taskArns": ["a"] }));
    let refused = exception(
        400,
        "InvalidParameterException",
        "startedBy must be the only filter",
    );
    let listed = FakeEcs::answering([running(), refused])
        .adapter()
        .list_by_started_by(&address())
        .await
        .unwrap();
    assert_eq!(listed, [TaskArn("a".into())]);
    for silent in [
        exception(500, "ServerException", "x"),
        exception(400, "ThrottlingException", "Rate exceeded"),
    ] {
        let listed = FakeEcs::answering([running(), silent])
            .adapter()
            .list_by_started_by(&address())
            .await;
        assert!(matches!(listed, Err(EcsError::Transient(_))), "{listed:?}");
    }
}
