//! `mayfly doctor` on the deployed stack: its probe is a task that lives like a runner, and what is
//! broken is found, and mended where it can be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::command::person::{Person, Ran};
use crate::settled::Stage;

/// What was found of an area, and how bad it is.
fn found(ran: &Ran, area: &str) -> Vec<(String, String)> {
    let answer = ran.json();
    let findings = answer["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|one| one["area"] == area);
    findings
        .map(|one| {
            [&one["level"], &one["what"]]
                .map(|text| text.as_str().unwrap_or_default().to_owned())
                .into()
        })
        .collect()
}

fn is_good(ran: &Ran, area: &str) {
    let found = found(ran, area);
    assert!(
        !found.is_empty() && found.iter().all(|(level, _)| level == "good"),
        "{area}: {found:?}"
    );
}

fn has(ran: &Ran, area: &str, level: &str, words: &str) {
    let found = found(ran, area);
    assert!(
        found
            .iter()
            .any(|(its, what)| its == level && what.contains(words)),
        "{area}, {level}, {words:?}: {found:?}"
    );
}

/// The webhook's configuration, as GitHub has it.
async fn hook(stage: &Stage, change: Value) {
    assert!(
        stage
            .watch
            .post("hook", &change)
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_doctor_finds_a_deployment_healthy_from_where_its_runners_live() {
    let stage = Stage::enter().await;
    let job =
        stage.watch.queue(&json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"] }), 1).await.unwrap();
    stage.over(&job, Duration::from_secs(60)).await;
    let doctor = Person::doctor(&stage).await;
    let ran = doctor.runs(&["doctor", "--json"]).await;
    for area in [
        "credentials",
        "clock",
        "pools",
        "webhook",
        "quota",
        "network",
        "roles",
    ] {
        is_good(&ran, area);
    }
    has(
        &ran,
        "network",
        "good",
        "pool arm: a task like theirs starts",
    );
    has(
        &ran,
        "network",
        "good",
        "pools linux, small: a task like theirs starts",
    );
    has(
        &ran,
        "roles",
        "good",
        "may ask for registration; Mayfly answers there",
    );
    has(
        &ran,
        "app",
        "good",
        "installed on acme, with the permissions that the pools need",
    );
    has(
        &ran,
        "app",
        "warning",
        "installed on globex, too, which the pools file does not serve",
    );
    has(&ran, "deliveries", "good", "arrived");
    has(&ran, "alarms", "warning", "no one is notified by");
    assert_eq!(
        (ran.code, ran.json()["errors"].as_u64()),
        (0, Some(0)),
        "{ran:?}"
    );
    stage
        .until(
            "the probes' tasks to end",
            Duration::from_secs(30),
            |_, ledger| ledger.open.is_empty(),
        )
        .await;
    let said = doctor.runs(&["doctor", "--no-probe"]).await;
    assert!(
        said.code == 0
            && said.stdout.contains("webhook")
            && !said.stdout.contains("a task like theirs"),
        "{said:?}"
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_doctor_finds_where_github_delivers_instead_and_mends_that() {
    let stage = Stage::enter().await;
    let doctor = Person::doctor(&stage).await;
    hook(
        &stage,
        json!({ "url": "http://127.0.0.1:1/webhook", "content_type": "form" }),
    )
    .await;
    let sick = doctor.runs(&["doctor", "--no-probe", "--json"]).await;
    has(
        &sick,
        "webhook",
        "error",
        "GitHub delivers to http://127.0.0.1:1/webhook",
    );
    has(&sick, "webhook", "warning", "and not JSON");
    assert_eq!(sick.code, 1);
    let mended = doctor
        .runs(&["doctor", "--no-probe", "--fix", "--json"])
        .await;
    has(
        &mended,
        "webhook",
        "good",
        "repaired: GitHub now delivers JSON to",
    );
    is_good(&mended, "webhook");
    let job =
        stage.watch.queue(&json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"] }), 1).await.unwrap();
    let (over, _) = stage.over(&job, Duration::from_secs(60)).await;
    assert_eq!(
        over[0].conclusion.as_deref(),
        Some("success"),
        "deliveries arrive, and are signed as before"
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_deployment_out_of_reach_is_an_error_and_the_rest_is_told() {
    let stage = Stage::enter().await;
    let doctor = Person::doctor(&stage).await;
    let ran = doctor
        .runs(&["doctor", "--stack", "elsewhere", "--json"])
        .await;
    has(
        &ran,
        "credentials",
        "error",
        "could not read the SSM parameter /mayfly/elsewhere/deployment: AccessDeniedException",
    );
    is_good(&ran, "clock");
    assert_eq!(ran.code, 1);
}
