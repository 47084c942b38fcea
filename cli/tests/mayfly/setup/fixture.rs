//! A deployment in virtual time, and someone who sets it up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mayfly_cli::commands::init::setup_flow::{Say, SetupFlow};
use mayfly_cli::commands::rotate::place::Place;
use mayfly_cli::commands::rotate::secret::{Rotated, rotate};
use mayfly_cli::deployment::secrets_store::{Existing, Kept, SecretsStore, already_there};
use mayfly_cli::failure::Failure;
use mayfly_cli::github::setup::GithubSetup;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{CallError, Conversions as _, NewApp};
use mayfly_github_model::id::DeliveryId;
use mayfly_github_model::jobs::NewJob;
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::wire::Request;
use mayfly_simulator::system::{Github, Start, System};
use tokio::time::Instant;

pub(crate) const APP: &str = "/mayfly/mayfly/github-app";
pub(crate) const SECRET: &str = "/mayfly/mayfly/webhook-secret";
/// Where people read the App's jobs.
pub(crate) const GITHUB: &str = "/mayfly/mayfly/github";

/// What is as good as a private key here: no one signs with it.
pub(crate) const PEM: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----\n";

/// The system's parameters, as a vault.
pub(crate) struct Lockbox {
    system: System,
    /// Writes of this parameter that are refused.
    pub(crate) refuses: Mutex<Option<&'static str>>,
    pub(crate) writes: AtomicUsize,
}

#[async_trait]
impl SecretsStore for Lockbox {
    async fn read(&self, name: &str) -> Result<Option<Kept>, Failure> {
        self.system.world.travel().await;
        Ok(self
            .system
            .world
            .parameters
            .get(name)
            .map(|(text, version)| Kept {
                text: Secret::new(text),
                version,
            }))
    }

    async fn write(&self, name: &str, text: &Secret, existing: Existing) -> Result<u64, Failure> {
        self.system.world.travel().await;
        if *self.refuses.lock().unwrap() == Some(name) {
            return Err(Failure::new(
                format!("write the SSM parameter {name}: AccessDeniedException"),
                "these credentials may not do that",
            ));
        }
        let there = self.system.world.parameters.get(name).is_some();
        if there && existing == Existing::Keep {
            return Err(already_there(name));
        }
        let version = self.system.world.parameters.put(name, text.expose());
        self.writes.fetch_add(1, Ordering::Relaxed);
        // The way back: anyone who is killed here never learns that it was written.
        self.system.world.travel().await;
        Ok(version)
    }

    async fn publish(&self, name: &str, text: &str) -> Result<(), Failure> {
        self.system.world.travel().await;
        self.system.world.parameters.put(name, text);
        Ok(())
    }
}

/// The system's GitHub.
pub(crate) struct Gate(pub(crate) System);

#[async_trait]
impl GithubSetup for Gate {
    type App = Github;

    async fn convert(&self, _: &str, code: &str, by: Instant) -> Result<NewApp, CallError> {
        self.0.github_for("mayfly").convert(code, by).await
    }

    fn enter(&self, _: &AppKey) -> Result<Github, Failure> {
        Ok(self.0.github_for("mayfly"))
    }
}

/// Keeps what is said.
#[derive(Default)]
pub(crate) struct Ears(pub(crate) Mutex<Vec<String>>);

