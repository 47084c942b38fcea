//! A server in GitHub's place, and the adapter that talks to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::id::{InstallationId, OwnerId, RepositoryId, RunnerName};
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::target::{Target, TargetScope};
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{AppCredentials, CredentialsUnavailable, Github};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The time at which every test begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What the tokens of the stub look like: no error may ever show one.
pub(crate) const TOKEN: &str = "ghs_token_";

/// Making a key takes a while: one for all tests.
pub(crate) static KEY: LazyLock<String> = LazyLock::new(new_key);

pub(crate) fn new_key() -> String {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    key.to_pkcs1_pem(LineEnding::LF).unwrap().to_string()
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /api/v3/…?…`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

pub(crate) fn answer(status: u16, body: Value) -> Answer {
    (
        status,
        vec![("x-github-request-id", "C0DE:1".to_owned())],
        body.to_string(),
    )
}

pub(crate) fn message(status: u16, message: &str) -> Answer {
    answer(status, json!({ "message": message }))
}

/// What GitHub answers to a registration.
pub(crate) fn registered() -> Answer {
    answer(
        201,
        json!({ "runner": { "id": 42, "name": "x", "os": "unknown" }, "encoded_jit_config": "and-no one-must-see-it" }),
    )
}

/// A server in GitHub's place.
pub(crate) struct Stub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Starts one. Requests for tokens are answered by itself, unless `answers` has something else
    /// for them.
    pub(crate) async fn start(
        answers: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answers) = (Arc::clone(&asked), Arc::new(answers));
        let router = Router::new().fallback(move |request: Request| {
            let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
            async move {
                let (parts, body) = request.into_parts();
                let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
                let one = Asked {
                    line: format!("{} {}", parts.method, parts.uri),
                    headers: parts.headers,
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(one.clone());
                    log.len()
                };
                let found = answers(&one).or_else(|| {
                    one.line
                        .ends_with("/access_tokens")
                        .then(|| token(number, 3600))
                });
                let (status, headers, body) =
                    found.unwrap_or_else(|| message(500, &format!("not expected: {}", one.line)));
                let response = headers.into_iter().fold(
                    Response::builder().status(status),
                    |response, (name, value)| response.header(name, value),
                );
                response.body(axum::body::Body::from(body)).unwrap()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    /// Starts one that gives every request but those for tokens the same answer.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |asked| (!asked.line.ends_with("/access_tokens")).then(|| answer.clone()))
            .await
    }

    /// Everything that was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of what was asked and contains `part`.
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        self.asked()
            .into_iter()
            .map(|asked| asked.line)
            .filter(|line| line.contains(part))
            .collect()
    }

    /// The adapter, at this server.
    pub(crate) fn github(&self) -> Github {
        Github::new(Key::at(&self.url), || START)
    }
}

/// GitHub's answer to a request for a token that is good for some seconds.
pub(crate) fn token(number: usize, seconds: u64) -> Answer {
    let expires =
        jiff::Timestamp::from_millisecond(START.plus(Duration::from_secs(seconds)).millis())
            .unwrap();
    answer(
        201,
        json!({ "token": format!("{TOKEN}{number}"), "expires_at": expires.to_string() }),
    )
}

/// The App's key, which may change or be out of reach.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) Arc<Mutex<Result<AppKey, CredentialsUnavailable>>>);

impl Key {
    /// The App's key, of an App of the GitHub there.
    pub(crate) fn at(url: &str) -> Self {
        let key = Self(Arc::new(Mutex::new(Err(CredentialsUnavailable(
            String::new(),
        )))));
        key.set(url, Ok(&KEY));
        key
    }

    pub(crate) fn set(&self, url: &str, key: Result<&str, &str>) {
        let key = key.map(|pem| AppKey {
            app_id: 7,
            private_key: Secret::new(pem),
            url: url.to_owned(),
        });
        *self.0.lock().unwrap() = key.map_err(|why| CredentialsUnavailable(why.to_owned()));
    }
}

#[async_trait]
impl AppCredentials for Key {
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable> {
        self.0.lock().unwrap().clone()
    }
}

/// A clock that a test sets.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn pass(&self, time: Duration) {
        self.0
            .fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(START.millis() + self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn repository(id: i64) -> Target {
    Target {
        installation: InstallationId(1),
        scope: TargetScope::Repository {
            id: RepositoryId(id),
            name: format!("acme/app-{id}"),
        },
        labels: ["self-hosted", "Linux"].into_iter().collect(),
    }
}

pub(crate) fn organization(group: &str) -> Target {
    let scope = TargetScope::Organization {
        id: OwnerId(5),
        login: "acme".to_owned(),
        group: group.to_owned(),
    };
    Target {
        scope,
        ..repository(0)
    }
}

pub(crate) fn name(wanted: u32) -> RunnerName {
    format!("mayfly-linux-01jd0000000000000000000000-{wanted}")
        .parse()
        .unwrap()
}

/// The end of a budget that no test on loopback should reach.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
