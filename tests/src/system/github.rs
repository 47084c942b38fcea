//! The adapter's ports over the GitHub model: the same questions, asked without HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::id::{GithubRunnerId, InstallationId, JobId, RepositoryId, RunId, RunnerName};
use mayfly_domain::job::AssignedRunner;
use mayfly_domain::label::Labels;
use mayfly_domain::target::{Repository, Target, TargetScope};
use mayfly_domain::time::Timestamp;
use mayfly_github::{
    Call, CallError, Deleted, JobNow, JobStatus, Jobs, RegisterError, Registration, Registrations, Repositories, RunnerNow, Runners,
    Secret, Seen,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::world::World;
use crate::github::accounts::Level;
use crate::github::id;
use crate::github::tokens::Narrowing;
use crate::github::wire::{Answer, Request};

/// GitHub as one function reaches it. Tokens are at hand: what they cost is told by the adapter's own tests.
pub(super) struct Github {
    pub(super) world: Arc<World>,
    pub(super) who: &'static str,
}

/// Where something is, and what may be done there.
struct Place {
    path: String,
    installation: InstallationId,
    permission: (&'static str, Level),
    repository: Option<RepositoryId>,
}

/// What is asked there.
struct Question<'a> {
    name: &'static str,
    method: &'a str,
    rest: &'a str,
    body: Option<&'a Value>,
}

/// One call as it went. No answer: none came in time.
struct Asked {
    answer: Option<Answer>,
    call: Box<Call>,
}

fn get<'a>(name: &'static str, rest: &'a str) -> Question<'a> {
    Question { name, method: "GET", rest, body: None }
}

fn runners_of(target: &Target) -> Place {
    match &target.scope {
        TargetScope::Repository { id, name } => Place {
            path: format!("/repos/{name}/actions/runners"),
            installation: target.installation,
            permission: ("administration", Level::Write),
            repository: Some(*id),
        },
        TargetScope::Organization { login, .. } => Place {
            path: format!("/orgs/{login}/actions/runners"),
            installation: target.installation,
            permission: ("organization_self_hosted_runners", Level::Write),
            repository: None,
        },
    }
}

impl Github {
    async fn ask(&self, place: &Place, question: Question<'_>, by: Instant) -> Asked {
        let Question { name, method, rest, body } = question;
        self.world.count(self.who, &format!("GitHub {name}"));
        self.world.travel().await;
        let path = format!("{}{rest}", place.path);
        let mut call = Box::new(Call { name, method: method.to_owned(), path: path.clone(), status: None, request_id: None });
        let answer = self.world.with_github(|github, now| {
            let narrowing = Narrowing {
                repository_ids: place.repository.map(|id| vec![id.0]),
                permissions: Some([(place.permission.0.to_owned(), place.permission.1)].into()),
                ..Narrowing::default()
            };
            let token = match github.make_token(id::InstallationId(place.installation.0), &narrowing, now) {
                Some(Ok((token, _))) => token,
                Some(Err(denied)) => return Answer::message(422, denied.words()),
                None => return Answer::not_found(),
            };
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let mut request = Request::new(method, path).header("user-agent", "mayfly").header("authorization", &format!("Bearer {token}"));
            let fields = query.split('&').filter_map(|field| field.split_once('='));
            request.query = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            github.rest(&body.map_or(request.clone(), |body| request.json(body)), now)
        });
        let wait = answer.delay + Duration::from_millis(1 + self.world.below(200));
        if timeout_at(by, tokio::time::sleep(wait)).await.is_err() {
            return Asked { answer: None, call };
        }
        call.status = Some(answer.status);
        Asked { answer: Some(answer), call }
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn words(answer: &Answer) -> String {
    answer.body.as_ref().and_then(|body| body["message"].as_str()).unwrap_or_default().to_owned()
}

/// Until when GitHub wants to hear nothing.
fn limited(answer: &Answer, now: Timestamp) -> Option<Timestamp> {
    if ![403, 429].contains(&answer.status) {
        return None;
    }
    if let Some(seconds) = header(answer, "retry-after").and_then(|text| text.parse().ok()) {
        return Some(now.plus(Duration::from_secs(seconds)));
    }
    let used_up = header(answer, "x-ratelimit-remaining") == Some("0");
    let reset: Option<i64> = header(answer, "x-ratelimit-reset").filter(|_| used_up).and_then(|text| text.parse().ok());
    reset.map(|seconds| Timestamp::from_millis(seconds * 1000))
}

impl Asked {
    fn success(self, now: Timestamp) -> Result<Value, CallError> {
        let call = self.call;
        let Some(answer) = self.answer else { return Err(CallError::Unavailable { message: "no answer".to_owned(), call }) };
        let message = words(&answer);
        match (answer.status, limited(&answer, now)) {
            (_, Some(until)) => Err(CallError::RateLimited { until, message, call }),
            (200..=299, _) => Ok(answer.body.unwrap_or_default()),
            (401 | 408 | 500.., _) => Err(CallError::Unavailable { message, call }),
            (status, _) => Err(CallError::Refused { status, message, call }),
        }
    }

    fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

#[async_trait]
impl Registrations for Github {
    async fn register(&self, target: &Target, name: &RunnerName, by: Instant) -> Result<Registration, RegisterError> {
        let place = runners_of(target);
        let group = match &target.scope {
            TargetScope::Repository { .. } => 1,
            TargetScope::Organization { login, group, .. } => self.world.with_github(|github, _| {
                let owner = github.accounts().account_by_login(login).map(|account| account.id);
                let groups = owner.into_iter().flat_map(|owner| github.accounts().groups(owner));
                groups.filter(|known| known.name.eq_ignore_ascii_case(group)).map(|known| known.id.0).next().unwrap_or(-1)
            }),
        };
        let labels: Vec<&str> = target.labels.iter().collect();
        let body = json!({ "name": name.to_string(), "runner_group_id": group, "labels": labels });
        let asked = self
            .ask(&place, Question { name: "generate-jitconfig", method: "POST", rest: "/generate-jitconfig", body: Some(&body) }, by)
            .await;
        match asked.status() {
            Some(409) => {
                let message = asked.answer.as_ref().map(words).unwrap_or_default();
                Err(RegisterError::Conflict { message, call: asked.call })
            }
            None | Some(408 | 500..) => Err(RegisterError::Unsure { message: "no answer that tells".to_owned(), call: asked.call }),
            Some(_) => {
                let made = asked.success(self.now())?;
                let id = GithubRunnerId(made["runner"]["id"].as_i64().unwrap_or_default());
                Ok(Registration { id, jit_config: Secret::new(made["encoded_jit_config"].as_str().unwrap_or_default()) })
            }
        }
    }
}

#[async_trait]
impl Runners for Github {
    async fn get(&self, target: &Target, runner: GithubRunnerId, by: Instant) -> Result<Seen, CallError> {
        let found = self.list(target, by).await?.into_iter().find(|one| one.id == runner);
        Ok(found.map_or(Seen::NotFound { target_visible: true }, Seen::Registered))
    }

    async fn list(&self, target: &Target, by: Instant) -> Result<Vec<RunnerNow>, CallError> {
        let mut runners = Vec::new();
        for page in 1_u32.. {
            let asked = self.ask(&runners_of(target), get("list-runners", &format!("?per_page=100&page={page}")), by).await;
            let found = asked.success(self.now())?;
            let found: Vec<RunnerNow> = found["runners"].as_array().into_iter().flatten().map(runner_now).collect();
            let last = found.len() < 100;
            runners.extend(found);
            if last {
                break;
            }
        }
        Ok(runners)
    }

    async fn delete(&self, target: &Target, runner: GithubRunnerId, by: Instant) -> Result<Deleted, CallError> {
        let asked = self.ask(&runners_of(target), Question { method: "DELETE", ..get("delete-runner", &format!("/{runner}")) }, by).await;
        match asked.status() {
            Some(422) => Ok(Deleted::Busy),
            Some(404) => {
                let asked = self.ask(&runners_of(target), get("list-runners", "?per_page=1"), by).await;
                Ok(Deleted::NotFound { target_visible: asked.success(self.now()).is_ok() })
            }
            _ => asked.success(self.now()).map(|_| Deleted::Gone),
        }
    }
}

fn runner_now(wire: &Value) -> RunnerNow {
    RunnerNow {
        id: GithubRunnerId(wire["id"].as_i64().unwrap_or_default()),
        name: wire["name"].as_str().unwrap_or_default().to_owned(),
        online: wire["status"] == "online",
        busy: wire["busy"] == true,
    }
}

#[async_trait]
impl Jobs for Github {
    async fn job(
        &self,
        installation: InstallationId,
        repository: &Repository,
        job: JobId,
        by: Instant,
    ) -> Result<Option<JobNow>, CallError> {
        let permission = ("actions", Level::Read);
        let place = Place { path: format!("/repos/{}", repository.name), installation, permission, repository: Some(repository.id) };
        let asked = self.ask(&place, get("get-job", &format!("/actions/jobs/{job}")), by).await;
        if asked.status() == Some(404) {
            return Ok(None);
        }
        let wire = asked.success(self.now())?;
        let runner = wire["runner_id"].as_i64().filter(|id| *id != 0).zip(wire["runner_name"].as_str().filter(|name| !name.is_empty()));
        let labels: Labels = wire["labels"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(Some(JobNow {
            status: serde_json::from_value::<JobStatus>(wire["status"].clone()).unwrap_or(JobStatus::Other),
            conclusion: wire["conclusion"].as_str().map(str::to_owned),
            runner: runner.map(|(id, name)| AssignedRunner { id: GithubRunnerId(id), name: name.to_owned() }),
            labels,
            run: RunId(wire["run_id"].as_i64().unwrap_or_default()),
            attempt: wire["run_attempt"].as_u64().and_then(|attempt| attempt.try_into().ok()).unwrap_or(1),
            name: wire["name"].as_str().unwrap_or_default().to_owned(),
            created_at: time(&wire["created_at"]),
            started_at: time(&wire["started_at"]),
            completed_at: time(&wire["completed_at"]),
        }))
    }
}

fn time(wire: &Value) -> Option<Timestamp> {
    let time: jiff::Timestamp = wire.as_str()?.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

#[async_trait]
impl Repositories for Github {
    async fn private(&self, installation: InstallationId, id: RepositoryId, name: &str, by: Instant) -> Result<Option<bool>, CallError> {
        let place = Place { path: format!("/repos/{name}"), installation, permission: ("metadata", Level::Read), repository: Some(id) };
        match self.ask(&place, get("get-repository", ""), by).await.success(self.now()) {
            Ok(wire) => Ok((wire["id"].as_i64() == Some(id.0)).then_some(wire["private"] == true)),
            Err(CallError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
