//! The payload of a `workflow_job` delivery: only the fields that are used.
//!
//! Source: npm `@octokit/openapi-webhooks`, `workflow_job`; quirks in the examples of
//! `@octokit/webhooks-examples`.

use mayfly_domain::model::id::{
    GithubRunnerId, InstallationId, JobId, OwnerId, RepositoryId, RunId,
};
use mayfly_domain::model::job::{AssignedRunner, JobAction, JobEvent};
use mayfly_domain::model::target;
use mayfly_domain::model::time::Timestamp;
use serde::Deserialize;

use crate::answer::Answer;

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    /// Null in deliveries that GitHub sends of its own accord, hundreds a day at some sites
    /// (runs-on/runs-on#528, ubicloud/ubicloud#1287).
    workflow_job: Option<WorkflowJob>,
    repository: Repository,
    /// Absent in deliveries of hooks that belong to no App.
    installation: Option<Installation>,
}

#[derive(Debug, Deserialize)]
struct WorkflowJob {
    id: i64,
    run_id: i64,
    /// Absent in old examples.
    #[serde(default = "first")]
    run_attempt: u32,
    name: String,
    /// Null where the workflow has no name, absent in old examples.
    workflow_name: Option<String>,
    labels: Vec<String>,
    status: Option<String>,
    conclusion: Option<String>,
    /// May be null, 0, or set although the job is only queued.
    runner_id: Option<i64>,
    /// May be null or empty.
    runner_name: Option<String>,
    created_at: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
}

const fn first() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: i64,
    full_name: String,
    private: bool,
    owner: Owner,
}

