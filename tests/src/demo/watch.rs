//! How the demo sees the stack: GitHub's and Fargate's own tables, and the ledger.

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ledger::LedgerView;
use crate::stack::Stack;

/// A job as GitHub knows it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct GithubJob {
    pub(super) id: i64,
    pub(super) repository: String,
    pub(super) labels: Vec<String>,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) runner_name: Option<String>,
    pub(super) queued_at: String,
    pub(super) started_at: Option<String>,
    pub(super) completed_at: Option<String>,
}

/// A registered runner as GitHub knows it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct GithubRunner {
    pub(super) name: String,
}

/// The forged delivery: what it spoke of, and how it was answered.
#[derive(Clone, Debug)]
pub(super) struct Forged {
    pub(super) job: i64,
    pub(super) status: u16,
}

/// The stack, seen from outside.
pub(super) struct Watch {
    client: Client,
    github: String,
    fargate: String,
    pub(super) ledger: LedgerView,
}

impl Watch {
    pub(super) fn new(stack: &Stack) -> Result<Self> {
        Ok(Self {
            client: Client::builder().no_proxy().build().context("make an HTTP client")?,
            github: stack.github_url.clone(),
            fargate: stack.fargate_url.clone(),
            ledger: LedgerView::new(stack),
        })
    }

    async fn get<T: DeserializeOwned>(&self, base: &str, path: &str) -> Result<T> {
        let url = format!("{base}/_model/{path}");
        let answer = self.client.get(&url).send().await.with_context(|| format!("ask {url}"))?;
        ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
        answer.json().await.with_context(|| format!("understand {url}"))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response> {
        let url = format!("{}/_model/{path}", self.github);
        self.client.post(&url).json(body).send().await.with_context(|| format!("ask {url}"))
    }

    /// Queues jobs; their ids.
    pub(super) async fn queue(&self, wish: &Value, count: u32) -> Result<Vec<i64>> {
        #[derive(Deserialize)]
        struct Queued {
            id: i64,
        }
        let mut wish = wish.clone();
        wish["count"] = json!(count);
        let answer = self.post("jobs", &wish).await?;
        ensure!(answer.status().is_success(), "the GitHub model refused {wish}: {}", answer.text().await?);
        Ok(answer.json::<Vec<Queued>>().await?.into_iter().map(|job| job.id).collect())
    }

    /// Approves a job that waits at its gate; `false` if it does not wait there (yet).
    pub(super) async fn approve(&self, job: i64) -> Result<bool> {
        Ok(self.post(&format!("jobs/{job}/approve"), &json!({})).await?.status().is_success())
    }

    /// All jobs.
    pub(super) async fn jobs(&self) -> Result<Vec<GithubJob>> {
        self.get(&self.github, "jobs").await
    }

    /// All runners that are registered now.
    pub(super) async fn registered(&self) -> Result<Vec<GithubRunner>> {
        self.get(&self.github, "runners").await
    }

    /// The tasks so far, as `(id, last status)`.
    pub(super) async fn tasks(&self) -> Result<Vec<(String, String)>> {
        let tasks: Vec<Value> = self.get(&self.fargate, "tasks").await?;
        let text = |task: &Value, name: &str| task[name].as_str().unwrap_or_default().to_owned();
        Ok(tasks.iter().map(|task| (text(task, "taskArn"), text(task, "lastStatus"))).collect())
    }

    /// Has a delivery sent whose signature is wrong, for a job that does not exist, and waits for the answer to it.
    pub(super) async fn forge(&self) -> Result<Forged> {
        let job = 666_000_000_001_i64;
        let payload = json!({
            "action": "queued", "installation": { "id": 1 },
            "repository": { "id": 1, "full_name": "acme/app", "private": true, "owner": { "id": 1, "login": "acme" } },
            "workflow_job": {
                "id": job, "run_id": 1, "run_attempt": 1, "name": "forged", "status": "queued", "conclusion": null,
                "labels": ["self-hosted", "linux", "x64", "mayfly"], "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
            },
        });
        let made: Value =
            self.post("deliveries", &json!({ "event": "workflow_job", "payload": payload, "signing": "wrong" })).await?.json().await?;
        for _ in 0..200 {
            let deliveries: Vec<Value> = self.get(&self.github, "deliveries").await?;
            let sent = deliveries.iter().find(|delivery| delivery["id"] == made["id"]);
            if let Some(status) = sent.and_then(|sent| sent["status_code"].as_u64()).and_then(|code| u16::try_from(code).ok()) {
                return Ok(Forged { job, status });
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("the forged delivery {made} was not answered within 20 s")
    }
}
