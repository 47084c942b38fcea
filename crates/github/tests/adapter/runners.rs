//! Runners: seen, listed, deleted.

use mayfly_domain::model::id::GithubRunnerId;
use mayfly_github::{CallError, Deleted, RunnerLookup, Runners as _};
use serde_json::{Value, json};

use crate::stub::{Answer, Stub, answer, message, organization, repository, soon};

const RUNNER: GithubRunnerId = GithubRunnerId(42);

fn runner(id: i64) -> Value {
    json!({ "id": id, "name": format!("runner {id}"), "os": "linux", "status": "online", "busy": id == 42, "labels": [] })
}

/// A GitHub that answers so about the runner, and so about the list.
async fn github(about_runner: Answer, about_list: Answer) -> Stub {
    Stub::start(move |asked| {
        let of_list = asked.line.contains("/runners?");
        (!asked.line.contains("access_tokens")).then(|| {
            if of_list {
                about_list.clone()
            } else {
                about_runner.clone()
            }
        })
    })
    .await
}

fn listed() -> Answer {
    answer(200, json!({ "total_count": 0, "runners": [] }))
}

#[tokio::test]
async fn every_answer_to_a_deletion_means_one_thing() {
    let gone = || message(404, "Not Found");
    for (about_runner, about_list, expected) in [
        (answer(204, Value::Null), listed(), Ok(Deleted::Gone)),
        (
            message(422, "Bad request - Runner \"x\" is still running a job\""),
            listed(),
            Ok(Deleted::Busy),
        ),
        (
            gone(),
            listed(),
            Ok(Deleted::NotFound {
                target_visible: true,
            }),
        ),
        (
            gone(),
            gone(),
            Ok(Deleted::NotFound {
                target_visible: false,
            }),
        ),
        (
            gone(),
            message(403, "Resource not accessible by integration"),
            Ok(Deleted::NotFound {
                target_visible: false,
            }),
        ),
        (gone(), message(502, "Server Error"), Err("unavailable")),
        (gone(), message(429, "Too many requests"), Err("limited")),
        (
            message(403, "Resource not accessible by integration"),
            listed(),
            Err("refused"),
        ),
        (message(500, "Server Error"), listed(), Err("unavailable")),
        (message(429, "Too many requests"), listed(), Err("limited")),
    ] {
        let stub = github(about_runner.clone(), about_list.clone()).await;
        let deleted = stub
            .github()
            .delete(&repository(9), RUNNER, soon())
            .await
            .map_err(|error| word(&error));
        assert_eq!(deleted, expected, "{about_runner:?} {about_list:?}");
    }
}

fn word(error: &CallError) -> &'static str {
    match error {
        CallError::Refused { .. } => "refused",
        CallError::RateLimited { .. } => "limited",
        CallError::Unavailable { .. } => "unavailable",
        CallError::Misconfigured { .. } => "misconfigured",
    }
}

#[tokio::test]
async fn runner_of_a_repository_without_a_token_is_unknown_not_gone() {
    let stub = Stub::start(|_| {
        Some(message(
            422,
            "There is at least one repository that does not exist",
        ))
    })
    .await;
    let unknown = Deleted::NotFound {
        target_visible: false,
    };
    assert_eq!(
        stub.github().delete(&repository(9), RUNNER, soon()).await,
        Ok(unknown)
    );
    assert_eq!(
        stub.github().get(&repository(9), RUNNER, soon()).await,
        Ok(RunnerLookup::NotFound {
            target_visible: false
        })
    );
}

#[tokio::test]
async fn runner_is_shown_as_github_sees_it() {
    let stub = github(answer(200, runner(42)), listed()).await;
    let Ok(RunnerLookup::Registered(now)) = stub
        .github()
        .get(&organization("build"), RUNNER, soon())
        .await
    else {
        panic!("not seen")
    };
    assert_eq!(
        (now.id, now.name.as_str(), now.online, now.busy),
        (RUNNER, "runner 42", true, true)
    );
    assert_eq!(
        stub.lines("GET"),
        ["GET /api/v3/orgs/acme/actions/runners/42"]
    );
}

#[tokio::test]
async fn runner_that_is_not_connected_is_shown_so() {
    let mut away = runner(7);
    away["status"] = json!("offline");
    let stub = github(answer(200, away), listed()).await;
    let shown = stub.github().get(&repository(9), RUNNER, soon()).await;
    assert!(
        matches!(&shown, Ok(RunnerLookup::Registered(now)) if !now.online && !now.busy),
        "{shown:?}"
    );
}

#[tokio::test]
async fn list_goes_through_all_pages() {
    let stub = Stub::start(|asked| {
        let page: Vec<Value> = match asked.line.split("page=").last() {
            Some("1") => (1..=100).map(runner).collect(),
            Some("2") => (101..=103).map(runner).collect(),
            _ => return None,
        };
        Some(answer(200, json!({ "total_count": 103, "runners": page })))
    })
    .await;
    let runners = stub.github().list(&repository(9), soon()).await.unwrap();
    assert_eq!(
        (runners.len(), runners.last().map(|one| one.id.0)),
        (103, Some(103))
    );
    assert_eq!(stub.lines("GET").len(), 2);
}

#[tokio::test]
async fn list_is_whole_or_none() {
    let stub = Stub::start(|asked| match asked.line.split("page=").last() {
        Some("1") => Some(answer(
            200,
            json!({ "runners": (1..=100).map(runner).collect::<Vec<_>>() }),
        )),
        Some("2") => Some(message(502, "Server Error")),
        _ => None,
    })
    .await;
    assert!(stub.github().list(&repository(9), soon()).await.is_err());
}
