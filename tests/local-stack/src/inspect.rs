//! The running local stack, seen from outside: GitHub's and Fargate's own tables, and the ledger as
//! it lies in the table.

mod ledger;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::stack::Stack;

pub use ledger::{LedgerView, Snapshot};

/// A job as GitHub knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct GithubJob {
    /// Its id.
    pub id: i64,
    /// `owner/name`.
    pub repository: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// GitHub's word for where it is.
    pub status: String,
    /// GitHub's word for how it ended.
    pub conclusion: Option<String>,
    /// Who worked on it.
    pub runner_name: Option<String>,
    /// When it was queued, RFC 3339.
    pub queued_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it was over.
    pub completed_at: Option<String>,
    /// How many of its steps really ran.
    pub steps_run: usize,
}

/// A registered runner as GitHub knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct GithubRunner {
    /// Its name.
    pub name: String,
}

/// The forged delivery: what it spoke of, and how it was answered.
#[derive(Clone, Debug)]
pub struct Forged {
    /// The job that does not exist.
    pub job: i64,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// The stack, seen from outside.
pub struct Watch {
    client: Client,
    github: String,
    fargate: String,
    /// The table.
    pub ledger: LedgerView,
}

impl Watch {
    /// Looks at this stack.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(stack: &Stack) -> Result<Self> {
        Ok(Self {
            client: Client::builder()
                .no_proxy()
                .build()
                .context("make an HTTP client")?,
            github: stack.github_url.clone(),
            fargate: stack.fargate_url.clone(),
            ledger: LedgerView::new(stack),
        })
    }

    async fn get<T: DeserializeOwned>(&self, base: &str, path: &str) -> Result<T> {
        let url = format!("{base}/_model/{path}");
        let answer = self
            .client
            .get(&url)
            .send()
            .await
            .with_context(|| format!("ask {url}"))?;
        ensure!(
            answer.status().is_success(),
            "{url} answered {}",
            answer.status()
        );
        answer
            .json()
            .await
            .with_context(|| format!("understand {url}"))
    }

    /// Tells the GitHub model something.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response> {
        let url = format!("{}/_model/{path}", self.github);
        self.client
            .post(&url)
            .json(body)
            .send()
            .await
            .with_context(|| format!("ask {url}"))
    }

    /// Queues jobs; their ids.
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn queue(&self, wish: &Value, count: u32) -> Result<Vec<i64>> {
        #[derive(Deserialize)]
        struct Queued {
            id: i64,
        }
        let mut wish = wish.clone();
        wish["count"] = json!(count);
        let answer = self.post("jobs", &wish).await?;
        ensure!(
            answer.status().is_success(),
            "the GitHub model refused {wish}: {}",
            answer.text().await?
        );
        Ok(answer
            .json::<Vec<Queued>>()
            .await?
            .into_iter()
            .map(|job| job.id)
            .collect())
    }

    /// Approves a job that waits at its gate; `false` if it does not wait there (yet).
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn approve(&self, job: i64) -> Result<bool> {
        Ok(self
            .post(&format!("jobs/{job}/approve"), &json!({}))
            .await?
            .status()
            .is_success())
    }

    /// All jobs.
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn jobs(&self) -> Result<Vec<GithubJob>> {
        self.get(&self.github, "jobs").await
    }

    /// All runners that are registered now.
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn registered(&self) -> Result<Vec<GithubRunner>> {
        self.get(&self.github, "runners").await
    }

    /// The tasks so far, as `(id, last status)`.
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn tasks(&self) -> Result<Vec<(String, String)>> {
        let tasks: Vec<Value> = self.get(&self.fargate, "tasks").await?;
        let text = |task: &Value, name: &str| task[name].as_str().unwrap_or_default().to_owned();
        Ok(tasks
            .iter()
            .map(|task| (text(task, "taskArn"), text(task, "lastStatus")))
            .collect())
    }

    /// Has a delivery sent whose signature is wrong, for a job that does not exist, and waits for
    /// the answer to it.
    ///
    /// # Errors
    /// If the stack does not answer, or not as it should.
    pub async fn forge(&self) -> Result<Forged> {
        let job = 666_000_000_001_i64;
        let payload = json!({
            "action": "queued", "installation": { "id": 1 },
            "repository": { "id": 1, "full_name": "acme/app", "private": true, "owner": { "id": 1, "login": "acme" } },
            "workflow_job": {
                "id": job, "run_id": 1, "run_attempt": 1, "name": "forged", "status": "queued", "conclusion": null,
                "labels": ["self-hosted", "linux", "x64", "mayfly"], "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
            },
        });
        let made: Value = self
            .post(
                "deliveries",
                &json!({ "event": "workflow_job", "payload": payload, "signing": "wrong" }),
            )
            .await?
            .json()
            .await?;
        for _ in 0..200 {
            let deliveries: Vec<Value> = self.get(&self.github, "deliveries").await?;
            let sent = deliveries
                .iter()
                .find(|delivery| delivery["id"] == made["id"]);
            if let Some(status) = sent
                .and_then(|sent| sent["status_code"].as_u64())
                .and_then(|code| u16::try_from(code).ok())
            {
                return Ok(Forged { job, status });
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("the forged delivery {made} was not answered within 20 s")
    }
}
