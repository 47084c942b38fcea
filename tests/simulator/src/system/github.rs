//! The adapter's ports over the GitHub model: the same questions, asked without HTTP.

mod app;
mod jobs;
mod named;
mod runners;

use std::sync::Arc;
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, RepositoryId};
use mayfly_domain::model::target::{Repository, Target, TargetScope};
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{Call, CallError};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::calls::Made;
use super::event::CallOutcome;
use super::faults::{CallFault, Port};
use super::world::World;
use mayfly_github_model::accounts::{Installation, Level};
use mayfly_github_model::id;
use mayfly_github_model::model::Model;
use mayfly_github_model::tokens::Narrowing;
use mayfly_github_model::wire::{Answer, Request};

/// With less time left the adapter sends nothing.
const LEAST: Duration = Duration::from_secs(1);

/// The adapter waits no longer for one answer.
const LONGEST: Duration = Duration::from_secs(12);

/// Seconds that a limited caller is told to wait. Source: GitHub docs, best practices for using the
/// REST API: at least a minute.
const RETRY_AFTER: u32 = 60;

/// GitHub as one function reaches it, or someone who is none
/// ([`System::github_for`](super::System::github_for)). Tokens are at hand: what they cost is told
/// by the adapter's own tests.
pub struct Github {
    pub(super) world: Arc<World>,
    pub(super) who: &'static str,
}

/// What a token is for.
#[derive(Clone)]
struct Grant {
    installation: InstallationId,
    permission: (&'static str, Level),
    repository: Option<RepositoryId>,
}

/// Where something is, and what may be done there.
struct Place {
    path: String,
    grant: Grant,
}

/// One request. Without a grant the App makes it as itself.
#[derive(Clone)]
struct ApiRequest {
    name: &'static str,
    method: &'static str,
    path: String,
    body: Option<Value>,
    grant: Option<Grant>,
}

/// One call as it went. No answer: none came in time.
struct Asked {
    answer: Option<Answer>,
    call: Box<Call>,
}

/// What GitHub answers; the error is its answer when it makes no token.
type Put = Result<Answer, Box<Answer>>;

impl Place {
    /// Where a target's runners are.
    fn of_runners(target: &Target) -> Self {
        let installation = target.installation;
        match &target.scope {
            TargetScope::Repository { id, name } => Self {
                path: format!("/repos/{name}/actions/runners"),
                grant: Grant {
                    installation,
                    permission: ("administration", Level::Write),
                    repository: Some(*id),
                },
            },
            TargetScope::Organization { login, .. } => Self {
                path: format!("/orgs/{login}/actions/runners"),
                grant: Grant {
                    installation,
                    permission: ("organization_self_hosted_runners", Level::Write),
                    repository: None,
                },
            },
        }
    }

    /// Where a repository's runs and jobs are.
    fn of_jobs(installation: InstallationId, repository: &Repository, level: Level) -> Self {
        let grant = Grant {
            installation,
            permission: ("actions", level),
            repository: Some(repository.id),
        };
        Self {
            path: format!("/repos/{}/actions", repository.name),
            grant,
        }
    }

    fn api_request(&self, name: &'static str, method: &'static str, rest: &str) -> ApiRequest {
        ApiRequest {
            name,
            method,
            path: format!("{}{rest}", self.path),
            body: None,
            grant: Some(self.grant.clone()),
        }
    }

    fn get(&self, name: &'static str, rest: &str) -> ApiRequest {
        self.api_request(name, "GET", rest)
    }
}

impl ApiRequest {
    /// For the trace. The App's own questions are of no installation.
    fn about(&self) -> String {
        let asked = format!("{} {}", self.method, self.path);
        self.grant.as_ref().map_or_else(
            || asked.clone(),
            |grant| format!("{asked} of {}", grant.installation.0),
        )
    }

    /// The same about the repository of this name, if it is about one.
    fn at(&self, name: &str) -> Self {
        let Some(place) = self.path.strip_prefix("/repos/") else {
            return self.clone();
        };
        let rest = place
            .splitn(3, '/')
            .nth(2)
            .map(|rest| format!("/{rest}"))
            .unwrap_or_default();
        Self {
            path: format!("/repos/{name}{rest}"),
            ..self.clone()
        }
    }

