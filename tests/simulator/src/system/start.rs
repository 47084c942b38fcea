//! How a story begins.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use mayfly_ecs::LaunchConfig;
use tokio::sync::Notify;

use super::System;
use super::clock::Clock;
use super::functions::Functions;
use super::parameters::Parameters;
use super::queue::Queue;
use super::world::World;
use mayfly_dynamodb_model::{Model as Table, Pace, Throughput};
use mayfly_fargate_model::{Fargate, Settings};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::model::Model as Github;

/// The account that everything is in.
pub(super) const ACCOUNT: &str = "123456789012";
/// The cluster.
pub(super) const CLUSTER_ARN: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/mayfly";
/// The role of tasks whose pool has none of its own.
const TASK_ROLE: &str = "arn:aws:iam::123456789012:role/mayfly/mayfly/mayfly-runner";

/// Makes another seed of a story's seed, for draws that are apart from the others.
const DICE: u64 = 0x6d61_7966_6c79_2121;

/// One pool for every repository of acme, 20 runners at most.
pub const ONE_POOL: &str = r#"
[github]
accounts = ["acme"]

[pools.linux]
labels = ["self-hosted", "linux", "x64", "mayfly"]
cpu = 2
memory = "8 GiB"
max = 20
"#;

/// A story that has not begun: what may be said beforehand.
#[derive(Clone, Debug)]
pub struct Start {
    seed: u64,
    pools: String,
    start_seconds: u64,
    latency: u64,
    sweeps: bool,
    archive: bool,
}

impl Start {
    /// A story of this seed, with [`ONE_POOL`] and tasks that take 30 s to start.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            pools: ONE_POOL.to_owned(),
            start_seconds: 30,
            latency: 20,
            sweeps: true,
            archive: false,
        }
    }

    /// With this pools file.
    #[must_use]
    pub fn pools(self, text: &str) -> Self {
        Self {
            pools: text.to_owned(),
            ..self
        }
    }

    /// With tasks that take so long to start.
    #[must_use]
    pub fn tasks_start_in(self, seconds: u64) -> Self {
        Self {
            start_seconds: seconds,
            ..self
        }
    }

    /// Without sweeps: no ticks, and no one who looks after what others left.
    #[must_use]
    pub fn without_sweeps(self) -> Self {
        Self {
            sweeps: false,
            ..self
        }
    }

    /// With a bucket that closed records are archived in.
    #[must_use]
    pub fn with_archive(self) -> Self {
        Self {
            archive: true,
            ..self
        }
    }

    /// Begins it, in a runtime whose clock is paused.
    ///
    /// # Errors
    /// Never, as long as half a key can be made.
    pub fn begin(self) -> anyhow::Result<System> {
        // The functions' own draws (jitter) come from the thread's generator.
        fastrand::seed(self.seed);
        let clock = Clock::start();
        let mut draws = fastrand::Rng::with_seed(self.seed);
        let pace: Pace =
            Arc::new(|draw| Box::pin(tokio::time::sleep(Duration::from_millis(draw % 10))));
        let ecs = Settings {
            account: ACCOUNT.to_owned(),
            start_delay_ms: self.start_seconds * 1000,
            stop_delay_ms: 3_000,
            max_tasks: 1_000,
            ..Settings::default()
        };
        let key = KeyPair::without_private_half().context("make half of the App's key")?;
        let mut github = Github::new(
            "https://github.test",
            &key,
            draws.u64(..),
            clock.model_time(),
        );
        github.hook.url = Some("https://mayfly.test/webhook".to_owned());
        let parameters = Parameters::default();
        parameters.put_pools(&self.pools);
        parameters.put_webhook_secret(&github.hook.secret);
        let world = Arc::new(World {
            clock,
            table: Table::paced(draws.u64(..), pace),
            queue: Queue::default(),
            parameters,
            archive: self.archive.then(Mutex::default),
            ecs: Mutex::new(Fargate::new(ecs)),
            github: Mutex::new(github),
            github_due: Mutex::default(),
            draws: Mutex::new(draws),
            calls: Mutex::default(),
            answers: Mutex::default(),
            last_runner: Mutex::new(0),
            containers: Mutex::new(BTreeMap::new()),
            changed: Notify::new(),
            runners_news: Notify::new(),
            latency: self.latency,
            sweeps: self.sweeps,
            hang: AtomicBool::new(false),
            image: std::sync::Mutex::new(None),
            sky: Mutex::default(),
            listener: Mutex::default(),
            witnessed: AtomicBool::new(false),
            chances: Mutex::default(),
            habits: Mutex::default(),
            in_use: Mutex::default(),
            numbers: AtomicU64::new(0),
            dice: Mutex::new(fastrand::Rng::with_seed(self.seed ^ DICE)),
        });
        world
            .table
            .gives(Throughput::default(), Arc::new(move || clock.now()));
        let functions = Arc::new(Functions::new(&world, &site()));
        let system = System { world, functions };
        tokio::spawn(Box::pin(system.clone().drive()));
        Ok(system)
    }
}

fn site() -> LaunchConfig {
    LaunchConfig {
        stack: "mayfly".to_owned(),
        region: "us-east-1".to_owned(),
        cluster: CLUSTER_ARN.to_owned(),
        subnets: ["subnet-a", "subnet-b", "subnet-c"]
            .map(str::to_owned)
            .to_vec(),
        security_groups: vec!["sg-1".to_owned()],
        public_ip: true,
        task_role: TASK_ROLE.to_owned(),
        execution_role: "arn:aws:iam::123456789012:role/mayfly/mayfly/mayfly-execution".to_owned(),
        log_group: "/mayfly/mayfly/runners".to_owned(),
        registration_url: "https://api.test".to_owned(),
    }
}