impl Say for Ears {
    fn say(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Ears {
    pub(crate) fn heard(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// A deployment, and all that someone has who sets it up.
pub(crate) struct Fixture {
    pub(crate) system: System,
    pub(crate) secrets_store: Lockbox,
    pub(crate) github_setup: Gate,
    pub(crate) ears: Ears,
}

impl Fixture {
    /// A deployment with an App.
    pub(crate) fn with_app(seed: u64) -> Self {
        let system = Start::seeded(seed).without_sweeps().begin().unwrap();
        let app = serde_json::json!({ "app_id": 1_234_567, "private_key": PEM, "url": "https://github.test" });
        system.world.parameters.put(APP, &app.to_string());
        let secrets_store = Lockbox {
            system: system.clone(),
            refuses: Mutex::default(),
            writes: AtomicUsize::new(0),
        };
        Self {
            secrets_store,
            github_setup: Gate(system.clone()),
            ears: Ears::default(),
            system,
        }
    }

    /// A deployment without an App.
    pub(crate) fn bare(seed: u64) -> Self {
        let fixture = Self::with_app(seed);
        fixture.system.world.parameters.remove(APP);
        fixture.system.world.parameters.remove(SECRET);
        fixture
    }

    pub(crate) fn flow(&self, existing: Existing) -> SetupFlow<'_, Gate, Lockbox> {
        SetupFlow {
            github_setup: &self.github_setup,
            secrets_store: &self.secrets_store,
            teller: &self.ears,
            github: "https://github.test".to_owned(),
            webhook_url: "https://mayfly.test/webhook".to_owned(),
            stack: "mayfly".to_owned(),
            existing,
        }
    }

    pub(crate) async fn rotate_at(&self, clock: &Now) -> Result<Rotated, Failure> {
        rotate(&self.place(clock)).await
    }

    pub(crate) fn place<'a>(&'a self, clock: &'a Now) -> Place<'a, Gate, Lockbox> {
        Place {
            github_setup: &self.github_setup,
            secrets_store: &self.secrets_store,
            teller: &self.ears,
            clock: clock.as_ref(),
            stack: "mayfly".to_owned(),
        }
    }

    pub(crate) fn clock(&self) -> Now {
        let clock = self.system.world.clock;
        Arc::new(move || clock.now())
    }

    /// What someone does on GitHub's pages; the code that the browser is sent back with.
    pub(crate) fn make_at_github(&self, manifest: &serde_json::Value) -> String {
        self.system.world.with_github(|github, now| {
            let half = KeyPair::without_private_half().unwrap();
            github.provide_key(KeyPair {
                private_pem: PEM.to_owned(),
                ..half
            });
            let form = |path: &str, body: String| Request {
                body: body.into_bytes(),
                ..Request::new("POST", path)
            };
            let mut posted = form(
                "/organizations/acme/settings/apps/new",
                format!("manifest={}", encoded(&manifest.to_string())),
            );
            posted.query.insert("state".to_owned(), "5tate".to_owned());
            let page = github.web(&posted, now).html.unwrap();
            let draft = between(&page, "name=\"draft\" value=\"", "\"");
            let made = github.web(
                &form(
                    "/settings/apps/confirm",
                    format!("draft={draft}&name=mayfly-acme"),
                ),
                now,
            );
            assert_eq!(made.status, 302, "{made:?}");
            let location = &made
                .headers
                .iter()
                .find(|(name, _)| name == "location")
                .unwrap()
                .1;
            between(location, "code=", "&").to_owned()
        })
    }

    /// Jobs at a steady pace, for as long as the story goes on.
    pub(crate) fn keep_busy(&self) {
        let system = self.system.clone();
        tokio::spawn(async move {
            loop {
                // They run at GitHub: webhook is told of them all the same.
                let labels = vec!["ubuntu-latest".to_owned()];
                system.queue_jobs(&NewJob {
                    labels,
                    seconds: 5.0,
                    ..NewJob::default()
                });
                tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            }
        });
    }

    /// What was delivered and not accepted, from this delivery on.
    pub(crate) fn not_accepted(&self, from: DeliveryId) -> Vec<(String, u16)> {
        self.system.world.with_github(|github, _| {
            let over =
                github
                    .deliveries()
                    .filter(|one| one.id >= from)
                    .filter_map(|one| match &one.stage {
                        mayfly_github_model::deliveries::Stage::Over(outcome)
                            if !outcome.is_success() =>
                        {
                            Some((one.event.clone(), outcome.code))
                        }
                        _ => None,
                    });
            over.collect()
        })
    }

    /// How many deliveries arrived.
    pub(crate) fn accepted(&self) -> usize {
        self.system.world.with_github(|github, _| {
            let over = github
                .deliveries()
                .filter(|one| matches!(&one.stage, mayfly_github_model::deliveries::Stage::Over(outcome) if outcome.is_success()));
            over.count()
        })
    }

    /// What the webhook's parameter holds.
    pub(crate) fn secrets(&self) -> serde_json::Value {
        serde_json::from_str(&self.system.world.parameters.get(SECRET).unwrap().0).unwrap()
    }

    /// What GitHub signs with.
    pub(crate) fn signed_with(&self) -> String {
        self.system
            .world
            .with_github(|github, _| github.hook.secret.clone())
    }
}

/// What time it is.
pub(crate) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Runs a story in a runtime of its own, whose clock jumps.
pub(crate) fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}
