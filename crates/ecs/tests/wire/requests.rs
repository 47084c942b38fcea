//! RunTask's request: what is in it, that it fits, and where each try goes.

use mayfly_domain::model::id::{JobId, RepositoryId, RunnerAddress};
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::{Capacity, Size};
use mayfly_domain::model::target::Scope;
use mayfly_domain::transitions::plan::Start;
use mayfly_ecs::{LaunchConfig, LaunchRequest, RunTask};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ecs::{DEFINITION, FakeEcs, SIZE, TASK, address, pool, request, site};

/// The body of the RunTask call for this request.
async fn body(request: &LaunchRequest, token: &str) -> Value {
    let ecs = FakeEcs::answering([(
        200,
        json!({ "tasks": [{ "taskArn": TASK }], "failures": [] }),
    )]);
    ecs.adapter().launch(request, token).await;
    let mut body = ecs.calls().remove(0).1;
    body.sort_all_objects();
    body
}

#[tokio::test]
async fn request_for_a_job() {
    let start = Start {
        size: SIZE,
        job: Some(JobId(14_541_957_942)),
        repository: Some(RepositoryId(77)),
    };
    let request = LaunchRequest::build(&site(), &pool(), &start, &address(), DEFINITION)
        .for_repository("acme/app");
    insta::assert_json_snapshot!(body(&request, "01jd0000000000000000000000-1").await);
}

