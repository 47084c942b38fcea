//! A GitHub to talk to, and the adapter that talks to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::id::{GithubRunnerId, InstallationId, OwnerId, RepositoryId, RunnerName};
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::target::{Repository, Target, TargetScope};
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{
    AppCredentials, CredentialsUnavailable, Github, RegisterError, Registration, Registrations as _,
};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::faults::ApiFaults;
use mayfly_github_model::id::{AccountId, SessionId};
use mayfly_github_model::jobs::NewJob;
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::model::Model;
use mayfly_github_model::server::Server;
use serde_json::Value;
use tokio::time::Instant;

/// Making a key takes a while: one for all tests.
pub(crate) static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
static OTHER_KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// What most jobs and runners here have.
pub(crate) const LABELS: [&str; 2] = ["self-hosted", "mayfly"];

/// The App's operations, by the names of GitHub's description.
pub(crate) const TOKEN: &str = "apps/create-installation-access-token";
pub(crate) const MINT: &str = "actions/generate-runner-jitconfig-for-repo";

/// The App's credentials, which do not change.
struct Fixed(AppKey);

#[async_trait]
impl AppCredentials for Fixed {
    async fn app_key(&self) -> Result<AppKey, CredentialsUnavailable> {
        Ok(self.0.clone())
    }
}

/// GitHub, and the adapter with a clock that can be put forward.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) github: Github,
    ahead: Arc<AtomicI64>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let (app, key) = (1_234_567, KEY.private_pem.clone());
        Self::start_as(app, &key).await
    }

    /// With a key that is not the App's.
    pub(crate) async fn start_with_a_wrong_key() -> Self {
        let key = OTHER_KEY.private_pem.clone();
        Self::start_as(1_234_567, &key).await
    }

    /// With an App's id that is no one's.
    pub(crate) async fn start_with_a_wrong_id() -> Self {
        let key = KEY.private_pem.clone();
        Self::start_as(1, &key).await
    }

    async fn start_as(app_id: u64, pem: &str) -> Self {
        let server = Server::start_with(([127, 0, 0, 1], 0).into(), 1, false, &KEY)
            .await
            .unwrap();
        server.with(|model| {
            model
                .accounts_mut()
                .mention("acme/app", jiff::Timestamp::now());
        });
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&ahead);
        let credentials = Fixed(AppKey {
            app_id,
            private_key: Secret::new(pem),
            url: server.url.clone(),
        });
        let now = move || {
            Timestamp::from_millis(
                jiff::Timestamp::now().as_millisecond() + clock.load(Ordering::SeqCst),
            )
        };
        let github = Github::new(credentials, now);
        Self {
            server,
            github,
            ahead,
        }
    }

    /// Puts the adapter's clock forward; GitHub's stays.
    pub(crate) fn put_forward(&self, time: Duration) {
        self.ahead
            .fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How many calls of an operation there were.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.server.with(|model| model.calls().of(operation))
    }

    pub(crate) fn faults(&self, faults: ApiFaults) {
        self.server.with(|model| model.faults.api = faults);
    }

    /// Answers and requests so far.
    pub(crate) fn exchanges(&self) -> Value {
        self.server.with(|model| {
            serde_json::to_value(model.exchanges().all().collect::<Vec<_>>()).unwrap()
        })
    }

    /// A repository as deliveries name it; made if it is new.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        self.server.with(|model| {
            let id = model.accounts_mut().mention(name, jiff::Timestamp::now());
            let found = model.accounts().repository(id).unwrap();
            Repository {
                id: RepositoryId(id.0),
                name: name.to_owned(),
                owner: OwnerId(found.owner.0),
                private: found.private,
            }
        })
    }

    /// The App's installation on an account.
    pub(crate) fn installation(&self, account: AccountId) -> InstallationId {
        self.server
            .with(|model| InstallationId(model.accounts().installation_on(account).unwrap().id.0))
    }

    /// `acme/app` as a target.
    pub(crate) fn app(&self) -> Target {
        self.target("acme/app")
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        let repository = self.repository(name);
        Target {
            installation: self.installation(AccountId(repository.owner.0)),
            scope: TargetScope::Repository {
                id: repository.id,
                name: repository.name,
            },
            labels: LABELS.into_iter().collect(),
        }
    }

    /// A runner group of acme as a target.
    pub(crate) fn organization(&self, group: &str) -> Target {
        let scope = TargetScope::Organization {
            id: OwnerId(ACME.0),
            login: "acme".to_owned(),
            group: group.to_owned(),
        };
        Target {
            installation: self.installation(ACME),
            scope,
            labels: LABELS.into_iter().collect(),
        }
    }

    pub(crate) async fn register(
        &self,
        target: &Target,
        wanted: u32,
    ) -> Result<Registration, RegisterError> {
        self.github.register(target, &name(wanted), soon()).await
    }

    /// A runner of `acme/app` that has a job.
    pub(crate) async fn busy(&self, wanted: u32) -> (GithubRunnerId, SessionId) {
        self.queue();
        let registration = self.register(&self.app(), wanted).await.unwrap();
        let session = self.at(|model, now| {
            let session = model
                .open_session(registration.jit_config.expose(), now)
                .unwrap()
                .0;
            model.poll(&session, now).unwrap().unwrap();
            model.start(&session, now).unwrap();
            session
        });
        (registration.id, session)
    }

    /// A job of `acme/app` that waits.
    pub(crate) fn queue(&self) -> mayfly_domain::model::id::JobId {
        self.at(queue_in)
    }

    /// Something that happens at GitHub now.
    pub(crate) fn at<T>(&self, act: impl FnOnce(&mut Model, jiff::Timestamp) -> T) -> T {
        self.server.with(|model| act(model, jiff::Timestamp::now()))
    }
}

/// A job of `acme/app` that waits from now on.
pub(crate) fn queue_in(model: &mut Model, now: jiff::Timestamp) -> mayfly_domain::model::id::JobId {
    let labels = LABELS.iter().map(|label| (*label).to_owned()).collect();
    let wish = NewJob {
        repository: "acme/app".to_owned(),
        labels,
        ..NewJob::default()
    };
    mayfly_domain::model::id::JobId(model.queue(&wish, now)[0].0)
}

pub(crate) fn name(wanted: u32) -> RunnerName {
    format!("mayfly-linux-01jd0000000000000000000000-{wanted}")
        .parse()
        .unwrap()
}

/// The end of a budget that no call on loopback should reach.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
