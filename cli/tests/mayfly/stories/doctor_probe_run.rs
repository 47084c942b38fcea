//! `mayfly doctor`: probes are started, watched and stopped, whatever ECS does.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_cli::commands::doctor::finding::Level;
use mayfly_cli::commands::doctor::probe::result::{ProbeResult, Probed};
use mayfly_cli::commands::doctor::probe::run::Prober;
use mayfly_cli::commands::doctor::probe::start::not_started;
use mayfly_cli::commands::logs::{Line, LogStreams, Page};
use mayfly_cli::failure::Failure;
use mayfly_cli::terminal::time_format::Rfc3339;
use mayfly_domain::model::id::{RunnerAddress, RunnerId, TaskArn};
use mayfly_domain::model::story::TaskEnd;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::probe::{Probe, Prober as Starts};
use mayfly_ecs::{
    DescribeTasks, Described, EcsError, FailedCall, LaunchAnswer, LaunchFailure, StopTask,
    TaskDefinitionSpec, TaskDefinitions, Verdict,
};
use tokio::time::{Instant, sleep};

use crate::stories::doctor_probe_report::{kind, site};

/// An ECS that does what a test wants, and remembers what it was asked.
#[derive(Default)]
struct Ecs {
    /// It lets the caller register no task definition, in these words.
    refuses: Option<&'static str>,
    /// What it answers to the first sends; then it starts the task.
    answers: Mutex<Vec<LaunchAnswer>>,
    /// Client tokens of all sends.
    tokens: Mutex<Vec<String>>,
    /// Since when the task is there.
    began: Mutex<Option<Instant>>,
    /// After so long the probe has said all; none: never.
    says_all: Option<Duration>,
    /// After so long its task has stopped by itself.
    stops: Option<Duration>,
    /// Nothing can be stopped.
    unstoppable: bool,
    /// It answers a send that starts the task only after so long.
    answers_after: Duration,
    /// Tasks that someone stopped.
    stopped: Mutex<Vec<TaskArn>>,
}

fn arn() -> TaskArn {
    TaskArn("arn:aws:ecs:us-east-1:123456789012:task/mayfly/0123456789abcdef".to_owned())
}

fn id() -> RunnerId {
    RunnerId::from_ulid(7)
}

impl Ecs {
    fn lives(&self) -> Option<Duration> {
        self.began.lock().unwrap().map(|began| began.elapsed())
    }

    fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap().clone()
    }

    fn stopped(&self) -> Vec<TaskArn> {
        self.stopped.lock().unwrap().clone()
    }
}

#[async_trait]
impl TaskDefinitions for Ecs {
    async fn ensure(&self, _definition: &TaskDefinitionSpec) -> Result<String, EcsError> {
        match self.refuses {
            Some(words) => Err(EcsError::Refused(FailedCall {
                operation: "RegisterTaskDefinition",
                code: Some("AccessDeniedException".to_owned()),
                message: words.to_owned(),
                status: Some(400),
                request_id: None,
                verdict: Verdict::Refused,
                source: words.into(),
            })),
            None => {
                Ok("arn:aws:ecs:us-east-1:123456789012:task-definition/mayfly-x64-1:1".to_owned())
            }
        }
    }
}

#[async_trait]
impl Starts for Ecs {
    async fn probe(&self, probe: &Probe) -> LaunchAnswer {
        self.tokens.lock().unwrap().push(probe.client_token());
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            (!answers.is_empty()).then(|| answers.remove(0))
        };
        if let Some(answer) = answer {
            return answer;
        }
        self.began.lock().unwrap().get_or_insert_with(Instant::now);
        sleep(self.answers_after).await;
        LaunchAnswer::Started(arn())
    }
}

#[async_trait]
impl DescribeTasks for Ecs {
    async fn describe(&self, tasks: &[TaskArn]) -> Result<Vec<Described>, EcsError> {
        assert_eq!(tasks, [arn()]);
        let lives = self.lives().unwrap();
        // Its reads lag.
        if lives < Duration::from_secs(3) {
            return Ok(vec![Described::Missing(arn())]);
        }
        let over = self.stops.is_some_and(|stops| lives >= stops);
        let status = match lives.as_secs() {
            _ if over => TaskStatus::Stopped,
            0..20 => TaskStatus::Starting,
            _ => TaskStatus::Running,
        };
        Ok(vec![Described::Task(Box::new(Task {
            end: TaskEnd {
                exit_code: over.then_some(0),
                ..TaskEnd::default()
            },
            ..crate::stories::doctor_probe_report::task(status)
        }))])
    }