/// Source: ECS API reference, `Tag`: letters, numbers and spaces in UTF-8, and `+ - = . _ : / @`;
/// 256 characters at most.
#[test]
fn the_tag_of_the_repository_is_one_that_ecs_takes_and_without_a_name_the_number() {
    let start = Start {
        size: SIZE,
        job: None,
        repository: Some(RepositoryId(77)),
    };
    let request = LaunchRequest::build(&site(), &pool(), &start, &address(), DEFINITION);
    let tag = |request: &LaunchRequest| request.tags["mayfly:repository"].clone();
    assert_eq!(tag(&request), "77");
    for (name, expected) in [
        ("acme/app", "acme/app".to_owned()),
        ("Acme-1/my_app.js", "Acme-1/my_app.js".to_owned()),
        ("acme/<app>", "acme/_app_".to_owned()),
        (
            &format!("acme/{}", "x".repeat(300)),
            format!("acme/{}", "x".repeat(251)),
        ),
    ] {
        assert_eq!(
            tag(&request.clone().for_repository(name)),
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn request_for_a_large_spot_runner_with_its_own_role() {
    let size = Size {
        disk_gib: 100,
        capacity: Capacity::Spot,
        ..SIZE
    };
    let pool = Pool {
        task_role: Some("deploys".into()),
        scope: Scope::Organization { group: "ci".into() },
        size,
        ..pool()
    };
    let site = LaunchConfig {
        public_ip: false,
        ..site()
    };
    let request = LaunchRequest::build(
        &site,
        &pool,
        &Start {
            size,
            job: None,
            repository: None,
        },
        &address(),
        DEFINITION,
    );
    insta::assert_json_snapshot!(body(&request, "01jd0000000000000000000000-2").await);
}

#[tokio::test]
async fn request_from_the_ledger_is_the_same_to_the_letter() {
    let request = request();
    let kept = LaunchRequest::from_json(&request.to_json().unwrap()).unwrap();
    assert_eq!(body(&kept, "t-1").await, body(&request, "t-1").await);
}

#[test]
fn request_with_a_member_that_nobody_knows_is_refused() {
    let mut kept: Value = serde_json::from_str(&request().to_json().unwrap()).unwrap();
    kept["priority"] = json!(1);
    assert!(LaunchRequest::from_json(&kept.to_string()).is_err());
}

/// Capacity and subnet of the first tries.
fn ways(request: &LaunchRequest, tries: u32) -> Vec<(Capacity, Option<String>)> {
    let placed = |attempt| request.next_after_capacity_failure(attempt).placement;
    (1..=tries)
        .map(|attempt| (placed(attempt).capacity, placed(attempt).subnet))
        .collect()
}

#[test]
fn without_capacity_each_subnet_is_tried_and_spot_becomes_on_demand() {
    let size = Size {
        capacity: Capacity::Spot,
        ..SIZE
    };
    let request = LaunchRequest::build(
        &site(),
        &pool(),
        &Start {
            size,
            job: None,
            repository: None,
        },
        &address(),
        DEFINITION,
    );
    let ways = ways(&request, 9);
    let mut alone: Vec<_> = ways[1..4]
        .iter()
        .map(|way| way.1.clone().unwrap())
        .collect();
    alone.sort();
    assert_eq!(
        (ways[0].clone(), alone),
        ((Capacity::Spot, None), site().subnets)
    );
    assert_eq!(
        (ways[4].clone(), ways[7].0),
        ((Capacity::OnDemand, None), Capacity::OnDemand)
    );
    assert_eq!(ways[8], ways[0]);
}

#[test]
fn a_runner_on_demand_never_becomes_spot() {
    assert!(
        ways(&request(), 20)
            .iter()
            .all(|(capacity, _)| *capacity == Capacity::OnDemand)
    );
}

#[test]
fn a_single_subnet_is_not_narrowed() {
    let site = LaunchConfig {
        subnets: vec!["subnet-a".into()],
        ..site()
    };
    let request = LaunchRequest::build(
        &site,
        &pool(),
        &Start {
            size: SIZE,
            job: None,
            repository: None,
        },
        &address(),
        DEFINITION,
    );
    assert!(ways(&request, 5).iter().all(|(_, subnet)| subnet.is_none()));
}

prop_compose! {
    /// Names as long as AWS, GitHub and the pools file allow.
    pub(crate) fn sites()(stack in "[A-Za-z][A-Za-z0-9-]{0,127}", role in "[A-Za-z0-9+=,.@_-]{1,64}", subnets in 1usize..40, host in "[a-z0-9]{1,60}") -> LaunchConfig {
        let role = format!("arn:aws-us-gov:iam::123456789012:role/mayfly/{stack}/{role}");
        LaunchConfig {
            subnets: (0..subnets).map(|n| format!("subnet-{n:017x}")).collect(),
            security_groups: (0..5).map(|n| format!("sg-{n:017x}")).collect(),
            task_role: role.clone(),
            execution_role: role,
            registration_url: format!("https://{host}.execute-api.ap-southeast-1.amazonaws.com"),
            stack,
            ..site()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_fits_the_limits_of_ecs(
        site in sites(), name in "[a-z0-9]{1,28}", id in "[0-9a-hjkmnp-tv-z]{26}", own: Option<u16>, job: i64, repository: i64, disk in 20u32..=200, attempt in 1u32..9,
    ) {
        let runner: RunnerAddress = format!("{name}/{id}").parse().unwrap();
        let size = Size { disk_gib: disk, cpu: 16_384, memory_mib: 122_880, ..SIZE };
        let pool = Pool { name: runner.pool.clone(), task_role: own.map(|n| format!("{n:064}")), size, ..pool() };
        let start = Start { size, job: Some(JobId(job)), repository: Some(RepositoryId(repository)) };
        let request = LaunchRequest::build(&site, &pool, &start, &runner, DEFINITION).next_after_capacity_failure(attempt);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = runtime.block_on(body(&request, &format!("{id}-{attempt}")));
        fits(&body)?;
    }
}

/// Source of all numbers: ECS API reference, RunTask.
pub(crate) fn fits(body: &Value) -> Result<(), TestCaseError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    prop_assert!(body["overrides"].to_string().chars().count() <= 8192);
    let started_by = text(&body["startedBy"]);
    prop_assert!(
        started_by.len() <= 128
            && started_by
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-/_".contains(&b)),
        "{}",
        started_by
    );
    let token = text(&body["clientToken"]);
    prop_assert!(
        (1..=64).contains(&token.len()) && token.bytes().all(|b| (33..=126).contains(&b)),
        "{}",
        token
    );
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    prop_assert!(tags.len() <= 50);
    for tag in &tags {
        let (key, value) = (text(&tag["key"]), text(&tag["value"]));
        prop_assert!(
            (1..=128).contains(&key.chars().count())
                && !key.starts_with("aws:")
                && value.chars().count() <= 256,
            "{}",
            tag
        );
    }
    let vpc = &body["networkConfiguration"]["awsvpcConfiguration"];
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    prop_assert!((1..=16).contains(&count(&vpc["subnets"])) && count(&vpc["securityGroups"]) <= 5);
    let disk = &body["overrides"]["ephemeralStorage"]["sizeInGiB"];
    prop_assert!(
        disk.is_null() || (21..=200).contains(&disk.as_i64().unwrap_or_default()),
        "{}",
        disk
    );
    let strategy = body["capacityProviderStrategy"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    prop_assert!(
        strategy.len() == 1 && strategy[0]["weight"] == 1 && body.get("launchType").is_none()
    );
    Ok(())
}