impl From<Repository> for target::Repository {
    fn from(repository: Repository) -> Self {
        Self {
            id: RepositoryId(repository.id),
            name: repository.full_name,
            owner: OwnerId(repository.owner.id),
            private: repository.private,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Owner {
    id: i64,
}

#[derive(Debug, Deserialize)]
struct Installation {
    id: i64,
}

/// What a payload says of its repository, whatever else is wrong with it.
#[derive(Deserialize)]
struct Origin {
    repository: Repository,
    installation: Installation,
}

/// A payload that names no job.
#[derive(Debug)]
pub(crate) struct NoJob {
    /// What GitHub is answered.
    pub(crate) answer: Answer,
    /// Where a job may be that has no other delivery.
    pub(crate) origin: Option<(target::Repository, InstallationId)>,
}

impl From<Answer> for NoJob {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            origin: None,
        }
    }
}

/// What is in every payload that has an action.
#[derive(Deserialize)]
struct ActionAlone {
    action: String,
}

/// Reads the payload of a `workflow_job` delivery.
///
/// The error has the answer: 200 for a delivery that is not for us or names no job and never will;
/// 400 with the JSON path for one that a later version of this program may understand.
pub(crate) fn read(json: &[u8], delivery: &str, received_at: Timestamp) -> Result<JobEvent, NoJob> {
    let payload: Payload = serde_json::from_slice(json).map_err(|_| explain(json))?;
    let Some(action) = action(&payload.action) else {
        return Err(unknown_action(&payload.action).into());
    };
    let Some(installation) = payload.installation else {
        let reason = "the delivery names no installation: it comes from a webhook that is not the GitHub App's";
        return Err(Answer::ignored(reason).into());
    };
    let (installation, repository) = (
        InstallationId(installation.id),
        target::Repository::from(payload.repository),
    );
    let Some(job) = payload.workflow_job else {
        let answer = Answer::ignored(
            "GitHub sent no job in it: workflow_job is null. What waits in the repository is looked for there",
        );
        return Err(NoJob {
            answer,
            origin: Some((repository, installation)),
        });
    };
    let time = |text: Option<String>| text.and_then(|text| timestamp(&text));
    Ok(JobEvent {
        action,
        delivery: delivery.to_owned(),
        gated: matches!(job.status.as_deref(), Some("waiting" | "pending")),
        job: JobId(job.id),
        run: RunId(job.run_id),
        attempt: job.run_attempt,
        name: job.name,
        workflow: job.workflow_name,
        labels: job.labels.into(),
        repository,
        installation,
        runner: runner(job.runner_id, job.runner_name),
        conclusion: job.conclusion,
        created_at: time(job.created_at),
        started_at: time(job.started_at),
        completed_at: time(job.completed_at),
        received_at,
    })
}

/// GitHub adds actions over time: those we do not know are none of ours.
fn action(word: &str) -> Option<JobAction> {
    match word {
        "queued" => Some(JobAction::Queued),
        "waiting" => Some(JobAction::Waiting),
        "in_progress" => Some(JobAction::InProgress),
        "completed" => Some(JobAction::Completed),
        _ => None,
    }
}

fn unknown_action(word: &str) -> Answer {
    let word: String = word.chars().take(40).collect();
    Answer::ignored(format!(
        "workflow_job {word:?} is an action that is not used"
    ))
}

/// A runner without a name is none. A runner without an id is named, but is not ours: no runner has
/// id 0.
fn runner(id: Option<i64>, name: Option<String>) -> Option<AssignedRunner> {
    let name = name.filter(|name| !name.is_empty())?;
    Some(AssignedRunner {
        id: GithubRunnerId(id.unwrap_or(0)),
        name,
    })
}

/// A time that cannot be read is as good as none: the domain has its own clock to fall back on.
fn timestamp(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// Why the payload could not be read. Parses once more, with the path, which the good ones need not
/// pay for.
fn explain(json: &[u8]) -> NoJob {
    if let Ok(ActionAlone { action: word }) = serde_json::from_slice(json)
        && action(&word).is_none()
    {
        return unknown_action(&word).into();
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let answer = match serde_path_to_error::deserialize::<_, Payload>(&mut deserializer) {
        Ok(_) => Answer::malformed("the JSON goes on after its end"),
        Err(error) => Answer::malformed(format!("at {}: {}", error.path(), error.inner())),
    };
    let origin = serde_json::from_slice::<Origin>(json).ok();
    NoJob {
        answer,
        origin: origin.map(|origin| {
            (
                origin.repository.into(),
                InstallationId(origin.installation.id),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(5);

    fn good() -> Value {
        json!({
            "action": "queued",
            "workflow_job": {
                "id": 14_541_957_942_i64, "run_id": 7, "run_attempt": 2, "name": "build", "labels": ["self-hosted", "mayfly"],
                "status": "queued", "conclusion": null, "runner_id": null, "runner_name": null,
                "created_at": "2023-06-13T08:11:37Z", "started_at": "2023-06-13T10:11:38.5+02:00", "completed_at": null,
            },
            "repository": {"id": 3, "full_name": "acme/app", "private": true, "owner": {"id": 9, "login": "acme"}},
            "installation": {"id": 4},
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut payload = good();
        *payload.pointer_mut(pointer).unwrap() = value;
        payload
    }

    fn event(payload: &Value) -> Result<JobEvent, Answer> {
        read(payload.to_string().as_bytes(), "guid", NOW).map_err(|unread| unread.answer)
    }

    /// The name of the repository in which a job may be that the payload does not tell of.
    fn origin(payload: &Value) -> Option<String> {
        read(payload.to_string().as_bytes(), "guid", NOW)
            .unwrap_err()
            .origin
            .map(|(repository, _)| repository.name)
    }

    #[test]
    fn a_delivery_without_a_job_is_not_asked_for_again_and_tells_its_repository() {
        let mut absent = good();
        absent.as_object_mut().unwrap().remove("workflow_job");
        for payload in [with("/workflow_job", Value::Null), absent] {
            let answer = event(&payload).unwrap_err();
            assert_eq!(answer.status, 200);
            assert!(
                answer.reason.contains("workflow_job is null"),
                "{}",
                answer.reason
            );
            assert_eq!(origin(&payload).as_deref(), Some("acme/app"));
        }
    }

    #[test]
    fn a_job_that_cannot_be_read_still_tells_its_repository() {
        for payload in [
            with("/workflow_job/id", json!("x")),
            with("/workflow_job", json!([])),
            with("/workflow_job/labels", Value::Null),
        ] {
            assert_eq!(
                (
                    event(&payload).unwrap_err().status,
                    origin(&payload).as_deref()
                ),
                (400, Some("acme/app")),
                "{payload}"
            );
        }
        assert_eq!(origin(&with("/repository/owner", Value::Null)), None);
    }

    #[test]
    fn everything_that_is_used_is_read() {
        let event = event(&good()).unwrap();
        assert_eq!(
            (
                event.action,
                event.gated,
                event.job,
                event.run,
                event.attempt
            ),
            (JobAction::Queued, false, JobId(14_541_957_942), RunId(7), 2)
        );
        assert_eq!(
            event.repository,
            target::Repository {
                id: RepositoryId(3),
                name: "acme/app".into(),
                owner: OwnerId(9),
                private: true
            }
        );
        assert_eq!(
            (event.installation, event.runner, event.conclusion),
            (InstallationId(4), None, None)
        );
        assert_eq!(
            event.created_at,
            Some(Timestamp::from_millis(1_686_643_897_000))
        );
        assert_eq!(
            event.started_at,
            Some(Timestamp::from_millis(1_686_643_898_500))
        );
        assert_eq!(
            (
                event.completed_at,
                event.received_at,
                event.delivery.as_str()
            ),
            (None, NOW, "guid")
        );
    }

    #[test]
    fn a_job_that_is_held_back_is_seen_whatever_the_action_says() {
        for (status, gated) in [
            ("queued", false),
            ("waiting", true),
            ("pending", true),
            ("in_progress", false),
            ("something new", false),
        ] {
            assert_eq!(
                event(&with("/workflow_job/status", json!(status)))
                    .unwrap()
                    .gated,
                gated,
                "{status}"
            );
        }
    }

    #[test]
    fn runners_are_named_in_odd_ways() {
        for (id, name, expected) in [
            (json!(null), json!(null), None),
            (json!(0), json!(""), None),
            (json!(5), json!(""), None),
            (json!(5), json!("mayfly-x"), Some((5, "mayfly-x"))),
            (json!(null), json!("mayfly-x"), Some((0, "mayfly-x"))),
        ] {
            let mut payload = with("/workflow_job/runner_id", id);
            payload["workflow_job"]["runner_name"] = name;
            let runner = event(&payload).unwrap().runner;
            assert_eq!(
                runner
                    .as_ref()
                    .map(|runner| (runner.id.0, runner.name.as_str())),
                expected
            );
        }
    }

    #[test]
    fn a_bad_time_is_none() {
        assert_eq!(
            event(&with("/workflow_job/created_at", json!("yesterday")))
                .unwrap()
                .created_at,
            None
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_by_its_path() {
        for (payload, expected) in [
            (
                with("/workflow_job/labels", json!([1])),
                "at workflow_job.labels[0]: invalid type: integer `1`, expected a string",
            ),
            (
                with("/repository/owner", json!({})),
                "at repository.owner: missing field `id`",
            ),
            (
                with("/workflow_job/id", json!("x")),
                "at workflow_job.id: invalid type: string \"x\", expected i64",
            ),
        ] {
            let answer = event(&payload).unwrap_err();
            assert_eq!(answer.status, 400);
            assert!(answer.reason.starts_with(expected), "{}", answer.reason);
        }
        for text in ["", "{", "[]", "null", "payload", "{\"action\": \"queued\"}"] {
            assert_eq!(
                read(text.as_bytes(), "guid", NOW)
                    .unwrap_err()
                    .answer
                    .status,
                400,
                "{text}"
            );
        }
        assert_eq!(
            read(format!("{} x", good()).as_bytes(), "guid", NOW)
                .unwrap_err()
                .answer
                .status,
            400
        );
    }

    #[test]
    fn an_unknown_action_is_ignored_whatever_comes_with_it() {
        for payload in [
            with("/action", json!("renamed")),
            json!({"action": "renamed", "workflow_job": 3}),
        ] {
            let answer = event(&payload).unwrap_err();
            assert_eq!(
                (answer.status, answer.reason.as_str()),
                (
                    200,
                    "workflow_job \"renamed\" is an action that is not used"
                )
            );
        }
    }

    #[test]
    fn a_delivery_without_an_installation_is_ignored() {
        let mut payload = good();
        payload.as_object_mut().unwrap().remove("installation");
        assert_eq!(event(&payload).unwrap_err().status, 200);
    }
}
