//! A probe's request: like a runner's, with another command, and small enough.

use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::{Capacity, Size};
use mayfly_ecs::probe::{POOL, Probe, Prober};
use mayfly_ecs::{LaunchAnswer, LaunchConfig};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ecs::{DEFINITION, FakeEcs, SIZE, TASK, pool, site};
use crate::requests::{fits, sites};

fn address(id: &str) -> RunnerAddress {
    format!("{POOL}/{id}").parse().unwrap()
}

fn reach() -> Vec<(String, String)> {
    vec![
        ("api".to_owned(), "https://api.github.com/zen".to_owned()),
        ("github".to_owned(), "https://github.com".to_owned()),
    ]
}

async fn body(probe: &Probe) -> Value {
    let ecs = FakeEcs::answering([(
        200,
        json!({ "tasks": [{ "taskArn": TASK }], "failures": [] }),
    )]);
    assert!(
        matches!(ecs.adapter().probe(probe).await, LaunchAnswer::Started(arn) if arn.0 == TASK)
    );
    let mut body = ecs.calls().remove(0).1;
    body.sort_all_objects();
    body
}

#[tokio::test]
async fn a_probe_is_like_a_runner_of_its_pool_but_small_and_with_another_command() {
    let size = Size {
        cpu: 4096,
        memory_mib: 16_384,
        disk_gib: 100,
        capacity: Capacity::Spot,
        ..SIZE
    };
    let pool = Pool {
        task_role: Some("deploys".into()),
        size,
        ..pool()
    };
    let probe = Probe::build(
        &site(),
        &pool,
        DEFINITION,
        &address("01jd0000000000000000000000"),
        &reach(),
    );
    let mut body = body(&probe).await;
    let command = body["overrides"]["containerOverrides"][0]["command"].take();
    insta::assert_json_snapshot!(body);
    let [script, name] = command.as_array().unwrap().as_slice() else {
        panic!("{command}")
    };
    assert_eq!(name, "mayfly");
    let script = script.as_str().unwrap();
    assert!(
        script
            .lines()
            .all(|line| !line.starts_with('#') && line.trim() == line),
        "comments and indentation stay behind"
    );
    assert!(
        script.starts_with("set +xv") && script.ends_with("exit \"$wrong\""),
        "{script}"
    );
}

/// The tests of the script run the file; what is sent is without comments and indentation.
#[tokio::test]
async fn what_is_sent_is_a_script_that_says_the_same() {
    let probe = Probe::build(
        &site(),
        &pool(),
        DEFINITION,
        &address("01jd0000000000000000000000"),
        &reach(),
    );
    let body = body(&probe).await;
    let sent = body["overrides"]["containerOverrides"][0]["command"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let file = include_str!("../../../../runner/probe.sh");
    let said = |script: &str| {
        let output = std::process::Command::new("/bin/bash")
            .args(["-c", script, "mayfly"])
            .env_clear()
            .envs([
                ("PATH", "/usr/bin:/bin"),
                ("MAYFLY_PROBE", "p"),
                ("MAYFLY_URL", "http://127.0.0.1:9"),
                ("MAYFLY_REGION", "r"),
            ])
            .envs([
                ("MAYFLY_RUNNER", "a/b"),
                ("MAYFLY_REACH", "x=http://127.0.0.1:9"),
                ("MAYFLY_RUNNER_HOME", "/nowhere"),
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.lines().last(),
            Some("p end 71"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Times differ.
        (
            output.status.code(),
            text.split_whitespace()
                .filter(|word| !word.starts_with("0.0"))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(said(&sent), said(file));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_probe_fits_the_limits_of_ecs(
        site in sites(), id in "[0-9a-hjkmnp-tv-z]{26}", own: Option<u16>, disk in 20u32..=200, host in "[a-z0-9.]{1,253}",
    ) {
        let pool = Pool { task_role: own.map(|n| format!("{n:064}")), size: Size { disk_gib: disk, ..SIZE }, ..pool() };
        let reach = vec![("api".to_owned(), format!("https://api.{host}/api/v3/zen")), ("github".to_owned(), format!("https://{host}"))];
        let site = LaunchConfig { public_ip: false, ..site };
        let probe = Probe::build(&site, &pool, DEFINITION, &address(&id), &reach);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        fits(&runtime.block_on(body(&probe)))?;
    }
}
