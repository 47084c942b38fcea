//! Workflow runs.

use super::{account, iso, node, repository};
use crate::accounts::MONA;
use crate::jobs::{Conclusion, Run, Status};
use crate::model::Model;
use serde_json::{Value, json};

/// A run's status: what the least advanced of its jobs does.
#[must_use]
pub fn status(model: &Model, run: &Run) -> Status {
    if run.ended.is_some() {
        return Status::Completed;
    }
    let jobs: Vec<_> = model
        .jobs
        .of_run(run.id, run.attempt)
        .map(|job| job.status)
        .collect();
    [
        Status::InProgress,
        Status::Queued,
        Status::Waiting,
        Status::Pending,
    ]
    .into_iter()
    .find(|status| jobs.contains(status))
    .unwrap_or(Status::Completed)
}

fn conclusion(model: &Model, run: &Run) -> Option<Conclusion> {
    if status(model, run) != Status::Completed {
        return None;
    }
    if run.ended.is_some() {
        return run.ended;
    }
    let jobs: Vec<_> = model
        .jobs
        .of_run(run.id, run.attempt)
        .filter_map(|job| job.conclusion)
        .collect();
    [
        Conclusion::Failure,
        Conclusion::TimedOut,
        Conclusion::Cancelled,
    ]
    .into_iter()
    .find(|conclusion| jobs.contains(conclusion))
    .or(Some(Conclusion::Success))
}

/// "Workflow run".
#[must_use]
pub fn run(model: &Model, run: &Run) -> Value {
    let accounts = model.accounts();
    let full_name = accounts.full_name(run.repository);
    let api = format!("{}/repos/{full_name}/actions", model.urls.api);
    let Run {
        id, sha, branch, ..
    } = run;
    let home = accounts.repository(run.repository);
    let owner = home.and_then(|home| accounts.account(home.owner));
    let minimal = home
        .zip(owner)
        .map(|(home, owner)| repository::minimal(&model.urls, home, owner));
    // A fork has an id and an owner of its own: comparing ids is how one is told.
    let head = if run.fork {
        fork(model, run)
    } else {
        minimal.clone()
    };
    let actor = accounts
        .account(MONA)
        .map(|actor| account::simple(&model.urls, actor));
    let person = json!({ "name": "Mona", "email": "mona@github.invalid" });
    json!({
        "id": id,
        "name": "CI",
        "node_id": node("WFR", id.0),
        "check_suite_id": id.0 + 1,
        "check_suite_node_id": node("CS", id.0 + 1),
        "head_branch": branch,
        "head_sha": sha,
        "path": ".github/workflows/ci.yml",
        "display_title": "Make it better",
        "run_number": run.number,
        "event": run.event,
        "status": status(model, run).word(),
        "conclusion": conclusion(model, run).map(Conclusion::word),
        "workflow_id": 88_000_001,
        "url": format!("{api}/runs/{id}"),
        "html_url": format!("{}/{full_name}/actions/runs/{id}", model.urls.html),
        "pull_requests": [],
        "created_at": iso(run.created_at),
        "updated_at": iso(run.created_at),
        "actor": actor,
        "triggering_actor": actor,
        "run_attempt": run.attempt,
        "referenced_workflows": [],
        "run_started_at": iso(run.created_at),
        "jobs_url": format!("{api}/runs/{id}/jobs"),
        "logs_url": format!("{api}/runs/{id}/logs"),
        "check_suite_url": format!("{}/repos/{full_name}/check-suites/{}", model.urls.api, id.0 + 1),
        "artifacts_url": format!("{api}/runs/{id}/artifacts"),
        "cancel_url": format!("{api}/runs/{id}/cancel"),
        "rerun_url": format!("{api}/runs/{id}/rerun"),
        "previous_attempt_url": (run.attempt > 1).then(|| format!("{api}/runs/{id}/attempts/{}", run.attempt - 1)),
        "workflow_url": format!("{api}/workflows/88000001"),
        "head_commit": {
            "id": sha, "tree_id": sha, "message": "Make it better", "timestamp": iso(run.created_at),
            "author": person, "committer": person,
        },
        "repository": minimal,
        "head_repository": head,
        "head_repository_id": head.as_ref().map(|head| head["id"].clone()),
    })
}

/// The repository of a stranger who forked the run's.
fn fork(model: &Model, run: &Run) -> Option<Value> {
    let mut home = model.accounts().repository(run.repository)?.clone();
    home.id.0 += 1_000_000;
    let mut head = repository::minimal(&model.urls, &home, model.accounts().account(MONA)?);
    head["fork"] = json!(true);
    Some(head)
}
