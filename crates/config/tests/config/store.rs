//! When settings are read, believed and kept, against a parameter store in memory and a clock that
//! the test moves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store::{Parameters, Settings, SettingsError};
use mayfly_domain::model::time::Timestamp;

const POOLS: &str = "[github]\naccounts = [\"acme\"]\n[pools.linux]\nlabels = [\"mayfly\"]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 3\n";

#[derive(Default)]
struct State {
    parameters: BTreeMap<String, Parameter>,
    /// Every version there was, by `<name>:<version>`.
    history: BTreeMap<String, Parameter>,
    down: bool,
    /// What was asked for, call by call.
    calls: Vec<Vec<String>>,
}

/// A parameter store in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[expect(clippy::unwrap_used, reason = "helpers of tests")]
impl Memory {
    fn put(&self, name: &str, value: &str) {
        let mut state = self.0.lock().unwrap();
        let version = state.parameters.get(name).map_or(0, |old| old.version) + 1;
        let parameter = Parameter {
            name: name.to_owned(),
            value: value.to_owned(),
            version,
        };
        state
            .history
            .insert(format!("{name}:{version}"), parameter.clone());
        state.parameters.insert(name.to_owned(), parameter);
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().parameters.remove(name);
    }

    fn down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    fn calls(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

#[async_trait]
#[expect(clippy::unwrap_used, reason = "helper of tests")]
impl ParameterStore for Memory {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        // Gives way, as a call over the network does: others get their turn meanwhile.
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        state
            .calls
            .push(names.iter().map(|&name| name.to_owned()).collect());
        if state.down {
            return Err(Unreadable {
                names: names.join(", "),
                reason: "down".to_owned(),
                denied: false,
            });
        }
        Ok(names
            .iter()
            .filter_map(|&name| {
                state
                    .parameters
                    .get(name)
                    .or_else(|| state.history.get(name))
                    .cloned()
            })
            .collect())
    }
}

/// Settings, the store behind them, and the seconds that have passed.
struct World {
    settings: Settings,
    store: Memory,
    seconds: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let store = Memory::default();
        store.put("pools", POOLS);
        store.put("secret", r#"{"current": "a"}"#);
        store.put(
            "app",
            r#"{"app_id": 5, "private_key": "-----BEGIN RSA PRIVATE KEY-----"}"#,
        );
        let seconds = Arc::new(AtomicI64::new(1_700_000_000));
        let clock = Arc::clone(&seconds);
        let parameters = Parameters {
            pools: Some("pools".into()),
            webhook_secret: Some("secret".into()),
            github_app: Some("app".into()),
        };
        let clock = Box::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed) * 1000));
        Self {
            settings: Settings::new(store.clone(), parameters, clock),
            store,
            seconds,
        }
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn max(&self) -> u32 {
        self.settings
            .pools()
            .await
            .map_or(0, |pools| pools.pools[0].max)
    }

    /// Writes a pools file with this `max`.
    fn put_max(&self, max: u32) {
        self.store
            .put("pools", &POOLS.replace("max = 3", &format!("max = {max}")));
    }
}

/// The App's key is used where it belongs, whatever the writer of the pools file would like.
#[tokio::test]
async fn a_pools_file_that_says_where_github_is_does_not_come_into_force() {
    let world = World::new();
    assert_eq!(world.max().await, 3);
    world.store.put(
        "pools",
        &POOLS
            .replace("[github]", "[github]\nurl = \"https://github.example.com\"")
            .replace("max = 3", "max = 9"),
    );
    world.pass(61);
    assert_eq!(world.max().await, 3, "the last good file stays");
    assert_eq!(world.settings.failed_refreshes(), 1);
    assert_eq!(
        world.settings.github_app().await.unwrap().url,
        "https://github.com"
    );
}

#[tokio::test]
async fn a_cold_start_reads_everything_in_one_call() {
    let world = World::new();
    assert_eq!(world.settings.webhook_secrets().await.unwrap().len(), 1);
    assert_eq!(world.max().await, 3);
    assert_eq!(world.settings.github_app().await.unwrap().app_id, 5);
    assert_eq!(world.settings.pools().await.unwrap().version, 1);
    assert_eq!(world.store.calls(), [["pools", "secret", "app"]]);
}

