//! What the deployed roles may do, read back from the emulator.

use super::aws::{Aws, elements};
use super::deployment::STACK;
use super::description::Stack;
use super::machine;
use super::places::Places;
use reqwest::Url;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const ROLES: [&str; 6] = [
    "WebhookRole",
    "ScalerRole",
    "RegistrarRole",
    "ObserverRole",
    "SweeperRole",
    "DashboardRole",
];
/// Actions that know no narrower resource, or that ECS does not hold against one everywhere.
const WITHOUT_RESOURCE: [&str; 3] = [
    "ecs:RegisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTasks",
];

/// One action on one resource.
type Grant = (String, String);

async fn grants(aws: &Aws, logical_role: &str) -> BTreeSet<Grant> {
    let request = [
        ("Action", "DescribeStackResource"),
        ("StackName", STACK),
        ("LogicalResourceId", logical_role),
    ];
    let answer = aws
        .query("cloudformation", "2010-05-15", &request)
        .await
        .unwrap();
    let role = elements(&answer, "PhysicalResourceId").next().unwrap();
    // The template names a function's only policy after the function.
    let policy = logical_role.trim_end_matches("Role").to_lowercase();
    let request = [
        ("Action", "GetRolePolicy"),
        ("RoleName", role),
        ("PolicyName", &policy),
    ];
    let answer = aws.query("iam", "2010-05-08", &request).await.unwrap();
    let encoded = elements(&answer, "PolicyDocument").next().unwrap();
    let decoded = Url::parse(&format!("http://localhost/?document={encoded}")).unwrap();
    let document: Value = serde_json::from_str(&decoded.query_pairs().next().unwrap().1).unwrap();
    let statements = document["Statement"].as_array().unwrap();
    let pairs = statements.iter().flat_map(|statement| {
        let resources = texts(&statement["Resource"]);
        texts(&statement["Action"])
            .into_iter()
            .flat_map(move |action| {
                resources
                    .clone()
                    .into_iter()
                    .map(move |on| (action.clone(), on))
            })
    });
    pairs.collect()
}

/// A policy has one text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let list = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    list.iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

async fn who(wanted: impl Fn(&Grant) -> bool) -> Vec<&'static str> {
    let stack = Stack::read(&Places::of_repository().unwrap()).unwrap();
    let aws = Aws::new(
        stack.aws_endpoint,
        machine::client(Duration::from_secs(10)).unwrap(),
    );
    let mut found = Vec::new();
    for role in ROLES {
        if grants(&aws, role).await.iter().any(&wanted) {
            found.push(role);
        }
    }
    found
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn only_registrar_and_sweeper_may_read_the_apps_key() {
    assert_eq!(
        who(|(_, on)| on.ends_with("/github-app")).await,
        ["RegistrarRole", "SweeperRole"]
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn only_webhook_may_read_the_webhook_secret() {
    assert_eq!(
        who(|(_, on)| on.ends_with("/webhook-secret")).await,
        ["WebhookRole"]
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn only_scaler_may_launch() {
    assert_eq!(
        who(|(action, _)| action == "ecs:RunTask").await,
        ["ScalerRole"]
    );
    assert_eq!(
        who(|(action, _)| action == "iam:PassRole").await,
        ["ScalerRole"]
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn no_role_may_do_everything_or_anything_to_everything() {
    assert_eq!(who(|(action, _)| action.contains('*')).await, [""; 0]);
    assert_eq!(
        who(|(action, on)| on == "*" && !WITHOUT_RESOURCE.contains(&action.as_str())).await,
        [""; 0]
    );
}
