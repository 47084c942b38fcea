//! What the story sees of the stack.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mayfly_local_stack::stack::{FunctionProcess, LogMark, Places, function_processes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ecs_tasks::{Task, tasks_since};
use crate::settled::Stage;

/// Between two looks at something that is awaited.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// The stack, and when the story began on it.
pub(super) struct Fixture<'a> {
    pub(super) stage: &'a Stage,
    pub(super) places: Places,
    pub(super) log: LogMark,
    pub(super) begun: Instant,
    /// The same by the clock that the models write down.
    pub(super) since: Timestamp,
}

/// A job as GitHub knows it.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) runner_name: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) steps_run: usize,
    /// Why GitHub itself ended it.
    pub(super) annotation: Option<String>,
}

/// A registration as GitHub knows it, in force or not.
#[derive(Debug, Deserialize)]
pub(super) struct Registration {
    pub(super) name: String,
    /// A runner has used it.
    pub(super) connected: bool,
    pub(super) removed_at: Option<String>,
}

/// One attempt to deliver something.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) guid: String,
    pub(super) action: Option<String>,
    pub(super) stage: String,
    pub(super) status_code: Option<u16>,
    pub(super) job_id: Option<i64>,
}

impl<'a> Fixture<'a> {
    /// From now on.
    pub(super) fn set(stage: &'a Stage) -> Self {
        let places = Places::of_repository().unwrap();
        let log = LogMark::now(&places).unwrap();
        Self {
            stage,
            places,
            log,
            begun: Instant::now(),
            since: Timestamp::now(),
        }
    }

    pub(super) async fn jobs(&self) -> Vec<Job> {
        self.github("jobs").await
    }

    pub(super) async fn registrations(&self) -> Vec<Registration> {
        self.github("runners?all=1").await
    }

    pub(super) async fn deliveries(&self) -> Vec<Delivery> {
        self.github("deliveries").await
    }

    /// The tasks of this story.
    pub(super) async fn tasks(&self) -> Vec<Task> {
        tasks_since(self.stage, self.since).await
    }

    pub(super) async fn github<T: DeserializeOwned>(&self, table: &str) -> T {
        self.get(&self.stage.stack.github_url, table).await
    }

    pub(super) async fn fargate<T: DeserializeOwned>(&self, table: &str) -> T {
        self.get(&self.stage.stack.fargate_url, table).await
    }

    async fn get<T: DeserializeOwned>(&self, base: &str, table: &str) -> T {
        self.stage
            .client
            .get(format!("{base}/_model/{table}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Tells the Fargate stand-in something. `false`: it would not.
    pub(super) async fn tell_fargate(&self, what: &str, body: &Value) -> bool {
        let url = format!("{}/_model/{what}", self.stage.stack.fargate_url);
        self.stage
            .client
            .post(url)
            .json(body)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    }

    /// Tells the GitHub model something, which it must understand.
    pub(super) async fn tell_github(&self, what: &str, body: &Value) -> Value {
        let answer = self.stage.watch.post(what, body).await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{what}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The processes of one function, or of all.
    pub(super) fn processes(&self, function: Option<&str>) -> Vec<FunctionProcess> {
        let all = function_processes(&self.places, &self.stage.stack).unwrap();
        all.into_iter()
            .filter(|process| function.is_none_or(|wanted| process.function == wanted))
            .collect()
    }

    /// Kills every process of every function: the next invocation of each begins cold. How many
    /// there were.
    pub(super) fn kill_all_functions(&self) -> usize {
        self.processes(None)
            .iter()
            .filter(|process| process.kill())
            .count()
    }

    /// Until when someone holds sweeper's lease.
    pub(super) async fn lease(&self) -> Option<Timestamp> {
        let key = json!({ "pk": { "S": "sweeper" }, "sk": { "S": "lease" } });
        let body =
            json!({ "TableName": self.stage.stack.table, "Key": key, "ConsistentRead": true });
        let answer = self
            .stage
            .aws("dynamodb", "DynamoDB_20120810.GetItem", &body)
            .await;
        let until = answer.pointer("/Item/until/N")?.as_str()?.parse().ok()?;
        Timestamp::from_millisecond(until).ok()
    }
}
