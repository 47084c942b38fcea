//! `/_model/*`: what tests and the demo ask of the stand-in, and `/_credentials/*` and `/_metadata/*` for
//! the tasks.

use super::delivery::Target;
use super::faults::{Fault, FaultKind};
use super::host::Host;
use super::names::TaskId;
use super::protocol;
use super::settings::Settings;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All routes of the stand-in.
pub(crate) fn routes(host: Arc<Host>) -> Router {
    Router::new()
        .route("/", post(protocol::answer))
        .route("/_credentials/{secret}", get(credentials))
        .route("/_metadata/{task}/stats", get(stats))
        .route(
            "/_model/faults",
            get(faults).post(add_faults).delete(clear_faults),
        )
        .route("/_model/tasks", get(tasks))
        .route("/_model/tasks/{task}/kill", post(kill))
        .route("/_model/tasks/{task}/interrupt", post(interrupt))
        .route("/_model/calls", get(calls))
        .route("/_model/config", get(config).post(change_config))
        .with_state(host)
}

async fn credentials(State(host): State<Arc<Host>>, Path(secret): Path<String>) -> Response {
    match host.credentials.get(&secret).await {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => refuse(StatusCode::FORBIDDEN, "no credentials here"),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
    }
}

/// The container's stats, as the task metadata endpoint, version 4, has them: Docker's, of which only
/// what is used is here. Source:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html>.
async fn stats(State(host): State<Arc<Host>>, Path(task): Path<String>) -> Response {
    let id = TaskId::of(&task);
    let fault = host.with(|model, at| model.metadata_fault(&id, at));
    let stats = |memory: u64, nanoseconds: u64| {
        Json(json!({
            "cpu_stats": { "cpu_usage": { "total_usage": nanoseconds } },
            "memory_stats": { "stats": { "total_inactive_file": 0 }, "max_usage": memory, "usage": memory },
        }))
        .into_response()
    };
    match fault.as_ref().map(|fault| fault.kind) {
        Some(FaultKind::MetadataMissing) => {
            return refuse(StatusCode::NOT_FOUND, "no stats of this container");
        }
        Some(FaultKind::MetadataLies) => {
            return stats(900_000_000_000_000_000, 900_000_000_000_000_000);
        }
        _ => {}
    }
    if let Some(fault) = fault {
        tokio::time::sleep(fault.wait(60_000)).await;
    }
    match host.processes.used(&id) {
        Some(used) => stats(used.memory_bytes, used.cpu_nanoseconds),
        None => refuse(StatusCode::NOT_FOUND, "no such task runs"),
    }
}

async fn faults(State(host): State<Arc<Host>>) -> Response {
    Json(host.with(|model, _| json!(model.faults()))).into_response()
}

/// One fault or a list of them.
async fn add_faults(State(host): State<Arc<Host>>, Json(body): Json<Value>) -> Response {
    let one_or_many = if body.is_array() { body } else { json!([body]) };
    match serde_json::from_value::<Vec<Fault>>(one_or_many) {
        Ok(faults) => {
            host.with(|model, _| faults.into_iter().for_each(|fault| model.add_fault(fault)));
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn clear_faults(State(host): State<Arc<Host>>) -> StatusCode {
    host.with(|model, _| model.clear_faults());
    StatusCode::NO_CONTENT
}

/// The tasks as they are, with process id and log file of those that run.
async fn tasks(State(host): State<Arc<Host>>) -> Response {
    let mut views = host.with(|model, _| model.task_views());
    for view in &mut views {
        let id = TaskId::of(view["taskArn"].as_str().unwrap_or_default());
        view["pid"] = json!(host.processes.session(&id));
        view["log"] = json!(host.processes.log(&id));
    }
    Json(views).into_response()
}

/// Ends a container from within, as a crash or the kernel's memory killer would: exit code 137.
async fn kill(State(host): State<Arc<Host>>, Path(task): Path<String>) -> Response {
    let id = TaskId::of(&task);
    if host.processes.session(&id).is_none() {
        return refuse(StatusCode::NOT_FOUND, "no such task runs");
    }
    host.processes.kill(&id);
    StatusCode::NO_CONTENT.into_response()
}

/// Reclaims a task as Spot does.
async fn interrupt(State(host): State<Arc<Host>>, Path(task): Path<String>) -> Response {
    let id = TaskId::of(&task);
    host.with(|model, at| {
        if model.last_status(&id).is_none() {
            return refuse(StatusCode::NOT_FOUND, "no such task");
        }
        model.interrupt(&id, at);
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn calls(State(host): State<Arc<Host>>) -> Response {
    let (calls, events, launched, most_live, live) = host.with(|model, _| {
        let calls: Map<_, _> = model
            .calls()
            .iter()
            .map(|(name, count)| (name.name().to_owned(), json!(count)))
            .collect();
        let (launched, most_live) = model.launched_and_most_live();
        (
            calls,
            model.event_counts(),
            launched,
            most_live,
            model.live().count(),
        )
    });
    let tasks = json!({ "launched": launched, "most_live": most_live, "live": live });
    Json(json!({ "calls": calls, "events": events, "deliveries": host.observer.counts, "tasks": tasks })).into_response()
}

async fn config(State(host): State<Arc<Host>>) -> Response {
    Json(current(&host)).into_response()
}

fn current(host: &Host) -> Value {
    let target = host.observer.target();
    let mut config = host.with(|model, _| json!(model.settings()));
    config["observer_function"] = json!(target.function);
    config["aws_endpoint"] = json!(target.endpoint);
    config
}

/// Members given replace those in force; the rest stays.
async fn change_config(
    State(host): State<Arc<Host>>,
    Json(changes): Json<Map<String, Value>>,
) -> Response {
    let mut config = current(&host).as_object().cloned().unwrap_or_default();
    config.extend(changes);
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let function = text(config.remove("observer_function"));
    let endpoint = text(config.remove("aws_endpoint"));
    match serde_json::from_value::<Settings>(Value::Object(config)) {
        Ok(settings) => {
            host.with(|model, _| model.set_settings(settings));
            host.credentials.set_endpoint(endpoint.clone());
            host.observer.set_target(Target { endpoint, function });
            Json(current(&host)).into_response()
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
