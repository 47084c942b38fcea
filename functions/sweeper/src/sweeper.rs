//! The function, with all it needs.

use std::sync::Arc;
use std::time::Duration;

use mayfly_config::store::{Clock, Settings};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::{DescribeTasks, StopTask};
use mayfly_github::{Deliveries, Jobs, QueuedJobs, Repositories, Reruns, Runners};
use mayfly_ledger::{Ledger, Store};
use mayfly_queue::Wakes;
use mayfly_s3::PutObject;
use tracing::warn;

use crate::budget::{SavedRedeliveries, Savings};

/// What sweeper needs of ECS.
pub trait EcsPort: DescribeTasks + StopTask {}

impl<T: DescribeTasks + StopTask> EcsPort for T {}

/// What sweeper needs of GitHub.
pub trait GitHub: Runners + Jobs + Repositories + Deliveries + QueuedJobs + Reruns {}

impl<T: Runners + Jobs + Repositories + Deliveries + QueuedJobs + Reruns> GitHub for T {}

/// Where closed records go.
pub struct Archive {
    /// What stores them.
    pub bucket: Box<dyn PutObject>,
    /// What the keys of objects begin with, without a slash at its end: the stack's name.
    pub prefix: String,
}

/// What the world outside gives to a sweep.
pub struct Deps<F, G, W> {
    /// ECS.
    pub ecs: F,
    /// GitHub.
    pub github: G,
    /// The wake queue.
    pub wakes: W,
    /// Where closed records are archived, if they are.
    pub archive: Option<Archive>,
    /// What time it is.
    pub clock: Clock,
}

/// The function, with all it needs.
pub struct Sweeper<S, F, G, W> {
    pub(crate) ledger: Ledger<S>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) deps: Deps<F, G, W>,
    pub(crate) savings: Savings,
    pub(crate) redeliveries: SavedRedeliveries,
}

/// One call to GitHub in a sweep takes no longer.
pub(crate) const GITHUB_CALL: Duration = Duration::from_secs(8);

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// A sweeper over these.
    pub fn new(ledger: Ledger<S>, settings: Arc<Settings>, deps: Deps<F, G, W>) -> Self {
        Self {
            ledger,
            settings,
            deps,
            savings: Savings::default(),
            redeliveries: SavedRedeliveries::default(),
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        (self.deps.clock)()
    }

    /// Wakes a pool. Nothing is lost if that fails: the next tick does it.
    pub(crate) async fn wake(&self, name: &PoolName) {
        if let Err(problem) = self.deps.wakes.wake(name).await {
            warn!(pool.name = %name, error = %problem, "could not wake the pool: the next tick does it");
        }
    }
}
