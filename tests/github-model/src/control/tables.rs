//! What a test may look at.

use crate::deliveries::{Delivery, Stage};
use crate::id::{JobId, RunId};
use crate::jobs::{Conclusion, Job, Status};
use crate::model::Model;
use crate::runners::{Presence, Runner, Scope};
use crate::wire::{Answer, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Model {
    pub(super) fn show(
        &self,
        table: &str,
        rest: &[&str],
        request: &Request,
    ) -> Result<Answer, String> {
        let body = match (table, rest) {
            ("app", []) => self.app_table(),
            ("jobs", []) => {
                let run = request
                    .query
                    .get("run_id")
                    .and_then(|id| id.parse().ok())
                    .map(RunId);
                let jobs = self
                    .jobs()
                    .filter(|job| run.is_none_or(|run| job.run == run));
                Value::Array(jobs.map(|job| self.job_line(job)).collect())
            }
            ("jobs", [id]) => {
                let id = JobId(
                    id.parse()
                        .map_err(|_| "a job's id is a number".to_owned())?,
                );
                match self.job(id) {
                    Some(job) => self.job_line(job),
                    None => return Ok(Answer::not_found()),
                }
            }
            ("runners", []) => {
                let all = request.query.contains_key("all");
                let runners = self
                    .runners()
                    .filter(|runner| all || runner.removed.is_none());
                Value::Array(runners.map(|runner| self.runner_line(runner)).collect())
            }
            ("deliveries", []) => Value::Array(self.deliveries().map(delivery_line).collect()),
            ("faults", []) => json!(self.faults),
            ("settings", []) => json!(self.settings),
            ("calls", []) => json!(self.calls()),
            ("exchanges", []) => json!(self.exchanges.all().collect::<Vec<_>>()),
            ("summary", []) => self.summary(),
            _ => return Ok(Answer::not_found()),
        };
        Ok(Answer::json(200, body))
    }

    fn app_table(&self) -> Value {
        let installations = self.accounts.installations().map(|one| {
            let account = self.accounts.account(one.account);
            json!({
                "id": one.id,
                "account": account.map(|account| account.login.clone()),
                "account_id": one.account,
            })
        });
        json!({
            "app_id": self.app.id,
            "client_id": self.app.client_id,
            "slug": self.app.slug,
            "private_key": self.app.private_pem,
            "webhook_secret": self.hook.secret,
            "webhook_url": self.hook.url,
            "api_url": self.urls.api,
            "installations": installations.collect::<Vec<_>>(),
        })
    }

    fn job_line(&self, job: &Job) -> Value {
        let executor = job.executor.as_ref();
        json!({
            "id": job.id,
            "run_id": job.run,
            "run_attempt": job.attempt,
            "repository": self.accounts.full_name(job.repository),
            "repository_id": job.repository,
            "labels": job.wish.labels,
            "status": job.status,
            "conclusion": job.conclusion,
            "runner_id": executor.map(|one| one.id),
            "runner_name": executor.map(|one| one.name.clone()),
            "created_at": exact(job.created_at),
            "queued_at": exact(job.queued_at),
            "assigned_at": job.assigned_at.map(exact),
            "started_at": job.started_at.map(exact),
            "completed_at": job.completed_at.map(exact),
            "steps_run": job.steps.len(),
            "annotation": job.annotation,
        })
    }

    fn runner_line(&self, runner: &Runner) -> Value {
        let scope = match runner.scope {
            Scope::Repository(id) => self.accounts.full_name(id),
            Scope::Organization(id) => self
                .accounts
                .account(id)
                .map(|one| one.login.clone())
                .unwrap_or_default(),
        };
        json!({
            "id": runner.id,
            "name": runner.name,
            "scope": scope,
            "group": runner.group,
            "labels": runner.labels,
            "status": match runner.presence {
                Presence::Online { .. } => "online",
                Presence::Never | Presence::Offline { .. } => "offline",
            },
            "connected": runner.session.is_some(),
            "busy": runner.removed.is_none() && runner.job.is_some(),
            "job_id": runner.job,
            "created_at": exact(runner.created_at),
            "removed_at": runner.removed.map(|(at, _)| exact(at)),
            "removal": runner.removed.map(|(_, why)| why.name()),
        })
    }

    fn summary(&self) -> Value {
        let count = |wanted: &dyn Fn(&Job) -> bool| self.jobs().filter(|job| wanted(job)).count();
        json!({
            "jobs": self.jobs().count(),
            "waiting": count(&|job| job.status == Status::Queued),
            "gated": count(&|job| matches!(job.status, Status::Waiting | Status::Pending)),
            "running": count(&|job| job.status == Status::InProgress),
            "completed": count(&|job| job.status == Status::Completed),
            "succeeded": count(&|job| job.conclusion == Some(Conclusion::Success)),
            "failed": count(&|job| job.conclusion == Some(Conclusion::Failure)),
            "cancelled": count(&|job| job.conclusion == Some(Conclusion::Cancelled)),
            "runners": self.runners().filter(|runner| runner.removed.is_none()).count(),
            "runners_ever": self.runners().count(),
            "deliveries_settled": self.deliveries.is_settled(),
        })
    }
}

fn delivery_line(delivery: &Delivery) -> Value {
    let (stage, outcome) = match &delivery.stage {
        Stage::Due(_) => ("due", None),
        Stage::Sent => ("sent", None),
        Stage::Over(outcome) => ("over", Some(outcome)),
    };
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "event": delivery.event,
        "action": delivery.action,
        "redelivery": delivery.redelivery,
        "forged": delivery.forged,
        "stage": stage,
        "status": outcome.map(|outcome| outcome.status.clone()),
        "status_code": outcome.map(|outcome| outcome.code),
        "response": outcome.map(|outcome| outcome.body.clone()),
        "job_id": serde_json::from_str::<Value>(&delivery.payload)
            .ok()
            .and_then(|payload| payload.pointer("/workflow_job/id").cloned()),
    })
}

/// A time to the millisecond: a test measures with it.
fn exact(time: Timestamp) -> String {
    format!("{time:.3}")
}
