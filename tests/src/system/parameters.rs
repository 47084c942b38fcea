//! Parameter Store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mayfly_settings::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_settings::source;

use super::world::World;

/// Name of the pools file's parameter.
const POOLS: &str = "/mayfly/mayfly/pools";
/// Name of the App's parameter.
const APP: &str = "/mayfly/mayfly/github-app";
/// Name of the webhook secret's parameter.
const WEBHOOK_SECRET: &str = "/mayfly/mayfly/webhook-secret";

/// All parameters, each with the number of its version.
#[derive(Debug, Default)]
pub struct Parameters(Mutex<BTreeMap<String, (String, u64)>>);

impl Parameters {
    /// Applies a pools file.
    pub fn put_pools(&self, text: &str) {
        self.put(POOLS, text);
    }

    /// Writes the webhook's secret.
    pub fn put_webhook_secret(&self, secret: &str) {
        self.put(WEBHOOK_SECRET, &serde_json::json!({ "current": secret }).to_string());
    }

    fn put(&self, name: &str, value: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = all.get(name).map_or(0, |(_, version)| *version) + 1;
        all.insert(name.to_owned(), (value.to_owned(), version));
    }
}

/// What each function is told the names of.
pub(super) fn names(webhook: bool, app: bool) -> source::Parameters {
    source::Parameters {
        pools: Some(POOLS.to_owned()),
        webhook_secret: webhook.then(|| WEBHOOK_SECRET.to_owned()),
        github_app: app.then(|| APP.to_owned()),
    }
}

/// The parameters as one function reads them.
pub(super) struct Reader {
    pub(super) world: Arc<World>,
    pub(super) who: &'static str,
}

#[async_trait]
impl ParameterStore for Reader {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        self.world.count(self.who, "SSM GetParameters");
        self.world.travel().await;
        let all = self.world.parameters.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = names.iter().filter_map(|name| {
            let (value, version) = all.get(*name)?;
            Some(Parameter { name: (*name).to_owned(), value: value.clone(), version: *version })
        });
        Ok(found.collect())
    }
}