    fn request(&self) -> Request {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut request = Request::new(self.method, path).header("user-agent", "mayfly");
        let fields = query.split('&').filter_map(|field| field.split_once('='));
        request.query = fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// The installation to ask for a token: that of the grant, or the one that the App has at this
    /// place now, if the first one is gone or does not have the repository; or another one of the
    /// App's that has it, if another repository has its name. As the adapter does
    /// (`crates/github/src/installation.rs`).
    fn installation(
        &self,
        github: &mut Model,
        grant: &Grant,
        now: jiff::Timestamp,
    ) -> id::InstallationId {
        let known = id::InstallationId(grant.installation.0);
        let accounts = github.accounts();
        let has = |id| {
            accounts
                .installation_for(id::RepositoryId(id))
                .is_some_and(|one| one.id == known)
        };
        // A suspended one answers 403, whatever it has: that says nothing of another one.
        let may = |one: &Installation| {
            one.suspended_at.is_some() || grant.repository.is_none_or(|id| has(id.0))
        };
        if accounts.installation(known).is_some_and(may) {
            return known;
        }
        let depth = if self.path.starts_with("/orgs/") {
            3
        } else {
            4
        };
        let place: Vec<&str> = self.path.split(['/', '?']).take(depth).collect();
        let asked = |github: &mut Model, path: &str| {
            github.rest_as_app(
                &Request::new("GET", path).header("user-agent", "mayfly"),
                now,
            )
        };
        let answer = asked(github, &format!("{}/installation", place.join("/")));
        let answer = moved_to(&answer)
            .map(|path| asked(github, &path))
            .unwrap_or(answer);
        let found = answer
            .body
            .as_ref()
            .filter(|_| answer.status == 200)
            .and_then(|body| body["id"].as_i64())
            .map(id::InstallationId);
        let accounts = github.accounts();
        let of_repository = grant
            .repository
            .and_then(|id| accounts.installation_for(id::RepositoryId(id.0)))
            .map(|one| one.id);
        of_repository.or(found).unwrap_or(known)
    }

    /// What GitHub answers; the error is its answer when it makes no token.
    fn put(&self, github: &mut Model, now: jiff::Timestamp) -> Put {
        let request = self.request();
        let Some(grant) = &self.grant else {
            return Ok(github.rest_as_app(&request, now));
        };
        let installation = self.installation(github, grant, now);
        if github
            .accounts()
            .installation(installation)
            .is_some_and(|one| one.suspended_at.is_some())
        {
            return Err(Box::new(Answer::message(
                403,
                "This installation has been suspended",
            )));
        }
        let narrowing = Narrowing {
            repository_ids: grant.repository.map(|id| vec![id.0]),
            permissions: Some([(grant.permission.0.to_owned(), grant.permission.1)].into()),
            ..Narrowing::default()
        };
        match github.make_token(installation, &narrowing, now) {
            Some(Ok((token, _))) => {
                let bearer = format!("Bearer {token}");
                // The answer with a token says what its repository is called now: the adapter asks
                // at that name, and again if it has changed since.
                let name = grant
                    .repository
                    .map(|id| github.accounts().full_name(id::RepositoryId(id.0)));
                let request = name.map_or(request, |name| self.at(&name).request());
                let answer = github.rest(&request.header("authorization", &bearer), now);
                // A renamed repository sends its callers on, once.
                let Some(path) = moved_to(&answer) else {
                    return Ok(answer);
                };
                Ok(github.rest(
                    &Self {
                        path,
                        ..self.clone()
                    }
                    .request()
                    .header("authorization", &bearer),
                    now,
                ))
            }
            Some(Err(denied)) => Err(Box::new(Answer::message(422, denied.words()))),
            None => Err(Box::new(Answer::not_found())),
        }
    }
}

fn handling(call_fault: Option<CallFault>, put: &Put) -> CallOutcome {
    match (put, call_fault) {
        (Ok(answer), Some(call_fault)) if answer.status < 300 => {
            CallOutcome::Faulted(call_fault, "an answer")
        }
        (Ok(answer), _) if answer.status < 300 => CallOutcome::Done,
        (Ok(answer), _) => CallOutcome::Refused(format!("{} {}", answer.status, words(answer))),
        (Err(refusal), _) => {
            CallOutcome::Refused(format!("no token: {} {}", refusal.status, words(refusal)))
        }
    }
}

impl Github {
    /// Asks GitHub.
    ///
    /// # Errors
    /// When there is no token, or no time: the question was not put.
    async fn ask(&self, api_request: ApiRequest, by: Instant) -> Result<Asked, CallError> {
        self.world
            .count(self.who, &format!("GitHub {}", api_request.name));
        let ApiRequest {
            name, method, path, ..
        } = &api_request;
        let mut call = Box::new(Call {
            name,
            method: (*method).to_owned(),
            path: path.clone(),
            status: None,
            request_id: None,
        });
        let begun = Instant::now();
        if by < begun + LEAST {
            return Err(CallError::Unavailable {
                message: "no time was left for it".to_owned(),
                call,
            });
        }
        let Some(put) = self.put(api_request.clone(), by.min(begun + LONGEST)).await else {
            return Ok(Asked { answer: None, call });
        };
        match put {
            Ok(answer) => {
                call.status = Some(answer.status);
                Ok(Asked {
                    answer: Some(answer),
                    call,
                })
            }
            Err(refusal) => Err(CallError::Refused {
                status: refusal.status,
                message: words(&refusal),
                call,
            }),
        }
    }

