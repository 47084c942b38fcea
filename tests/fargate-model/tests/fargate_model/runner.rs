//! `infra/local/run.sh` against the GitHub model.

use jiff::Timestamp;
use mayfly_github_model::id::{JobId, RunnerId};
use mayfly_github_model::jobs::{Conclusion, Job, NewJob, Status};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::model::JitConfigRequest;
use mayfly_github_model::runners::Scope;
use mayfly_github_model::server::Server;
use mayfly_test_support::repository::repository;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command as Process};

struct Fixture {
    github: Server,
    registration: String,
    home: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let key = KeyPair::without_private_half().unwrap();
        let github = Server::start_with(([127, 0, 0, 1], 0).into(), 1, false, &key)
            .await
            .unwrap();
        let wanted = JitConfigRequest {
            name: "mayfly-linux-1-1".to_owned(),
            runner_group_id: 1,
            labels: vec!["mayfly".to_owned()],
            work_folder: "_work".to_owned(),
        };
        let registration = github.with(|model| {
            let repository = model.accounts_mut().mention("acme/app", Timestamp::now());
            let id: RunnerId = model
                .generate_jit_config(Scope::Repository(repository), &wanted, Timestamp::now())
                .unwrap();
            model.runner(id).unwrap().registration.clone()
        });
        Self {
            github,
            registration,
            home: TempDir::new().unwrap(),
        }
    }

    fn queue(&self, seconds: f64) -> JobId {
        let job = NewJob {
            labels: vec!["mayfly".to_owned()],
            seconds,
            steps: 3,
            always_steps: 1,
            ..NewJob::default()
        };
        self.github
            .with(|model| model.queue(&job, Timestamp::now()))[0]
    }

    fn job(&self, id: JobId) -> Job {
        self.github.with(|model| model.job(id).unwrap().clone())
    }

    /// Starts the runner; its hook is this script.
    fn start(&self, hook: &str) -> Child {
        let path = self.home.path().join("hook.sh");
        fs::write(&path, hook).unwrap();
        Process::new(repository().unwrap().join("infra/local/run.sh"))
            .env("ACTIONS_RUNNER_INPUT_JITCONFIG", &self.registration)
            .env("ACTIONS_RUNNER_HOOK_JOB_STARTED", &path)
            .env("JOB_LEVEL", "must not reach the hook")
            .env("TMPDIR", self.home.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    async fn until(&self, id: JobId, status: Status) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.job(id).status != status {
            assert!(Instant::now() < deadline, "{:?}", self.job(id));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn hook_sees_the_runners_context_alone_and_every_step_runs() {
    let fixture = Fixture::new().await;
    let id = fixture.queue(0.1);
    let seen = fixture.home.path().join("seen");
    let ended = fixture
        .start(&format!("env > {}", seen.display()))
        .wait()
        .await
        .unwrap();
    let job = fixture.job(id);
    assert_eq!(
        (job.conclusion, job.steps.len(), ended.code()),
        (Some(Conclusion::Success), 3, Some(0))
    );
    let seen = fs::read_to_string(seen).unwrap();
    let names: Vec<_> = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    for needed in [
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_REPOSITORY_ID",
        "GITHUB_WORKFLOW_REF",
        "GITHUB_EVENT_PATH",
        "RUNNER_NAME",
    ] {
        assert!(names.contains(&needed), "{needed} in {names:?}");
    }
    let shells_own = ["PATH", "PWD", "SHLVL", "_"];
    let foreign = |name: &&&str| {
        !name.starts_with("GITHUB_") && **name != "RUNNER_NAME" && !shells_own.contains(*name)
    };
    assert_eq!(names.iter().filter(foreign).count(), 0, "{names:?}");
}

#[tokio::test]
async fn failed_hook_fails_the_job_and_leaves_the_always_steps() {
    let fixture = Fixture::new().await;
    let id = fixture.queue(0.1);
    let ended = fixture.start("exit 1").wait().await.unwrap();
    let job = fixture.job(id);
    assert_eq!(
        (job.conclusion, job.steps.len(), ended.code()),
        (Some(Conclusion::Failure), 1, Some(0))
    );
}

#[tokio::test]
async fn sigterm_cancels_the_running_job() {
    let fixture = Fixture::new().await;
    let id = fixture.queue(300.0);
    let mut runner = fixture.start("exit 0");
    fixture.until(id, Status::InProgress).await;
    let received = Command::new("kill")
        .arg(runner.id().unwrap().to_string())
        .status()
        .unwrap();
    let ended = runner.wait().await.unwrap();
    assert!(received.success());
    assert_eq!(
        (fixture.job(id).conclusion, ended.code()),
        (Some(Conclusion::Cancelled), Some(0))
    );
}

#[tokio::test]
async fn job_cancelled_at_github_stops_at_the_next_sign_of_life() {
    let fixture = Fixture::new().await;
    let id = fixture.queue(300.0);
    let mut runner = fixture.start("exit 0");
    fixture.until(id, Status::InProgress).await;
    fixture
        .github
        .with(|model| model.cancel(id, Timestamp::now()));
    let ended = runner.wait().await.unwrap();
    assert_eq!(
        (fixture.job(id).conclusion, ended.code()),
        (Some(Conclusion::Cancelled), Some(0))
    );
}

#[tokio::test]
async fn idle_runner_says_goodbye_when_told_to_stop_and_its_registration_is_spent() {
    let fixture = Fixture::new().await;
    let mut runner = fixture.start("exit 0");
    let online = || {
        fixture.github.with(|model| {
            model
                .runners()
                .any(mayfly_github_model::runners::Runner::is_idle)
        })
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !online() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Command::new("kill")
        .arg(runner.id().unwrap().to_string())
        .status()
        .unwrap();
    assert_eq!(runner.wait().await.unwrap().code(), Some(0));
    assert!(!online());
    let id = fixture.queue(0.1);
    assert_eq!(
        fixture.start("exit 0").wait().await.unwrap().code(),
        Some(0),
        "a second start with the same registration"
    );
    assert_eq!(fixture.job(id).status, Status::Queued);
}
