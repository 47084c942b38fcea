//! The settings as functions use them: read once in a while, believed for a while, never lost
//! because one reading failed.

mod cache;
mod error;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::signature::WebhookSecret;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use tokio::sync::Mutex;

use self::cache::{Cached, Refresh};
pub use self::error::SettingsError;
use crate::parameter::{Parameter, ParameterStore};
use crate::pools_file::{self, Problem};
use crate::secrets;

/// A refresh out of turn ([`Settings::refresh_pools`]) happens at most this often: anyone who can
/// name unknown pools must not make us call SSM each time.
const FORCED_REFRESH: Duration = Duration::from_secs(3);

/// How many versions to go back from a broken pools file: a person who breaks it by hand repairs
/// it, or breaks it again, within a few versions.
const VERSIONS_BACK: usize = 5;

/// What time it is.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// A reading of the App's key that is under way.
pub type GithubAppReading =
    Pin<Box<dyn Future<Output = Result<Arc<AppKey>, SettingsError>> + Send>>;

/// The time by this machine's clock.
#[must_use]
pub fn system_clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Which parameters a function reads: those whose names it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The pools file.
    pub pools: Option<String>,
    /// What deliveries are signed with.
    pub webhook_secret: Option<String>,
    /// The GitHub App.
    pub github_app: Option<String>,
}

struct Cache {
    pools: Cached<Pools>,
    webhook_secrets: Cached<Vec<WebhookSecret>>,
    github_app: Cached<AppKey>,
}

/// Settings, cached: pools for a minute, secrets for five. What is due is read in one call, anyone
/// who asks first.
///
/// - A failed refresh keeps the last good value, is logged and counted
///   ([`Settings::failed_refreshes`]).
/// - A failure is never cached: without a good value, the next call asks again. Only that a
///   parameter does not exist is believed for a second, and for up to five while it is asked for
///   without a pause.
/// - A pools file that is broken at the first reading is made up for by the newest of the five
///   versions before it that is good.
/// - Concurrent callers wait for one refresh.
pub struct Settings {
    store: Box<dyn ParameterStore>,
    clock: Clock,
    cache: Mutex<Cache>,
    failed_refreshes: AtomicU64,
    no_secret_told: AtomicBool,
    version_asked_for: AtomicU64,
}

impl Settings {
    /// Settings from `store`; nothing is read yet.
    #[must_use]
    pub fn new(store: impl ParameterStore + 'static, parameters: Parameters, clock: Clock) -> Self {
        let cache = Cache {
            pools: Cached::new("the pools file", parameters.pools, timeouts::POOLS_FRESH),
            webhook_secrets: Cached::new(
                "the webhook secret",
                parameters.webhook_secret,
                timeouts::SECRETS_FRESH,
            ),
            github_app: Cached::new(
                "the GitHub App",
                parameters.github_app,
                timeouts::SECRETS_FRESH,
            ),
        };
        Self {
            store: Box::new(store),
            clock,
            cache: Mutex::new(cache),
            failed_refreshes: AtomicU64::new(0),
            no_secret_told: AtomicBool::new(false),
            version_asked_for: AtomicU64::new(0),
        }
    }

    /// The active pools.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if no pools file was ever read well.
    pub async fn pools(&self) -> Result<Arc<Pools>, SettingsError> {
        let mut cache = self.cache.lock().await;
        let now = (self.clock)();
        if cache.pools.is_due(now) {
            self.refresh(&mut cache, now).await;
        }
        cache.pools.value()
    }

    /// The active pools, asked for again: for anyone who meets a pool that the cached file does
    /// not know. At most once in 3 seconds; more often, this is [`Settings::pools`].
    ///
    /// # Errors
    ///
    /// As [`Settings::pools`].
    pub async fn refresh_pools(&self) -> Result<Arc<Pools>, SettingsError> {
        let mut cache = self.cache.lock().await;
        let now = (self.clock)();
        if cache.pools.is_due(now) || cache.pools.was_asked_before(now, FORCED_REFRESH) {
            cache.pools.expire(now);
            self.refresh(&mut cache, now).await;
        }
        cache.pools.value()
    }

    /// The active pools, asked for again if the cached file is older than this version, which is
    /// known to be written: at once, and for the same version then at most once in 3 seconds. It
    /// may still be older: SSM says nowhere that a read shows what was written just before.
    ///
    /// # Errors
    ///
    /// As [`Settings::pools`].
    pub async fn pools_from(&self, version: u64) -> Result<Arc<Pools>, SettingsError> {
        let mut cache = self.cache.lock().await;
        let now = (self.clock)();
        let older = cache
            .pools
            .value()
            .map_or(true, |pools| pools.version < version);
        let first = self.version_asked_for.swap(version, Ordering::Relaxed) != version;
        if cache.pools.is_due(now)
            || (older && (first || cache.pools.was_asked_before(now, FORCED_REFRESH)))
        {
            cache.pools.expire(now);
            self.refresh(&mut cache, now).await;
        }
        cache.pools.value()
    }