    /// Puts a question; nothing comes back if no answer came until then.
    async fn put(&self, api_request: ApiRequest, until: Instant) -> Option<Put> {
        let leaving = self
            .world
            .leaves(self.who, Port::Github, api_request.name, || {
                api_request.about()
            });
        let (world, who) = (Arc::clone(&self.world), self.who);
        let work = async move {
            world.travel().await;
            world.with_github_by(who, |github, now| api_request.put(github, now))
        };
        let made = timeout_at(until, leaving.make(work)).await;
        let Ok(made) = made else {
            leaving.note(|| {
                leaving.call_fault.map_or(
                    CallOutcome::Refused("no answer in time".to_owned()),
                    |call_fault| CallOutcome::Faulted(call_fault, "no answer"),
                )
            });
            return None;
        };
        let (call_fault, seen, put) = match made {
            Made::Well(put) => {
                leaving.note(|| handling(leaving.call_fault, &put));
                let wait = put.as_ref().unwrap_or_else(|refusal| &**refusal).delay
                    + Duration::from_millis(1 + self.world.below(200));
                timeout_at(until, tokio::time::sleep(wait)).await.ok()?;
                return Some(put);
            }
            Made::Not(call_fault @ CallFault::HangBefore)
            | Made::Unheard(call_fault @ CallFault::HangAfter, _) => {
                (call_fault, "no answer", None)
            }
            Made::Not(call_fault @ CallFault::Throttle) => (
                call_fault,
                "a 429",
                Some(
                    Answer::message(429, "You have exceeded a secondary rate limit")
                        .header("retry-after", RETRY_AFTER),
                ),
            ),
            Made::Not(call_fault) | Made::Unheard(call_fault, _) => (
                call_fault,
                "a 502",
                Some(Answer::message(502, "Server Error")),
            ),
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, seen));
        if put.is_none() {
            tokio::time::sleep_until(until).await;
        }
        put.map(Ok)
    }

    /// The answer to a question that may safely be lost, if it is a success.
    async fn answer(&self, api_request: ApiRequest, by: Instant) -> Result<Answer, CallError> {
        self.ask(api_request, by).await?.success(self.now())
    }

    fn now(&self) -> Timestamp {
        self.world.now_by(self.who)
    }
}

impl Asked {
    fn success(self, now: Timestamp) -> Result<Answer, CallError> {
        let call = self.call;
        let Some(answer) = self.answer else {
            return Err(CallError::Unavailable {
                message: "no answer".to_owned(),
                call,
            });
        };
        let message = words(&answer);
        match (answer.status, limited(&answer, now)) {
            (_, Some(until)) => Err(CallError::RateLimited {
                until,
                message,
                call,
            }),
            (200..=299, _) => Ok(answer),
            (401 | 408 | 500.., _) => Err(CallError::Unavailable { message, call }),
            (status, _) => Err(CallError::Refused {
                status,
                message,
                call,
            }),
        }
    }

    fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn words(answer: &Answer) -> String {
    answer
        .body
        .as_ref()
        .and_then(|body| body["message"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// The path that a redirect leads to.
fn moved_to(answer: &Answer) -> Option<String> {
    let location =
        header(answer, "location").filter(|_| [301, 302, 307, 308].contains(&answer.status))?;
    let (_, rest) = location.split_once("://")?;
    rest.split_once('/').map(|(_, path)| format!("/{path}"))
}

/// The body of an answer.
fn body(answer: Answer) -> Value {
    answer.body.unwrap_or_default()
}

/// What an answer lists under a key.
fn listed<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    body[key].as_array().into_iter().flatten()
}

/// A time, if there is one.
fn time(wire: &Value) -> Option<Timestamp> {
    let time: jiff::Timestamp = wire.as_str()?.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
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
    let reset: Option<i64> = header(answer, "x-ratelimit-reset")
        .filter(|_| used_up)
        .and_then(|text| text.parse().ok());
    reset.map(|seconds| Timestamp::from_millis(seconds * 1000))
}
