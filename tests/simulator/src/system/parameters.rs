//! Parameter Store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store;

use super::calls::{Made, SILENCE};
use super::event::CallOutcome;
use super::faults::{CallFault, Port};
use super::world::World;

/// Name of the pools file's parameter.
const POOLS: &str = "/mayfly/mayfly/pools";
/// Name of the App's parameter.
const APP: &str = "/mayfly/mayfly/github-app";
/// Name of the webhook secret's parameter.
const WEBHOOK_SECRET: &str = "/mayfly/mayfly/webhook-secret";

/// All parameters, each with every text it ever had: the first is version 1.
#[derive(Debug, Default)]
pub struct Parameters(Mutex<BTreeMap<String, Vec<String>>>);

impl Parameters {
    /// Applies a pools file; the parameter's name and its version now. (No listener hears of it:
    /// [`System::put_pools`](super::System::put_pools) tells.)
    pub fn put_pools(&self, text: &str) -> (String, u64) {
        (POOLS.to_owned(), self.put(POOLS, text))
    }

    /// The pools file as it was applied last, and the parameter's version; none before.
    #[must_use]
    pub fn pools(&self) -> Option<(String, u64)> {
        self.get(POOLS)
    }

    /// Writes the webhook's secret.
    pub fn put_webhook_secret(&self, secret: &str) {
        self.put(
            WEBHOOK_SECRET,
            &serde_json::json!({ "current": secret }).to_string(),
        );
    }

    /// A parameter's newest text and its version, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(String, u64)> {
        self.found(&[name.to_owned()])
            .pop()
            .map(|found| (found.value, found.version))
    }

    /// Takes a parameter away.
    pub fn remove(&self, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// Writes a parameter; its version now.
    pub fn put(&self, name: &str, value: &str) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = all.entry(name.to_owned()).or_default();
        versions.push(value.to_owned());
        u64::try_from(versions.len()).unwrap_or(u64::MAX)
    }

    fn found(&self, names: &[String]) -> Vec<Parameter> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = names.iter().filter_map(|asked| {
            // `<name>:<version>`, or the newest.
            let (name, version) = match asked.split_once(':') {
                Some((name, version)) => (name, version.parse().ok()?),
                None => (asked.as_str(), all.get(asked)?.len()),
            };
            let value = all.get(name)?.get(version.checked_sub(1)?)?;
            Some(Parameter {
                name: name.to_owned(),
                value: value.clone(),
                version: u64::try_from(version).ok()?,
            })
        });
        found.collect()
    }
}

/// What each function is told the names of.
pub(super) fn names(webhook: bool, app: bool) -> store::Parameters {
    store::Parameters {
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
        let leaving = self
            .world
            .leaves(self.who, Port::Parameters, "GetParameters", || {
                names.join(", ")
            });
        let world = Arc::clone(&self.world);
        let asked: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let work = async move {
            world.travel().await;
            world.parameters.found(&asked)
        };
        let call_fault = match leaving.make(work).await {
            Made::Well(found) => {
                leaving.note(|| {
                    leaving.call_fault.map_or(CallOutcome::Done, |call_fault| {
                        CallOutcome::Faulted(call_fault, "an answer")
                    })
                });
                return Ok(found);
            }
            Made::Not(call_fault) | Made::Unheard(call_fault, _) => call_fault,
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, "unreadable"));
        if matches!(call_fault, CallFault::HangBefore | CallFault::HangAfter) {
            tokio::time::sleep(SILENCE).await;
        }
        Err(Unreadable {
            names: names.join(", "),
            reason: "InternalServerError (faults)".to_owned(),
            denied: false,
        })
    }
}
