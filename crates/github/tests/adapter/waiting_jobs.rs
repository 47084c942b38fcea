//! What waits in a repository, and what runs again.

use mayfly_domain::model::id::{InstallationId, JobId, OwnerId, RepositoryId, RunId};
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{CallError, FoundJob, JobStatus, QueuedJobs as _, Rerun, Reruns as _};
use serde_json::{Value, json};

use crate::stub::{START, Stub, answer, message, soon};

fn app() -> Repository {
    Repository {
        id: RepositoryId(9),
        name: "acme/app".to_owned(),
        owner: OwnerId(5),
        private: true,
    }
}

async fn runs(stub: &Stub) -> Result<Option<Vec<i64>>, CallError> {
    let runs = stub
        .github()
        .waiting_runs(InstallationId(1), &app(), soon())
        .await?;
    Ok(runs.map(|runs| runs.into_iter().map(|run| run.0).collect()))
}

async fn jobs(stub: &Stub) -> Result<Vec<FoundJob>, CallError> {
    stub.github()
        .jobs_of(InstallationId(1), &app(), RunId(3), soon())
        .await
}

async fn rerun(stub: &Stub) -> Result<Rerun, CallError> {
    stub.github()
        .rerun(InstallationId(1), &app(), JobId(77), soon())
        .await
}

/// A run of the repository with this id.
pub(crate) fn run(id: i64, repository: i64) -> Value {
    json!({ "id": id, "repository": { "id": repository } })
}

fn job(id: i64) -> Value {
    json!({ "id": id, "run_id": 3, "run_attempt": 1, "status": "queued", "conclusion": null, "labels": ["self-hosted"],
        "name": "build (1)", "created_at": "2026-01-01T00:00:01Z", "started_at": "2026-01-01T00:00:02.5Z", "completed_at": null })
}

#[tokio::test]
async fn runs_that_may_have_waiting_jobs_are_found_once_each() {
    let stub = Stub::start(|asked| {
        let runs = if asked.line.contains("status=queued") {
            json!([run(8, 9), run(5, 9)])
        } else {
            json!([run(8, 9), {}, run(2, 9)])
        };
        asked
            .line
            .starts_with("GET")
            .then(|| answer(200, json!({ "total_count": 3, "workflow_runs": runs })))
    })
    .await;
    assert_eq!(runs(&stub).await, Ok(Some(vec![8, 5, 2])));
    assert_eq!(
        stub.lines("GET"),
        [
            "GET /api/v3/repos/acme/app/actions/runs?status=queued&per_page=100",
            "GET /api/v3/repos/acme/app/actions/runs?status=in_progress&per_page=100",
        ]
    );
    assert_eq!(
        stub.asked()[0].body,
        json!({ "permissions": { "actions": "read" }, "repository_ids": [9] })
    );
}

#[tokio::test]
async fn repository_that_is_not_shown_is_told_from_github_that_fails() {
    for (given, expected) in [
        (
            answer(200, json!({ "total_count": 0, "workflow_runs": [] })),
            Ok(Some(vec![])),
        ),
        (message(404, "Not Found"), Ok(None)),
        (
            message(403, "Resource not accessible by integration"),
            Ok(None),
        ),
        (
            message(403, "API rate limit exceeded for installation ID 1."),
            Err(()),
        ),
        (message(429, "Too many requests"), Err(())),
        (message(500, "Server Error"), Err(())),
        (answer(200, json!([])), Err(())),
    ] {
        let stub = Stub::always(given.clone()).await;
        assert_eq!(runs(&stub).await.map_err(|_| ()), expected, "{given:?}");
    }
    let barred =
        Stub::start(|_| Some(message(422, "not accessible to the parent installation"))).await;
    assert_eq!(runs(&barred).await, Ok(None));
}

#[tokio::test]
async fn jobs_of_a_run_are_found_on_all_pages() {
    let stub = Stub::start(|asked| {
        let page: Vec<Value> = match asked.line.split("page=").last() {
            Some("1") => (1..=100).map(job).collect(),
            Some("2") => vec![job(101), json!({ "id": "odd" }), job(102)],
            _ => return None,
        };
        Some(answer(200, json!({ "total_count": 103, "jobs": page })))
    })
    .await;
    let found = jobs(&stub).await.unwrap();
    assert_eq!(
        (found.len(), found.last().map(|one| one.id.0)),
        (102, Some(102))
    );
    assert_eq!(
        stub.lines("GET")[1],
        "GET /api/v3/repos/acme/app/actions/runs/3/jobs?filter=latest&per_page=100&page=2"
    );
    let now = &found[0].now;
    assert_eq!(
        (now.status, now.name.as_str(), now.run, now.attempt),
        (JobStatus::Queued, "build (1)", RunId(3), 1)
    );
    let after = |millis| Some(Timestamp::from_millis(START.millis() + millis));
    assert_eq!(
        (now.created_at, now.started_at, now.completed_at),
        (after(1000), after(2500), None)
    );
}

#[tokio::test]
async fn run_without_end_is_not_read_for_ever() {
    let stub = Stub::always(answer(
        200,
        json!({ "total_count": 9999, "jobs": (1..=100).map(job).collect::<Vec<_>>() }),
    ))
    .await;
    assert_eq!(jobs(&stub).await.unwrap().len(), 1000);
    assert_eq!(stub.lines("GET").len(), 10);
}

#[tokio::test]
async fn run_that_is_gone_has_no_jobs_and_a_failure_is_no_such_thing() {
    assert_eq!(
        jobs(&Stub::always(message(404, "Not Found")).await).await,
        Ok(vec![])
    );
    let failed = jobs(&Stub::always(message(502, "Server Error")).await).await;
    assert!(
        matches!(failed, Err(CallError::Unavailable { .. })),
        "{failed:?}"
    );
    let refused =
        jobs(&Stub::always(message(403, "Resource not accessible by integration")).await).await;
    assert!(
        matches!(refused, Err(CallError::Refused { status: 403, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn every_answer_to_a_rerun_means_one_thing() {
    let refused = |words: &str| Ok(Rerun::Refused(words.to_owned()));
    let running = "The workflow run containing this job is already running";
    for (given, expected) in [
        (answer(201, json!({})), Ok(Rerun::Asked)),
        (message(403, running), refused(running)),
        (message(404, "Not Found"), refused("Not Found")),
        (
            message(422, "Validation Failed"),
            refused("Validation Failed"),
        ),
        (
            message(403, "You have exceeded a secondary rate limit."),
            Err("limited"),
        ),
        (message(429, "Too many requests"), Err("limited")),
        (message(502, "Server Error"), Err("unavailable")),
    ] {
        let stub = Stub::always(given.clone()).await;
        let word = |error| {
            if matches!(error, CallError::RateLimited { .. }) {
                "limited"
            } else {
                "unavailable"
            }
        };
        assert_eq!(rerun(&stub).await.map_err(word), expected, "{given:?}");
        let asked = stub.asked();
        assert_eq!(
            asked[0].body,
            json!({ "permissions": { "actions": "write" }, "repository_ids": [9] })
        );
        assert_eq!(
            asked[1].line,
            "POST /api/v3/repos/acme/app/actions/jobs/77/rerun"
        );
    }
}

#[tokio::test]
async fn app_that_may_only_look_is_refused_in_githubs_words() {
    let words = "The permissions requested are not granted to this installation.";
    let stub = Stub::start(move |_| Some(message(422, words))).await;
    assert_eq!(rerun(&stub).await, Ok(Rerun::Refused(words.to_owned())));
    assert_eq!(stub.asked().len(), 1);
}
