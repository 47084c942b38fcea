//! Task definitions: what is registered, when, and under which name.

use mayfly_domain::model::size::{Architecture, Size};
use mayfly_ecs::{
    EcsError, LaunchConfig, RunTask, TaskDefinitionSpec, TaskDefinitions, without_comments,
};
use serde_json::{Value, json};

use crate::ecs::{DEFINITION, FakeEcs, SIZE, exception, pool, request, site};

fn definition() -> TaskDefinitionSpec {
    TaskDefinitionSpec::of(&site(), &pool(), Architecture::X64)
}

fn unknown() -> (u16, Value) {
    exception(
        400,
        "ClientException",
        "Unable to describe task definition.",
    )
}

/// An answer with a definition in it, made of what was registered.
fn found(registered: &Value) -> (u16, Value) {
    let mut definition = registered.clone();
    definition["taskDefinitionArn"] = json!(DEFINITION);
    definition["status"] = json!("ACTIVE");
    (200, json!({ "taskDefinition": definition }))
}

/// The body of the call that registers it.
async fn registration(definition: &TaskDefinitionSpec) -> Value {
    let ecs = FakeEcs::answering([
        unknown(),
        (
            200,
            json!({ "taskDefinition": { "taskDefinitionArn": DEFINITION } }),
        ),
    ]);
    assert_eq!(ecs.adapter().ensure(definition).await.unwrap(), DEFINITION);
    assert_eq!(
        ecs.operations(),
        ["DescribeTaskDefinition", "RegisterTaskDefinition"]
    );
    ecs.calls().remove(1).1
}

#[tokio::test]
async fn definition_of_the_stock_image() {
    let mut body = registration(&definition()).await;
    // They change with every change of the scripts, and so does the hash.
    let family = body["family"].as_str().unwrap().to_owned();
    assert!(
        family.starts_with("mayfly-x64-") && family.len() == "mayfly-x64-".len() + 12,
        "{family}"
    );
    body["family"] = json!("mayfly-x64-<hash>");
    let container = &mut body["containerDefinitions"][0];
    for (place, script) in [
        (0, include_str!("../../../../runner/entrypoint.sh")),
        (2, include_str!("../../../../runner/job-started.sh")),
    ] {
        assert_eq!(container["command"][place], without_comments(script));
        container["command"][place] = json!(format!("<script {place}>"));
    }
    body.sort_all_objects();
    insta::assert_json_snapshot!(body);
}

#[tokio::test]
async fn definition_with_both_scripts_is_within_the_limit() {
    // Source: ECS service quotas, task definition size.
    assert!(registration(&definition()).await.to_string().len() < 64 * 1024);
}

