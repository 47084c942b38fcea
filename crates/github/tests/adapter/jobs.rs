//! Jobs and repositories as GitHub shows them.

use mayfly_domain::model::id::{GithubRunnerId, InstallationId, JobId, OwnerId, RepositoryId};
use mayfly_domain::model::target::Repository;
use mayfly_github::{CallError, JobStatus, Jobs as _, Repositories as _, WorkflowJob};
use serde_json::{Value, json};

use crate::stub::{Stub, answer, message, soon};

fn app() -> Repository {
    Repository {
        id: RepositoryId(9),
        name: "acme/app".to_owned(),
        owner: OwnerId(5),
        private: true,
    }
}

async fn job(stub: &Stub) -> Result<Option<WorkflowJob>, CallError> {
    stub.github()
        .job(InstallationId(1), &app(), JobId(14_541_957_942), soon())
        .await
}

fn wire(status: &str, runner_id: Value, runner_name: Value) -> Value {
    json!({ "id": 14_541_957_942_i64, "run_id": 3, "run_attempt": 2, "status": status, "conclusion": null,
        "labels": ["self-hosted"], "runner_id": runner_id, "runner_name": runner_name, "steps": [] })
}

#[tokio::test]
async fn job_is_shown_with_the_runner_it_has() {
    let stub = Stub::always(answer(
        200,
        wire("in_progress", json!(77), json!("mayfly-x")),
    ))
    .await;
    let now = job(&stub).await.unwrap().unwrap();
    assert_eq!(
        (now.status, now.run.0, now.attempt),
        (JobStatus::InProgress, 3, 2)
    );
    assert_eq!(
        now.runner.map(|one| (one.id, one.name)),
        Some((GithubRunnerId(77), "mayfly-x".to_owned()))
    );
    let asked = stub.asked();
    assert_eq!(
        asked[0].body,
        json!({ "permissions": { "actions": "read" }, "repository_ids": [9] })
    );
    assert_eq!(
        asked[1].line,
        "GET /api/v3/repos/acme/app/actions/jobs/14541957942"
    );
}

#[tokio::test]
async fn every_way_to_have_no_runner_is_understood() {
    for (id, name) in [
        (json!(null), json!(null)),
        (json!(0), json!("")),
        (json!(5), json!("")),
    ] {
        let stub = Stub::always(answer(200, wire("queued", id, name))).await;
        let now = job(&stub).await.unwrap().unwrap();
        assert_eq!((now.status, now.runner), (JobStatus::Queued, None));
    }
}

#[tokio::test]
async fn status_that_github_adds_is_no_error() {
    let stub = Stub::always(answer(200, wire("dreaming", json!(null), json!(null)))).await;
    assert_eq!(job(&stub).await.unwrap().unwrap().status, JobStatus::Other);
}

#[tokio::test]
async fn job_that_is_not_shown_is_none_and_a_failure_is_not() {
    assert_eq!(
        job(&Stub::always(message(404, "Not Found")).await).await,
        Ok(None)
    );
    let failed = job(&Stub::always(message(502, "Server Error")).await).await;
    assert!(
        matches!(failed, Err(CallError::Unavailable { .. })),
        "{failed:?}"
    );
    let barred =
        job(
            &Stub::start(|_| Some(message(422, "not accessible to the parent installation"))).await,
        )
        .await;
    assert!(
        matches!(barred, Err(CallError::Refused { status: 422, .. })),
        "{barred:?}"
    );
}

#[tokio::test]
async fn repository_is_private_only_on_githubs_word_for_that_very_one() {
    for (given, expected) in [
        (
            answer(200, json!({ "id": 9, "private": true })),
            Ok(Some(true)),
        ),
        (
            answer(200, json!({ "id": 9, "private": false })),
            Ok(Some(false)),
        ),
        (answer(200, json!({ "id": 10, "private": true })), Ok(None)),
        (message(404, "Not Found"), Ok(None)),
        (
            message(403, "Resource not accessible by integration"),
            Ok(None),
        ),
        (message(500, "Server Error"), Err(())),
        (answer(200, json!({ "id": 9 })), Err(())),
    ] {
        let stub = Stub::always(given.clone()).await;
        let private = stub
            .github()
            .private(InstallationId(1), RepositoryId(9), "acme/app", soon())
            .await;
        assert_eq!(private.map_err(|_| ()), expected, "{given:?}");
    }
}
