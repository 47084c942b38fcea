//! What a runner program speaks to GitHub in the local stack, below `/_runner`.
//!
//! It is not GitHub's protocol, which is not published, but has its rules: one connection per
//! registration, a long poll for the one job, signs of life, silence that is noticed. Answers are
//! JSON, or `NAME=value` lines for callers that send `Accept: text/plain` (a shell script).
//!
//! | call | answers |
//! | --- | --- |
//! | `POST /_runner/session`, the registration as body or as JSON `jit_config` | 201 `session`; 404 removed; 409 used before; 400 |
//! | `GET /_runner/session/{id}/job?wait=50` | 200 the job; 204 none yet; 410 removed |
//! | `POST /_runner/session/{id}/started` | 204; 409 no longer this runner's |
//! | `POST /_runner/session/{id}/step` | 204; 409 cancelled |
//! | `POST /_runner/session/{id}/heartbeat` | 204; 409 cancelled |
//! | `POST /_runner/session/{id}/completed`, a conclusion or nothing | 204 |
//! | `DELETE /_runner/session/{id}` | 204: the program ends, the registration stays |

use super::id::{JobId, SessionId};
use super::jobs::Conclusion;
use super::model::{Interrupted, Model, OpenError};
use super::wire::{Answer, Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest poll: 50 s, like the real runner's.
const LONGEST_POLL: Duration = Duration::from_secs(50);

/// How long a request may wait for an answer that is not 204; none if it is no poll.
#[must_use]
pub fn patience(request: &Request) -> Option<Duration> {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["_runner", "session", _, "job"]) => {
            let wait = request
                .number("wait")
                .map(|seconds| Duration::from_secs(seconds as u64));
            Some(wait.unwrap_or(LONGEST_POLL).min(LONGEST_POLL))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Shown {
    jit_config: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StepDone {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Ended {
    conclusion: Option<Conclusion>,
}

impl Model {
    /// Answers a runner program. A poll that finds nothing is 204: waiting is the caller's
    /// business.
    pub fn runner_call(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.advance(now);
        let segments = request.segments();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["_runner", "session"]) => self.connect_answer(request, now),
            ("GET", ["_runner", "session", session, "job"]) => {
                match self.poll(&SessionId((*session).to_owned()), now) {
                    Ok(Some(job)) => self.given(job),
                    Ok(None) => Answer::empty(204),
                    Err(interrupted) => words(interrupted),
                }
            }
            ("POST", ["_runner", "session", session, "started"]) => {
                done(self.start(&SessionId((*session).to_owned()), now))
            }
            ("POST", ["_runner", "session", session, "step"]) => {
                let name = request.read::<StepDone>().ok().and_then(|step| step.name);
                let name = name.unwrap_or_else(|| "Run".to_owned());
                done(self.step(&SessionId((*session).to_owned()), &name, now))
            }
            ("POST", ["_runner", "session", session, "heartbeat"]) => {
                done(self.heartbeat(&SessionId((*session).to_owned()), now))
            }
            ("POST", ["_runner", "session", session, "completed"]) => {
                match conclusion(&request.body) {
                    Ok(conclusion) => {
                        let done_with =
                            self.complete(&SessionId((*session).to_owned()), conclusion, now);
                        done(done_with)
                    }
                    Err(answer) => *answer,
                }
            }
            ("DELETE", ["_runner", "session", session]) => {
                done(self.close_session(&SessionId((*session).to_owned()), now))
            }
            _ => Answer::not_found(),
        }
    }

    fn connect_answer(&mut self, request: &Request, now: Timestamp) -> Answer {
        let registration = match request.read::<Shown>() {
            Ok(shown) => shown.jit_config,
            Err(_) => String::from_utf8_lossy(&request.body).into_owned(),
        };
        match self.open_session(&registration, now) {
            Ok((session, id)) => {
                let name = self.runner(id).map(|runner| runner.name.clone());
                Answer::json(
                    201,
                    json!({ "session": session.0, "runner_id": id, "runner_name": name }),
                )
            }
            Err(OpenError::NotARegistration) => Answer::message(400, "This is not a registration."),
            Err(OpenError::Conflict) => {
                Answer::message(409, "A session for this runner already exists.")
            }
            Err(OpenError::Deleted) => Answer::message(
                404,
                "The runner registration has been deleted from the server, please re-configure.",
            ),
        }
    }

    /// A job as its runner gets it: what to do, and the environment of hook and steps.
    fn given(&self, id: JobId) -> Answer {
        let Some(job) = self.job(id) else {
            return Answer::empty(204);
        };
        let full_name = self.accounts.full_name(job.repository);
        let owner = self
            .accounts
            .repository(job.repository)
            .and_then(|one| self.accounts.account(one.owner));
        let run = self.jobs.run(job.run);
        let reference = run.map(|run| format!("refs/heads/{}", run.branch));
        Answer::json(
            200,
            json!({
                "job_id": job.id,
                "seconds_to_run": job.wish.seconds,
                "steps": job.wish.steps,
                "always_steps": job.wish.always_steps.min(job.wish.steps),
                "conclusion": job.wish.conclusion,
                "labels": job.wish.labels,
                "GITHUB_RUN_ID": job.run,
                "GITHUB_RUN_ATTEMPT": job.attempt,
                "GITHUB_RUN_NUMBER": run.map(|run| run.number),
                "GITHUB_REPOSITORY": full_name,
                "GITHUB_REPOSITORY_ID": job.repository,
                "GITHUB_REPOSITORY_OWNER": owner.map(|owner| owner.login.clone()),
                "GITHUB_REPOSITORY_OWNER_ID": owner.map(|owner| owner.id),
                "GITHUB_WORKFLOW": "CI",
                "GITHUB_WORKFLOW_REF": reference.as_ref().map(|one| format!("{full_name}/.github/workflows/ci.yml@{one}")),
                "GITHUB_REF": reference,
                "GITHUB_SHA": run.map(|run| run.sha.clone()),
                "GITHUB_EVENT_NAME": run.map(|run| run.event.clone()),
                "GITHUB_ACTOR": "mona",
                "GITHUB_JOB": job.wish.name,
                "RUNNER_NAME": job.executor.as_ref().map(|executor| executor.name.clone()),
            }),
        )
    }
}

/// A conclusion as JSON or as a bare word; an empty body is none.
fn conclusion(body: &[u8]) -> Result<Option<Conclusion>, Box<Answer>> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(ended) = serde_json::from_str::<Ended>(text) {
        return Ok(ended.conclusion);
    }
    serde_json::from_value(Value::String(text.to_owned()))
        .map(Some)
        .map_err(|_| Box::new(Answer::message(400, "This is not a conclusion.")))
}

fn done(result: Result<(), Interrupted>) -> Answer {
    match result {
        Ok(()) => Answer::empty(204),
        Err(interrupted) => words(interrupted),
    }
}

fn words(interrupted: Interrupted) -> Answer {
    match interrupted {
        Interrupted::Unknown => Answer::message(404, "No such session."),
        Interrupted::Removed => Answer::message(410, "The runner no longer exists on the server."),
        Interrupted::NoJob => Answer::message(409, "The job is not, or no longer, this runner's."),
        Interrupted::Cancelled => Answer::message(409, "The job was cancelled."),
    }
}
