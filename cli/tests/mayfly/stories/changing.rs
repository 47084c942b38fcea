//! What the commands that change something need of a story: the ledger, the wakes, the pools
//! parameter as they have them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mayfly_cli::deployment::pools_store::{PoolsStore, Version, Written};
use mayfly_cli::failure::Failure;
use mayfly_config::pools_file::parse;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::Handle;
use mayfly_ledger::Ledger;
use mayfly_queue::{NotSent, Wakes};
use mayfly_simulator::system::System;

const POOLS: &str = "/mayfly/mayfly/pools";

/// The ledger as a person has it.
pub(crate) fn ledger(system: &System) -> Ledger<Handle> {
    Ledger::new(Handle::new(system.world.table.clone(), "mayfly"))
}

/// The active pools.
pub(crate) fn active_pools(system: &System) -> Option<Pools> {
    let (text, version) = system.world.parameters.get(POOLS)?;
    Some(parse(&text, version).unwrap())
}

/// A text without its colours.
pub(crate) fn bare(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The wake queue as a person has it; remembers who was woken.
pub(crate) struct Bell<'a> {
    pub(crate) system: &'a System,
    pub(crate) woken: Mutex<Vec<String>>,
}

impl<'a> Bell<'a> {
    pub(crate) fn new(system: &'a System) -> Self {
        Self {
            system,
            woken: Mutex::default(),
        }
    }
}

#[async_trait]
impl Wakes for Bell<'_> {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        self.woken.lock().unwrap().push(pool.to_string());
        if self.system.wake(pool) {
            Ok(())
        } else {
            Err(NotSent {
                pool: pool.clone(),
                reason: "full".to_owned(),
            })
        }
    }
}

/// What may happen between the steps of one who applies a pools file.
pub(crate) type Between = Arc<dyn Fn(&System) + Send + Sync>;

/// The parameter; things may happen just before it is written, and its answer may get lost.
pub(crate) struct CommandDeps<'a> {
    pub(crate) system: &'a System,
    pub(crate) before_write: Option<Between>,
    pub(crate) silent: bool,
    pub(crate) slow: Option<u64>,
}

impl<'a> CommandDeps<'a> {
    pub(crate) fn new(system: &'a System) -> Self {
        Self {
            system,
            before_write: None,
            silent: false,
            slow: None,
        }
    }
}

#[async_trait]
impl PoolsStore for CommandDeps<'_> {
    async fn version(&self, number: Option<u64>) -> Result<Option<Version>, Failure> {
        if let Some(seconds) = self.slow {
            self.system.pass(seconds).await;
        }
        let name = number.map_or_else(|| POOLS.to_owned(), |number| format!("{POOLS}:{number}"));
        let at = Some(Timestamp::from_millis(1_795_356_000_000));
        Ok(self
            .system
            .world
            .parameters
            .get(&name)
            .map(|(text, number)| Version { number, text, at }))
    }

    async fn author(&self, number: u64) -> Option<String> {
        Some(format!("author-of-{number}"))
    }

    async fn write(&self, text: &str, first: bool) -> Result<Written, Failure> {
        if let Some(between) = &self.before_write {
            between(self.system);
        }
        if first && self.system.world.parameters.get(POOLS).is_some() {
            return Ok(Written::Exists);
        }
        let version = self.system.world.parameters.put(POOLS, text);
        Ok(if self.silent {
            Written::Unknown("timed out".to_owned())
        } else {
            Written::As(version)
        })
    }
}