    /// The secrets that deliveries may be signed with: one, two while rotating. None if there are
    /// none, and then every delivery must be refused.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if they could not be read, or are not of the form that they should have.
    pub async fn webhook_secrets(&self) -> Result<Arc<Vec<WebhookSecret>>, SettingsError> {
        let mut cache = self.cache.lock().await;
        let now = (self.clock)();
        if cache.webhook_secrets.is_due(now) {
            self.refresh(&mut cache, now).await;
        }
        let secrets = match cache.webhook_secrets.value() {
            Err(SettingsError::Missing { .. }) => Arc::new(Vec::new()),
            other => other?,
        };
        // Once, not for each request that anyone sends.
        let told = self
            .no_secret_told
            .swap(secrets.is_empty(), Ordering::Relaxed);
        if secrets.is_empty() && !told {
            tracing::error!(
                settings_problems = 1,
                "there is no webhook secret: every delivery is refused until one is written to its parameter"
            );
        }
        Ok(secrets)
    }

    /// The GitHub App: its id and key.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if it could not be read, or is not of the form that it should have.
    pub async fn github_app(&self) -> Result<Arc<AppKey>, SettingsError> {
        let mut cache = self.cache.lock().await;
        let now = (self.clock)();
        if cache.github_app.is_due(now) {
            self.refresh(&mut cache, now).await;
        }
        cache.github_app.value()
    }

    /// Reads [`Self::github_app`] at each call. It owns its part of the settings, so that a client
    /// of GitHub can keep it.
    pub fn github_app_reader(
        self: &Arc<Self>,
    ) -> impl Fn() -> GithubAppReading + Send + Sync + use<> {
        let settings = Arc::clone(self);
        move || {
            let settings = Arc::clone(&settings);
            Box::pin(async move { settings.github_app().await })
        }
    }

    /// How often a setting could not be read, or was read and is of no use, since this process
    /// began.
    #[must_use]
    pub fn failed_refreshes(&self) -> u64 {
        self.failed_refreshes.load(Ordering::Relaxed)
    }

    /// Reads whatever is due, in one call. The caller holds the lock meanwhile: others wait, and
    /// then find it done.
    async fn refresh(&self, cache: &mut Cache, now: Timestamp) {
        let due: Vec<String> = [
            cache.pools.due(now),
            cache.webhook_secrets.due(now),
            cache.github_app.due(now),
        ]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
        let names: Vec<&str> = due.iter().map(String::as_str).collect();
        let answer = self.store.read(&names).await;
        let now = (self.clock)();
        let taken = [
            cache.pools.take(&due, &answer, now, read_pools),
            cache
                .webhook_secrets
                .take(&due, &answer, now, read_webhook_secrets),
            cache.github_app.take(&due, &answer, now, read_app_key),
        ];
        self.fall_back(cache, now).await;
        let failed = taken
            .into_iter()
            .filter(|taken| *taken == Refresh::Failed)
            .count();
        self.failed_refreshes
            .fetch_add(u64::try_from(failed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Settings {
    /// A process that never had a good pools file, and finds a broken one, takes the newest earlier
    /// version that is good: what others, which had it, go on with as well. Without one, the
    /// failure stands.
    async fn fall_back(&self, cache: &mut Cache, now: Timestamp) {
        let Some((name, broken)) = cache.pools.broken() else {
            return;
        };
        for version in (1..broken).rev().take(VERSIONS_BACK) {
            // One by one: nothing says that SSM takes several versions of one parameter in one
            // call.
            let Ok(answer) = self.store.read(&[&format!("{name}:{version}")]).await else {
                return;
            };
            let Some(parameter) = answer.into_iter().find(|found| found.version == version) else {
                continue;
            };
            if let Ok(pools) = read_pools(&parameter) {
                cache.pools.take_earlier(pools, version, now);
                return;
            }
        }
    }
}

fn read_webhook_secrets(parameter: &Parameter) -> Result<Vec<WebhookSecret>, Vec<String>> {
    let secrets = secrets::read_webhook_secrets(&parameter.value)
        .map_err(|problem| vec![problem.to_string()])?;
    let all = secrets.map(|secrets| [Some(secrets.current), secrets.previous]);
    let all = all.into_iter().flatten().flatten();
    Ok(all.filter_map(WebhookSecret::new).collect())
}

fn read_app_key(parameter: &Parameter) -> Result<AppKey, Vec<String>> {
    secrets::read_app_key(&parameter.value).map_err(|problem| vec![problem.to_string()])
}

fn read_pools(parameter: &Parameter) -> Result<Pools, Vec<String>> {
    pools_file::parse(&parameter.value, parameter.version)
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}