/// Whatever ECS makes of other characters, and of comments no one reads there.
#[tokio::test]
async fn a_definition_is_plain_ascii_and_its_scripts_are_without_comments() {
    let body = registration(&definition()).await;
    assert!(body.to_string().is_ascii());
    for place in [0, 2] {
        let script = body["containerDefinitions"][0]["command"][place]
            .as_str()
            .unwrap();
        assert!(script.is_ascii() && script.lines().count() > 20, "{script}");
        assert!(
            script
                .lines()
                .all(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')),
            "{script}"
        );
    }
}

#[tokio::test]
async fn an_existing_definition_is_asked_for_once() {
    let registered = registration(&definition()).await;
    let ecs = FakeEcs::answering([found(&registered)]);
    let adapter = ecs.adapter();
    for _ in 0..2 {
        assert_eq!(adapter.ensure(&definition()).await.unwrap(), DEFINITION);
    }
    assert_eq!(ecs.operations(), ["DescribeTaskDefinition"]);
}

#[tokio::test]
async fn a_revision_that_is_not_ours_does_not_pass_for_it() {
    let mut foreign = registration(&definition()).await;
    foreign["containerDefinitions"][0]["image"] = json!("evil/runner");
    let ecs = FakeEcs::answering([
        found(&foreign),
        (
            200,
            json!({ "taskDefinition": { "taskDefinitionArn": "arn:ours" } }),
        ),
    ]);
    assert_eq!(
        ecs.adapter().ensure(&definition()).await.unwrap(),
        "arn:ours"
    );
}

#[tokio::test]
async fn a_definition_that_is_gone_is_asked_for_again() {
    let registered = registration(&definition()).await;
    let ecs = FakeEcs::answering([
        found(&registered),
        exception(400, "ClientException", "TaskDefinition is inactive"),
        found(&registered),
    ]);
    let adapter = ecs.adapter();
    adapter.ensure(&definition()).await.unwrap();
    adapter.launch(&request(), "t-1").await;
    adapter.ensure(&definition()).await.unwrap();
    assert_eq!(
        ecs.operations(),
        [
            "DescribeTaskDefinition",
            "RunTask",
            "DescribeTaskDefinition"
        ]
    );
}

#[tokio::test]
async fn throttled_registration_is_worth_another_try_and_a_refused_one_is_not() {
    let ensured = |answer| async {
        FakeEcs::answering([unknown(), answer])
            .adapter()
            .ensure(&definition())
            .await
    };
    let throttled = ensured(exception(400, "ThrottlingException", "Rate exceeded")).await;
    assert!(
        matches!(throttled, Err(EcsError::Transient(_))),
        "{throttled:?}"
    );
    let refused = ensured(exception(400, "ClientException", "Role is not valid")).await;
    assert!(matches!(refused, Err(EcsError::Refused(_))), "{refused:?}");
}

/// ECS has no code for a family that it does not know, and its words may change.
#[tokio::test]
async fn whatever_words_a_family_is_unknown_in_it_is_registered() {
    let registered = (
        200,
        json!({ "taskDefinition": { "taskDefinitionArn": DEFINITION } }),
    );
    let ecs = FakeEcs::answering([
        exception(400, "ClientException", "There is no such family."),
        registered,
    ]);
    assert_eq!(
        ecs.adapter().ensure(&definition()).await.unwrap(),
        DEFINITION
    );
}

#[tokio::test]
async fn a_failed_look_registers_nothing() {
    let ecs = FakeEcs::answering([exception(
        400,
        "AccessDeniedException",
        "no ecs:DescribeTaskDefinition",
    )]);
    assert!(matches!(
        ecs.adapter().ensure(&definition()).await,
        Err(EcsError::Refused(_))
    ));
    assert_eq!(ecs.operations(), ["DescribeTaskDefinition"]);
}

#[test]
fn every_part_of_the_content_is_in_the_name() {
    let base = definition();
    let others = [
        TaskDefinitionSpec {
            image: "other".into(),
            ..base.clone()
        },
        TaskDefinitionSpec {
            architecture: Architecture::Arm64,
            ..base.clone()
        },
        TaskDefinitionSpec {
            region: "eu-west-1".into(),
            ..base.clone()
        },
        TaskDefinitionSpec {
            log_group: "other".into(),
            ..base.clone()
        },
        TaskDefinitionSpec {
            task_role: "other".into(),
            ..base.clone()
        },
        TaskDefinitionSpec {
            execution_role: "other".into(),
            ..base.clone()
        },
        TaskDefinitionSpec {
            stack: "other".into(),
            ..base.clone()
        },
    ];
    let hash = |definition: &TaskDefinitionSpec| {
        definition.family().rsplit('-').next().unwrap().to_owned()
    };
    let mut hashes: Vec<String> = others.iter().chain([&base]).map(hash).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), others.len() + 1);
}

#[test]
fn image_size_and_role_make_the_fingerprint() {
    let fingerprint = definition().fingerprint(&SIZE, "role");
    assert_eq!(fingerprint, definition().fingerprint(&SIZE, "role"));
    assert_ne!(
        fingerprint,
        definition().fingerprint(&Size { cpu: 1024, ..SIZE }, "role")
    );
    assert_ne!(fingerprint, definition().fingerprint(&SIZE, "other"));
    assert_ne!(
        fingerprint,
        TaskDefinitionSpec {
            image: "other".into(),
            ..definition()
        }
        .fingerprint(&SIZE, "role")
    );
}

#[test]
fn the_longest_stack_name_makes_a_family_that_ecs_takes() {
    let site = LaunchConfig {
        stack: "a".repeat(128),
        ..site()
    };
    // Source: ECS API reference, RegisterTaskDefinition: up to 255 letters, digits, underscores and
    // hyphens.
    assert!(
        TaskDefinitionSpec::of(&site, &pool(), Architecture::Arm64)
            .family()
            .len()
            <= 255
    );
}
