//! The stack for one story at a time, and what must hold when a story is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::Outcome;
use mayfly_local_stack::inspect::{GithubJob, Snapshot, Watch};
use mayfly_local_stack::stack::{Places, Stack};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// Anyone who holds it has the stack.
static STAGE: Mutex<()> = Mutex::const_new(());

/// The running stack, for one story.
pub(crate) struct Stage {
    pub(crate) stack: Stack,
    pub(crate) watch: Watch,
    pub(crate) client: Client,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// The stack, once the story before is over, with the faults of that one switched off.
    pub(crate) async fn enter() -> Self {
        let alone = STAGE.lock().await;
        let stack = Stack::read(&Places::of_repository().unwrap())
            .expect("the local stack is up: run `make test`");
        let watch = Watch::new(&stack).unwrap();
        watch.post("reset", &json!({})).await.unwrap();
        watch
            .post(
                "hook",
                &json!({ "url": stack.webhook_url, "secret": stack.webhook_secret }),
            )
            .await
            .unwrap();
        Self {
            stack,
            watch,
            client: Client::builder().no_proxy().build().unwrap(),
            _alone: alone,
        }
    }

    /// Looks again and again until `done` says so of the jobs and the ledger.
    pub(crate) async fn until(
        &self,
        what: &str,
        limit: Duration,
        done: impl Fn(&[GithubJob], &Snapshot) -> bool,
    ) -> (Vec<GithubJob>, Snapshot) {
        let begun = Instant::now();
        loop {
            let (jobs, ledger) =
                tokio::try_join!(self.watch.jobs(), self.watch.ledger.snapshot()).unwrap();
            if done(&jobs, &ledger) {
                return (jobs, ledger);
            }
            assert!(
                begun.elapsed() < limit,
                "{what} did not come within {limit:?}: jobs {:?}, waiting {}, open runners {:#?}",
                by_status(&jobs),
                ledger.waiting.len(),
                ledger.open
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until these jobs are over, and nothing is left of them anywhere: no row, no task, no
    /// registration.
    pub(crate) async fn over(&self, ids: &[i64], limit: Duration) -> (Vec<GithubJob>, Snapshot) {
        let ours = |jobs: &[GithubJob]| {
            jobs.iter()
                .filter(|job| ids.contains(&job.id))
                .all(|job| job.status == "completed")
        };
        let (jobs, ledger) = self
            .until("the end of all jobs", limit, |jobs, ledger| {
                ours(jobs) && ledger.open.is_empty() && ledger.waiting.is_empty()
            })
            .await;
        let registered = self.watch.registered().await.unwrap();
        assert!(registered.is_empty(), "left at GitHub: {registered:?}");
        let live: Vec<_> = self
            .watch
            .tasks()
            .await
            .unwrap()
            .into_iter()
            .filter(|(_, status)| status != "STOPPED")
            .collect();
        assert!(live.is_empty(), "left on Fargate: {live:?}");
        (
            jobs.into_iter()
                .filter(|job| ids.contains(&job.id))
                .collect(),
            ledger,
        )
    }

    /// The active pools file.
    pub(crate) async fn pools(&self) -> String {
        let answer = self
            .aws(
                "ssm",
                "AmazonSSM.GetParameter",
                &json!({ "Name": self.stack.pools_parameter }),
            )
            .await;
        answer["Parameter"]["Value"].as_str().unwrap().to_owned()
    }

    /// Puts a active pools file.
    pub(crate) async fn put_pools(&self, file: &str) {
        let body = json!({ "Name": self.stack.pools_parameter, "Value": file, "Type": "String", "Overwrite": true });
        self.aws("ssm", "AmazonSSM.PutParameter", &body).await;
    }

    /// A call of one of the emulator's JSON services, as the account's root.
    pub(crate) async fn aws(&self, service: &str, target: &str, body: &Value) -> Value {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
            self.stack.access_key, self.stack.region
        );
        let request = self
            .client
            .post(&self.stack.aws_endpoint)
            .header("x-amz-target", target)
            .header("authorization", scope);
        let answer = request
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{target}: {}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }
}

fn by_status(jobs: &[GithubJob]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for job in jobs {
        *counts.entry(job.status.as_str()).or_default() += 1;
    }
    counts
}

/// Every job succeeded, each on a runner of its own. Of the runners started for them, few ran
/// nothing, and those were stopped before GitHub knew them: when a job is over and its task gone
/// before GitHub's delivery says that it began, it seems to wait for a moment.
pub(crate) fn each_ran_once(jobs: &[GithubJob], ledger: &Snapshot) {
    let failed: Vec<_> = jobs
        .iter()
        .filter(|job| job.conclusion.as_deref() != Some("success"))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let names: BTreeSet<_> = jobs.iter().map(|job| job.runner_name.clone()).collect();
    assert_eq!(names.len(), jobs.len(), "two jobs on one runner");
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let theirs = |intended: Option<JobId>| intended.is_some_and(|job| ids.contains(&job.0));
    let runners = ledger
        .closed
        .iter()
        .filter(|runner| theirs(runner.intended));
    let (ran, idle): (Vec<_>, Vec<_>) =
        runners.partition(|runner| runner.outcome == Some(Outcome::Ran));
    assert_eq!(ran.len(), jobs.len(), "one runner that ran for each job");
    assert!(
        idle.iter()
            .all(|runner| runner.outcome == Some(Outcome::Surplus)
                && runner.registration_attempt == 0),
        "registered for nothing: {idle:#?}"
    );
    assert!(
        idle.len() * 50 <= jobs.len(),
        "{} of {} runners ran nothing",
        idle.len(),
        ran.len() + idle.len()
    );
}