#[tokio::test]
async fn pools_are_believed_for_a_minute_and_secrets_for_five() {
    let world = World::new();
    world.max().await;
    world.put_max(9);
    world.pass(59);
    assert_eq!(world.max().await, 3);
    world.pass(1);
    assert_eq!(world.max().await, 9);
    world.settings.webhook_secrets().await.unwrap();
    world.store.calls();
    world.pass(240);
    world.settings.webhook_secrets().await.unwrap();
    assert_eq!(world.store.calls(), [["pools", "secret", "app"]]);
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_last_good_value_and_is_counted() {
    let world = World::new();
    world.max().await;
    world.store.down(true);
    world.pass(300);
    assert_eq!(world.max().await, 3);
    assert_eq!(world.settings.webhook_secrets().await.unwrap().len(), 1);
    assert_eq!(world.settings.failed_refreshes(), 3);
}

#[tokio::test]
async fn a_store_that_is_down_is_not_asked_at_every_call() {
    let world = World::new();
    world.max().await;
    world.store.down(true);
    world.pass(60);
    world.store.calls();
    world.max().await;
    world.max().await;
    assert_eq!(world.store.calls().len(), 1);
    world.put_max(9);
    world.store.down(false);
    world.pass(5);
    assert_eq!(world.max().await, 9);
}

#[tokio::test]
async fn a_first_reading_that_fails_is_tried_again_at_the_next_call() {
    let world = World::new();
    world.store.down(true);
    assert!(matches!(
        world.settings.pools().await,
        Err(SettingsError::Unreadable(_))
    ));
    world.store.down(false);
    assert_eq!(world.max().await, 3);
}

#[tokio::test]
async fn a_broken_pools_file_leaves_the_last_good_one_in_force() {
    let world = World::new();
    world.max().await;
    world.store.put("pools", "[pools]\nmax = ");
    world.pass(60);
    assert_eq!(world.max().await, 3);
    assert_eq!(world.settings.failed_refreshes(), 1);
    world.put_max(4);
    world.pass(5);
    assert_eq!(world.max().await, 4);
}

#[tokio::test]
async fn a_cold_start_with_a_broken_pools_file_takes_the_newest_version_that_is_good() {
    let world = World::new();
    world.put_max(4);
    world.store.put("pools", "[pools]\nmax = ");
    world.store.put("pools", "broken still");
    let pools = world.settings.pools().await.unwrap();
    assert_eq!((pools.pools[0].max, pools.version), (4, 2));
    assert_eq!(
        world.store.calls(),
        [
            vec!["pools", "secret", "app"],
            vec!["pools:3"],
            vec!["pools:2"]
        ]
    );
    // Believed for a moment, and then only the newest one is asked for.
    world.pass(4);
    assert_eq!((world.max().await, world.store.calls().len()), (4, 0));
    world.pass(1);
    assert_eq!(
        (world.max().await, world.store.calls()),
        (4, vec![vec!["pools".to_owned()]])
    );
    world.put_max(9);
    world.pass(5);
    assert_eq!(
        (
            world.max().await,
            world.settings.pools().await.unwrap().version
        ),
        (9, 5)
    );
}

/// However few versions lie between the good one and the one that is mended.
#[tokio::test]
async fn a_pools_file_that_is_mended_is_in_force_within_seconds_where_a_function_began_while_it_was_broken()
 {
    let world = World::new();
    world.store.put("pools", "[pools]\nmax = ");
    assert_eq!(world.max().await, 3);
    world.pass(5);
    assert_eq!(world.max().await, 3, "it is broken still");
    world.put_max(9);
    world.pass(5);
    assert_eq!(world.max().await, 9);
}

#[tokio::test]
async fn a_good_version_is_looked_for_five_versions_back_and_no_further() {
    let world = World::new();
    for broken in 0..6 {
        world.store.put("pools", &format!("broken {broken}"));
    }
    let error = world.settings.pools().await.unwrap_err().to_string();
    assert!(error.contains("version 7"), "{error}");
    assert_eq!(world.store.calls().len(), 1 + 5);
    world.store.put("pools", POOLS);
    world.store.put("pools", "broken once more");
    assert_eq!(world.settings.pools().await.unwrap().version, 8);
}

#[tokio::test]
async fn a_store_that_keeps_no_versions_leaves_the_error_of_the_broken_file() {
    let world = World::new();
    world.store.0.lock().unwrap().history.clear();
    world.store.put("pools", "broken");
    world.store.0.lock().unwrap().history.clear();
    assert!(matches!(
        world.settings.pools().await,
        Err(SettingsError::Invalid { version: 2, .. })
    ));
}

#[tokio::test]
async fn a_pools_file_that_was_never_good_is_an_error_that_names_every_problem() {
    let world = World::new();
    world.store.remove("pools");
    world.store.put("pools", "[github]\naccounts = []\n");
    let error = world.settings.pools().await.unwrap_err().to_string();
    assert!(
        error.contains("line 2: github.accounts") && error.contains("there is no pool"),
        "{error}"
    );
    assert!(error.contains("version 1"), "{error}");
}

#[tokio::test]
async fn an_unknown_pool_forces_a_refresh_but_not_at_every_call() {
    let world = World::new();
    world.max().await;
    world.put_max(9);
    world.pass(3);
    assert_eq!(
        world.settings.refresh_pools().await.unwrap().pools[0].max,
        9
    );
    world.put_max(10);
    world.pass(2);
    assert_eq!(
        world.settings.refresh_pools().await.unwrap().pools[0].max,
        9
    );
    world.pass(1);
    assert_eq!(
        world.settings.refresh_pools().await.unwrap().pools[0].max,
        10
    );
}

#[tokio::test]
async fn a_version_that_is_known_to_be_written_is_read_at_once_and_asked_for_no_more_than_others() {
    let world = World::new();
    world.max().await;
    world.put_max(9);
    world.store.calls();
    assert_eq!(
        world.settings.pools_from(1).await.unwrap().pools[0].max,
        3,
        "version 1 is at hand"
    );
    assert_eq!(world.store.calls().len(), 0);
    assert_eq!(world.settings.pools_from(2).await.unwrap().pools[0].max, 9);
    // One that is told of and is not there (its parameter was deleted and made again).
    for _ in 0..30 {
        assert_eq!(world.settings.pools_from(7).await.unwrap().version, 2);
    }
    assert_eq!(world.store.calls().len(), 2);
    world.pass(3);
    world.settings.pools_from(7).await.unwrap();
    assert_eq!(world.store.calls().len(), 1);
}

#[tokio::test]
async fn a_parameter_that_is_missing_is_an_error_but_no_secret_is_an_empty_list() {
    let world = World::new();
    world.store.remove("pools");
    world.store.remove("secret");
    assert!(
        matches!(world.settings.pools().await, Err(SettingsError::Missing { parameter }) if parameter == "pools")
    );
    assert!(world.settings.webhook_secrets().await.unwrap().is_empty());
    world.store.put("secret", r#"{"current": ""}"#);
    assert!(world.settings.webhook_secrets().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_secret_that_was_written_a_second_ago_is_found() {
    let world = World::new();
    world.store.remove("secret");
    // As in README's first minutes: GitHub pings the new App, and tells of its installation some
    // time later.
    for quiet in [0, 10, 30] {
        world.pass(quiet);
        assert!(world.settings.webhook_secrets().await.unwrap().is_empty());
    }
    world.store.put("secret", r#"{"current": "a"}"#);
    assert!(world.settings.webhook_secrets().await.unwrap().is_empty());
    world.pass(1);
    assert_eq!(world.settings.webhook_secrets().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_parameter_that_does_not_exist_is_asked_for_once_in_five_seconds_by_one_who_never_stops()
{
    let world = World::new();
    world.store.remove("secret");
    let mut asked_at = Vec::new();
    for second in 0..60 {
        for _ in 0..30 {
            assert!(world.settings.webhook_secrets().await.unwrap().is_empty());
        }
        asked_at.extend(world.store.calls().iter().map(|_| second));
        world.pass(1);
    }
    assert_eq!(
        asked_at,
        [0, 1, 3, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57]
    );
    // Nor does it help to wait a little.
    for _ in 0..12 {
        world.settings.webhook_secrets().await.unwrap();
        world.pass(5);
    }
    assert_eq!(world.store.calls().len(), 11);
}

/// Counts the lines that say that a person has to act.
struct Errors(Arc<AtomicI64>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn that_there_is_no_secret_is_told_once_and_again_when_one_was_there_meanwhile() {
    let told = Arc::new(AtomicI64::new(0));
    let _guard = mayfly_test_support::log::listen(Errors(Arc::clone(&told)));
    let world = World::new();
    for (secret, expected) in [
        ("{}", 1),
        (r#"{"current": "a"}"#, 1),
        (r#"{"current": ""}"#, 2),
    ] {
        world.store.put("secret", secret);
        world.pass(300);
        for _ in 0..30 {
            world.settings.webhook_secrets().await.unwrap();
        }
        assert_eq!(told.load(Ordering::Relaxed), expected, "{secret}");
    }
}

#[tokio::test]
async fn a_rotated_secret_is_taken_over() {
    let world = World::new();
    world.settings.webhook_secrets().await.unwrap();
    world
        .store
        .put("secret", r#"{"current": "b", "previous": "a"}"#);
    world.pass(300);
    assert_eq!(world.settings.webhook_secrets().await.unwrap().len(), 2);
}

#[tokio::test]
async fn concurrent_callers_share_one_reading() {
    let world = World::new();
    let (one, two, three) = tokio::join!(
        world.settings.pools(),
        world.settings.webhook_secrets(),
        world.settings.refresh_pools()
    );
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(world.store.calls().len(), 1);
}

#[tokio::test]
async fn a_function_without_the_parameter_is_told_so() {
    let settings = Settings::new(
        Memory::default(),
        Parameters::default(),
        Box::new(|| Timestamp::from_millis(1)),
    );
    assert!(matches!(
        settings.github_app().await,
        Err(SettingsError::NotConfigured(_))
    ));
}