    async fn list_by_started_by(&self, runner: &RunnerAddress) -> Result<Vec<TaskArn>, EcsError> {
        assert_eq!(runner.to_string(), format!("mayfly-doctor/{}", id()));
        Ok(self.lives().map(|_| arn()).into_iter().collect())
    }

    async fn list_all(&self) -> Result<Vec<TaskArn>, EcsError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl StopTask for Ecs {
    async fn stop(&self, task: &TaskArn, _reason: &str) -> Result<(), EcsError> {
        if self.unstoppable {
            return Err(EcsError::Unexpected {
                operation: "StopTask",
                what: "nonsense".to_owned(),
            });
        }
        self.stopped.lock().unwrap().push(task.clone());
        Ok(())
    }
}

#[async_trait]
impl LogStreams for Ecs {
    async fn page(&self, stream: &str, after: Option<&str>) -> Result<Option<Page>, Failure> {
        assert_eq!(stream, "runner/runner/0123456789abcdef");
        if self
            .lives()
            .is_none_or(|lives| lives < Duration::from_secs(20))
            || after.is_some()
        {
            return Ok(None);
        }
        let all = self
            .says_all
            .is_some_and(|when| self.lives().unwrap() >= when);
        let words = if all {
            ["image curl 8.5.0", "end 0"].as_slice()
        } else {
            &["image curl 8.5.0"]
        };
        let line = |words: &&str| Line {
            at: Rfc3339(Timestamp::from_millis(0)),
            message: format!("mayfly-probe/{} {words}", id()),
        };
        Ok(Some(Page {
            lines: words.iter().map(line).collect(),
            next: None,
        }))
    }
}

const LIMIT: Duration = Duration::from_secs(300);

async fn probe(ecs: &Ecs, interrupted: impl Future<Output = ()>) -> Result<Vec<Probed>, Failure> {
    let (site, reach) = (
        site(true),
        [("api".to_owned(), "https://api.github.com/zen".to_owned())],
    );
    let prober = Prober {
        ecs,
        logs: ecs,
        site: &site,
        reach: &reach,
        limit: LIMIT,
        new_id: &|| Ok(id()),
    };
    prober.probe_all(&[kind("linux")], interrupted).await
}

async fn one(ecs: &Ecs) -> Probed {
    let mut all = probe(ecs, pending()).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn unsure(reason: &str) -> LaunchAnswer {
    LaunchAnswer::Unsure {
        reason: reason.to_owned(),
        retry_after: None,
        may_have_started: true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_has_said_all_is_stopped_and_nothing_is_left() {
    let ecs = Ecs {
        says_all: Some(Duration::from_secs(25)),
        ..Ecs::default()
    };
    let began = Instant::now();
    let probed = one(&ecs).await;
    assert!(
        matches!(&probed.came, ProbeResult::Ended { report, .. } if report.complete),
        "{probed:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "as soon as it has"
    );
    assert_eq!((ecs.stopped(), probed.left), (vec![arn()], None));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ended_is_not_stopped_and_its_last_lines_are_waited_for() {
    let ecs = Ecs {
        stops: Some(Duration::from_secs(30)),
        says_all: Some(Duration::from_secs(36)),
        ..Ecs::default()
    };
    let probed = one(&ecs).await;
    assert!(
        matches!(&probed.came, ProbeResult::Ended { report, .. } if report.complete),
        "{probed:?}"
    );
    assert_eq!((ecs.stopped(), probed.left), (Vec::new(), None));
    let ecs = Ecs {
        stops: Some(Duration::from_secs(30)),
        ..Ecs::default()
    };
    let probed = one(&ecs).await;
    assert!(
        matches!(&probed.came, ProbeResult::Ended { report, .. } if !report.complete),
        "but not for ever: {probed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn where_ecs_does_not_answer_the_same_request_is_sent_again() {
    let answers = Mutex::new(vec![unsure("no answer"), unsure("no answer")]);
    let ecs = Ecs {
        answers,
        says_all: Some(Duration::from_secs(25)),
        ..Ecs::default()
    };
    assert!(matches!(one(&ecs).await.came, ProbeResult::Ended { .. }));
    assert_eq!(ecs.tokens().len(), 3);
    assert!(
        ecs.tokens().iter().all(|token| token == &ecs.tokens()[0]),
        "under the same token: {:?}",
        ecs.tokens()
    );
}

#[tokio::test(start_paused = true)]
async fn where_ecs_never_answers_it_is_given_up_and_said() {
    let ecs = Ecs {
        answers: Mutex::new(
            (0..9)
                .map(|number| unsure(&format!("no answer {number}")))
                .collect(),
        ),
        ..Ecs::default()
    };
    let ProbeResult::NotStarted { kind: None, reason } = one(&ecs).await.came else {
        panic!("it was started")
    };
    assert!(
        reason.starts_with("no answer 3; its task, if there is one, ends"),
        "{reason}"
    );
    assert_eq!(ecs.tokens().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_started_without_an_answer_is_found() {
    let answers = Mutex::new((0..4).map(|_| unsure("no answer")).collect());
    let ecs = Ecs {
        answers,
        says_all: Some(Duration::from_secs(25)),
        ..Ecs::default()
    };
    *ecs.began.lock().unwrap() = Some(Instant::now());
    assert!(matches!(one(&ecs).await.came, ProbeResult::Ended { .. }));
    assert_eq!((ecs.tokens().len(), ecs.stopped()), (4, vec![arn()]));
}

#[tokio::test(start_paused = true)]
async fn who_may_start_nothing_learns_which_policy_lets_him() {
    let reason = "AccessDeniedException: User alice is not authorized to perform: ecs:RunTask";
    let denied = LaunchAnswer::Failed {
        kind: LaunchFailure::Denied,
        reason: reason.to_owned(),
        no_place: false,
    };
    let at_run = Ecs {
        answers: Mutex::new(vec![denied]),
        ..Ecs::default()
    };
    let at_registration = Ecs {
        refuses: Some(reason),
        ..Ecs::default()
    };
    for ecs in [at_run, at_registration] {
        let ProbeResult::NotStarted {
            kind: failure,
            reason,
        } = one(&ecs).await.came
        else {
            panic!("it was started")
        };
        let finding = not_started(&kind("linux"), failure, &reason);
        assert_eq!(
            finding.level,
            Level::Unknown,
            "it says nothing of the deployment: {finding:?}"
        );
        assert!(
            finding
                .fix
                .as_deref()
                .is_some_and(|fix| fix.contains("DoctorPolicyArn")),
            "{finding:?}"
        );
    }
    let invalid = LaunchAnswer::Failed {
        kind: LaunchFailure::Configuration,
        reason: "InvalidParameterException: no such subnet".to_owned(),
        no_place: false,
    };
    let ecs = Ecs {
        answers: Mutex::new(vec![invalid]),
        ..Ecs::default()
    };
    assert!(
        matches!(
            one(&ecs).await.came,
            ProbeResult::NotStarted {
                kind: Some(LaunchFailure::Configuration),
                ..
            }
        ),
        "what ECS itself refuses does"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_leaves_no_task() {
    let ecs = Ecs::default();
    let interrupted = probe(&ecs, sleep(Duration::from_secs(10)))
        .await
        .unwrap_err();
    assert_eq!(
        (interrupted.problem.as_str(), interrupted.hint.as_str()),
        ("interrupted", "")
    );
    assert_eq!(ecs.stopped(), [arn()]);
    let ecs = Ecs {
        unstoppable: true,
        ..Ecs::default()
    };
    let interrupted = probe(&ecs, sleep(Duration::from_secs(10)))
        .await
        .unwrap_err();
    assert!(
        interrupted.hint.contains("sweeper stops it"),
        "{interrupted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_while_ecs_thinks_leaves_no_task_that_it_shows() {
    let ecs = Ecs {
        answers_after: Duration::from_secs(60),
        ..Ecs::default()
    };
    let interrupted = probe(&ecs, sleep(Duration::from_secs(10)))
        .await
        .unwrap_err();
    assert_eq!(ecs.stopped(), [arn()]);
    assert!(
        interrupted.hint.contains("sweeper stops it"),
        "ECS may do later what it was asked: {interrupted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_says_all_is_late_and_stopped() {
    let ecs = Ecs::default();
    let began = Instant::now();
    let probed = one(&ecs).await;
    assert!(
        matches!(&probed.came, ProbeResult::Late { task: Some(task) } if task.status == TaskStatus::Running),
        "{probed:?}"
    );
    assert!(
        (LIMIT..LIMIT + Duration::from_secs(5)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((ecs.stopped(), probed.left), (vec![arn()], None));
    let ecs = Ecs {
        unstoppable: true,
        ..Ecs::default()
    };
    assert_eq!(one(&ecs).await.left, Some(arn()));
}
