//! A GitHub in virtual time, and short words for what tests do with it.

use jiff::{SignedDuration, Timestamp};
use mayfly_github_model::id::{InstallationId, JobId, RunnerId, SessionId};
use mayfly_github_model::jobs::{Conclusion, Job, NewJob, Status};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::model::{JitConfigError, JitConfigRequest, Model};
use mayfly_github_model::runners::{Runner, Scope};
use mayfly_github_model::tokens::Narrowing;
use mayfly_github_model::wire::{Answer, Request};
use serde_json::Value;

/// The labels that most jobs here ask for.
pub(crate) const LABELS: [&str; 2] = ["self-hosted", "mayfly"];

/// The App on acme.
pub(crate) const ACME_INSTALLATION: InstallationId = InstallationId(61_000_001);

/// GitHub, and what time it is there.
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) now: Timestamp,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_key(&KeyPair::without_private_half().unwrap())
    }

    pub(crate) fn with_key(key: &KeyPair) -> Self {
        let now = Timestamp::from_second(1_795_356_000).unwrap();
        let mut model = Model::new("http://github.test", key, 3, now);
        model.hook.url = Some("http://mayfly.test/webhook".to_owned());
        Self { model, now }
    }

    pub(crate) fn wait(&mut self, seconds: f64) {
        self.now += SignedDuration::from_secs_f64(seconds);
        self.model.advance(self.now);
    }

    pub(crate) fn queue(&mut self, wish: &NewJob) -> JobId {
        *self.model.queue(wish, self.now).first().unwrap()
    }

    pub(crate) fn repository(&mut self, name: &str) -> Scope {
        Scope::Repository(self.model.accounts_mut().mention(name, self.now))
    }

    pub(crate) fn organization(&self, login: &str) -> Scope {
        Scope::Organization(self.model.accounts().account_by_login(login).unwrap().id)
    }

    pub(crate) fn generate_jit_config(
        &mut self,
        scope: Scope,
        name: &str,
        labels: &[&str],
    ) -> Result<RunnerId, JitConfigError> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.model.generate_jit_config(
            scope,
            &JitConfigRequest {
                name: name.to_owned(),
                runner_group_id: 1,
                labels,
                work_folder: "_work".to_owned(),
            },
            self.now,
        )
    }

    /// A runner of `acme/app` that is connected.
    pub(crate) fn online(&mut self, name: &str, labels: &[&str]) -> SessionId {
        let scope = self.repository("acme/app");
        self.online_in(scope, name, labels)
    }

    pub(crate) fn online_in(&mut self, scope: Scope, name: &str, labels: &[&str]) -> SessionId {
        let id = self.generate_jit_config(scope, name, labels).unwrap();
        let registration = self.model.runner(id).unwrap().registration.clone();
        self.model.open_session(&registration, self.now).unwrap().0
    }

    /// A runner of `acme/app` that runs a job.
    pub(crate) fn busy(&mut self) -> (SessionId, JobId) {
        let job = self.queue(&job());
        let session = self.online("busy", &LABELS);
        self.model.start(&session, self.now).unwrap();
        (session, job)
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        self.model.job(id).unwrap()
    }

    pub(crate) fn ended(&self, id: JobId) -> (Status, Option<Conclusion>) {
        (self.job(id).status, self.job(id).conclusion)
    }

    /// The name of the runner that was given a job.
    pub(crate) fn runner_of(&self, id: JobId) -> Option<String> {
        self.job(id).executor.as_ref().map(|one| one.name.clone())
    }

    pub(crate) fn runner(&self, name: &str) -> &Runner {
        self.model
            .runners()
            .find(|runner| runner.name == name)
            .unwrap()
    }

    pub(crate) fn token(&mut self, narrowing: &Narrowing) -> String {
        self.model
            .make_token(ACME_INSTALLATION, narrowing, self.now)
            .unwrap()
            .unwrap()
            .0
    }

    /// A call with a token that may do everything the App may.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let token = self.token(&Narrowing::default());
        self.call_as(&token, method, path, body)
    }

    pub(crate) fn call_as(
        &mut self,
        token: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::new(method, path)
            .header("user-agent", "test")
            .header("authorization", &format!("Bearer {token}"));
        request.query = query
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self.model.rest(&request.json(body), self.now)
    }

    pub(crate) fn control(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.model
            .control(&Request::new(method, path).json(body), self.now)
    }

    /// What the App was told so far, as `action/status`, in the order in which it would be sent.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let due = self.model.take_due(self.now);
        due.iter()
            .map(|one| {
                let payload: Value = serde_json::from_slice(&one.body).unwrap();
                format!(
                    "{}/{}",
                    payload["action"].as_str().unwrap(),
                    payload["workflow_job"]["status"].as_str().unwrap()
                )
            })
            .collect()
    }
}

/// A job of `acme/app`.
pub(crate) fn job() -> NewJob {
    NewJob {
        labels: LABELS.map(str::to_owned).to_vec(),
        ..NewJob::default()
    }
}

/// A request for a registration.
pub(crate) fn mint_body(name: &str, labels: &[&str]) -> Value {
    serde_json::json!({ "name": name, "runner_group_id": 1, "labels": labels, "work_folder": "_work" })
}

/// An error's words.
pub(crate) fn message(answer: &Answer) -> &str {
    answer
        .body
        .as_ref()
        .and_then(|body| body["message"].as_str())
        .unwrap_or_default()
}

/// A header of an answer.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}
