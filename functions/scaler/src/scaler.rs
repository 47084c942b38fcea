//! The function, with all it needs.

use std::collections::HashMap;
use std::sync::Mutex;

use mayfly_config::environment::{FunctionEnv, LaunchEnv};
use mayfly_config::store::{Clock, Settings};
use mayfly_domain::model::id::{PoolName, RepositoryId, RunnerId};
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::{LaunchConfig, RateLimiter, RunTask, StopTask, TaskDefinitions};
use mayfly_ledger::{Ledger, Store};
use mayfly_queue::Wakes;

/// What scaler needs of ECS.
pub trait EcsPort: TaskDefinitions + RunTask + StopTask {}

impl<T: TaskDefinitions + RunTask + StopTask> EcsPort for T {}

/// What the world outside gives to a run.
pub struct Deps<F, W> {
    /// ECS.
    pub ecs: F,
    /// The wake queue.
    pub wakes: W,
    /// Where runners are launched.
    pub site: LaunchConfig,
    /// What time it is.
    pub clock: Clock,
    /// A new runner's id.
    pub new_id: Box<dyn Fn() -> RunnerId + Send + Sync>,
}

/// The function, with all it needs.
pub struct Scaler<S, F, W> {
    pub(crate) ledger: Ledger<S>,
    pub(crate) settings: Settings,
    pub(crate) deps: Deps<F, W>,
    pub(crate) pace: RateLimiter,
    /// Names of repositories that this process has launched for.
    pub(crate) repositories: Mutex<HashMap<RepositoryId, String>>,
    /// When this process began its last successful look at each pool, and how many rows that read.
    pub(crate) looked: Mutex<HashMap<PoolName, (Timestamp, usize)>>,
}

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// A scaler over these.
    pub fn new(ledger: Ledger<S>, settings: Settings, deps: Deps<F, W>) -> Self {
        let (repositories, looked) = (Mutex::new(HashMap::new()), Mutex::new(HashMap::new()));
        Self {
            ledger,
            settings,
            deps,
            pace: RateLimiter::default(),
            repositories,
            looked,
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        (self.deps.clock)()
    }
}

/// Where runners are launched, from the function's environment.
#[must_use]
pub fn launch_config(base: FunctionEnv, launch: LaunchEnv) -> LaunchConfig {
    LaunchConfig {
        stack: base.stack,
        region: base.region,
        cluster: base.cluster,
        subnets: launch.subnets,
        security_groups: launch.security_groups,
        public_ip: launch.assign_public_ip,
        task_role: launch.task_role_arn,
        execution_role: launch.execution_role_arn,
        log_group: launch.runner_log_group,
        registration_url: launch.registration_url,
    }
}
