//! Jobs, in payloads and answers.

use super::{iso, node};
use crate::jobs::{Action, Job, Status};
use crate::model::Model;
use serde_json::{Value, json};

/// "Job" of the REST API.
#[must_use]
pub fn rest(model: &Model, job: &Job) -> Value {
    fields(model, job, job.status)
}

/// `workflow_job` in a delivery of this action.
#[must_use]
pub fn webhook(model: &Model, job: &Job, action: Action) -> Value {
    // The schema knows no `pending`, but a job that waits for its concurrency group says so all the
    // same; nothing is hidden here, receivers have to cope.
    let status = match action {
        Action::Queued => job.status,
        Action::Waiting => Status::Waiting,
        Action::InProgress => Status::InProgress,
        Action::Completed => Status::Completed,
    };
    fields(model, job, status)
}

fn fields(model: &Model, job: &Job, status: Status) -> Value {
    let full_name = model.accounts().full_name(job.repository);
    let api = format!("{}/repos/{full_name}", model.urls.api);
    let run = model.jobs.run(job.run);
    let executor = job.executor.as_ref().filter(|_| job.started_at.is_some());
    // Jobs that ended before anyone ran them come in two kinds: nulls, and zero with an empty name
    // (a review thread of GARM, pull 253).
    let blank = status == Status::Completed && executor.is_none() && job.id.0 % 2 == 1;
    let or_blank = |value: Option<Value>, empty: Value| {
        value.unwrap_or(if blank { empty } else { Value::Null })
    };
    json!({
        "id": job.id,
        "run_id": job.run,
        "workflow_name": "CI",
        "head_branch": run.map(|run| run.branch.as_str()),
        "run_url": format!("{api}/actions/runs/{}", job.run),
        "run_attempt": job.attempt,
        "node_id": node("CR", job.id.0),
        "head_sha": run.map(|run| run.sha.as_str()),
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": format!("{}/{full_name}/actions/runs/{}/job/{}", model.urls.html, job.run, job.id),
        "status": status.word(),
        "conclusion": job.conclusion.map(super::super::jobs::Conclusion::word),
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at.unwrap_or(job.created_at)),
        "completed_at": job.completed_at.map(iso),
        "name": job.wish.name,
        "steps": steps(job),
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": job.wish.labels,
        "runner_id": or_blank(executor.map(|one| json!(one.id)), json!(0)),
        "runner_name": or_blank(executor.map(|one| json!(one.name)), json!("")),
        "runner_group_id": or_blank(executor.map(|one| json!(one.group)), json!(0)),
        "runner_group_name": or_blank(executor.map(|one| json!(one.group_name)), json!("")),
    })
}

/// The steps so far: GitHub's own first and last one around those that ran.
fn steps(job: &Job) -> Vec<Value> {
    let Some(started) = job.started_at else {
        return Vec::new();
    };
    let first = [("Set up job".to_owned(), started)];
    let last = job.completed_at.map(|at| ("Complete job".to_owned(), at));
    let own = job.steps.iter().map(|step| (step.name.clone(), step.at));
    first
        .into_iter()
        .chain(own)
        .chain(last)
        .zip(1..)
        .map(|((name, at), number)| {
            json!({
                "name": name,
                "status": "completed",
                "conclusion": "success",
                "number": number,
                "started_at": iso(at),
                "completed_at": iso(at),
            })
        })
        .collect()
}
