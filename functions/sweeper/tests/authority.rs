//! Who may say where the App's key is used: not the writer of the pools file.
//!
//! The function sweeper as it runs, with the real adapter and the real settings, beside two
//! servers: GitHub, and one of the attacker's. Each request of the App's carries a JWT that GitHub
//! takes for ten minutes, so one that reaches another server is the App's authority given away.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store::{Parameters, Settings, system_clock};
use mayfly_domain::model::id::{PoolName, RunnerAddress, TaskArn};
use mayfly_dynamodb_model::Model;
use mayfly_ecs::{DescribeTasks, Described, EcsError, StopTask};
use mayfly_github::Github;
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::server::Server;
use mayfly_queue::{NotSent, Wakes};
use mayfly_sweeper::{Deps, Sweeper};
use serde_json::json;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

const POOLS: &str = "[github]\naccounts = [\"acme\"]\n[pools.linux]\nlabels = [\"mayfly\"]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 3\n";

/// Parameter Store with every version: what the person who set it up wrote, and what an operator
/// may overwrite.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<Parameter>>>);

impl Store {
    fn put(&self, name: &str, value: &str) {
        let mut all = self.0.lock().unwrap();
        let version = 1 + all.iter().filter(|one| one.name == name).count() as u64;
        all.push(Parameter {
            name: name.to_owned(),
            value: value.to_owned(),
            version,
        });
    }
}

#[async_trait]
impl ParameterStore for Store {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        let all = self.0.lock().unwrap();
        let found = names
            .iter()
            .filter_map(|asked| match asked.split_once(':') {
                Some((name, version)) => all
                    .iter()
                    .find(|one| one.name == name && one.version.to_string() == version),
                None => all.iter().rev().find(|one| one.name == *asked),
            });
        Ok(found.cloned().collect())
    }
}

/// An ECS without tasks, and pools that need no waking.
struct Nothing;

#[async_trait]
impl DescribeTasks for Nothing {
    async fn describe(&self, _: &[TaskArn]) -> Result<Vec<Described>, EcsError> {
        Ok(Vec::new())
    }

    async fn list_by_started_by(&self, _: &RunnerAddress) -> Result<Vec<TaskArn>, EcsError> {
        Ok(Vec::new())
    }

    async fn list_all(&self) -> Result<Vec<TaskArn>, EcsError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl StopTask for Nothing {
    async fn stop(&self, _: &TaskArn, _: &str) -> Result<(), EcsError> {
        Ok(())
    }
}

#[async_trait]
impl Wakes for Nothing {
    async fn wake(&self, _: &PoolName) -> Result<(), NotSent> {
        Ok(())
    }
}

/// A server of an attacker who would like to be the App; what came there.
async fn attacker() -> (String, Arc<Mutex<Vec<String>>>) {
    let came = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&came);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let take = async move |request: Request| {
        log.lock()
            .unwrap()
            .push(format!("{} {}", request.method(), request.uri()));
        "[]"
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    (url, came)
}

async fn sweep(store: &Store) {
    let parameters = Parameters {
        pools: Some("pools".into()),
        github_app: Some("github-app".into()),
        ..Parameters::default()
    };
    // A cold start for every sweep: nothing is remembered of an earlier file.
    let settings = Arc::new(Settings::new(
        store.clone(),
        parameters,
        Box::new(system_clock),
    ));
    let github = Github::new(settings.github_app_reader(), system_clock);
    let world = Deps {
        ecs: Nothing,
        github,
        wakes: Nothing,
        archive: None,
        clock: Box::new(system_clock),
    };
    Sweeper::new(Model::new().ledger("sweeper"), settings, world)
        .sweep("attack")
        .await
        .unwrap();
}

#[tokio::test]
async fn writer_of_the_pools_file_does_not_choose_who_receives_what_the_app_s_key_signs() {
    let github = Server::start_with(([127, 0, 0, 1], 0).into(), 1, false, &KEY)
        .await
        .unwrap();
    let (elsewhere, came) = attacker().await;
    let asked = || github.with(|model| model.calls().of("apps/list-webhook-deliveries"));
    let store = Store::default();
    store.put(
        "github-app",
        &json!({ "app_id": 1_234_567, "private_key": KEY.private_pem, "url": github.url })
            .to_string(),
    );
    store.put("pools", POOLS);
    Box::pin(sweep(&store)).await;
    assert_eq!(asked(), 1, "the App works, at GitHub");

    // The whole of an operator's power: the pools file, in each form in which an address could
    // stand.
    for line in [
        format!("url = \"{elsewhere}\""),
        format!("github_url = \"{elsewhere}\""),
        format!("[github.enterprise]\nurl = \"{elsewhere}\""),
    ] {
        store.put(
            "pools",
            &POOLS.replace("[pools", &format!("{line}\n[pools")),
        );
        Box::pin(sweep(&store)).await;
    }
    assert_eq!(
        *came.lock().unwrap(),
        Vec::<String>::new(),
        "the App was shown to another server"
    );
    assert_eq!(asked(), 4, "the App works on with the last good file");

    // The other server is one that answers, and the key's address is what counts.
    store.put(
        "github-app",
        &json!({ "app_id": 1_234_567, "private_key": KEY.private_pem, "url": elsewhere })
            .to_string(),
    );
    store.put("pools", POOLS);
    let before = asked();
    Box::pin(sweep(&store)).await;
    assert_eq!(asked(), before);
    assert!(
        came.lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("/app/hook/deliveries")),
        "{came:?}"
    );
}
