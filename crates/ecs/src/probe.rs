//! A probe: a task like a pool's runner that tries, from where runners live, whether they can live
//! there, and ends. It is not a runner: no row of the ledger names it, it gets no registration, and
//! counts nowhere.

mod report;

use std::collections::BTreeMap;

use async_trait::async_trait;
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::CONTAINER;
use mayfly_domain::model::size::Size;
use mayfly_domain::transitions::plan::Start;

pub use report::{
    Answered, ConnectFailure, Credentials, Exchange, Image, Registered, Report, Wrong,
};

use crate::client::Ecs;
use crate::launch_config::LaunchConfig;
use crate::request::LaunchRequest;
use crate::run_task::LaunchAnswer;
use crate::task_definition::without_comments;

/// What a probe's container runs in place of the entry script.
const SCRIPT: &str = include_str!("../../../runner/probe.sh");

/// The pool that a probe says it is of. `startedBy` has the form of a runner's, so that sweeper
/// stops the probe after ten minutes if nothing else did (`mayfly_domain::transitions::orphan`);
/// while it is young it leaves it alone, and Mayfly refuses it every registration, since no row
/// knows it.
pub const POOL: &str = "mayfly-doctor";

/// Fargate's smallest task, in CPU units and MiB.
const SMALLEST: (u32, u32) = (256, 512);

/// What ECS is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    launch: LaunchRequest,
}

impl Probe {
    /// A probe like a runner of this pool, with its task definition of that ARN, but as small as
    /// Fargate has it; the disk is the pool's, for its image may need it. `probe` is
    /// `<POOL>/<an id never used before>`, `reach` what must answer: names without blanks, and
    /// URLs.
    #[must_use]
    pub fn build(
        site: &LaunchConfig,
        pool: &Pool,
        definition: &str,
        probe: &RunnerAddress,
        reach: &[(String, String)],
    ) -> Self {
        let size = Size {
            cpu: SMALLEST.0,
            memory_mib: SMALLEST.1,
            ..pool.size
        };
        let start = Start {
            size,
            job: None,
            repository: None,
        };
        let like = LaunchRequest::build(site, pool, &start, probe, definition);
        let reach: Vec<String> = reach
            .iter()
            .map(|(name, url)| format!("{name}={url}"))
            .collect();
        let environment = [
            ("MAYFLY_PROBE", mark(probe)),
            ("MAYFLY_URL", site.registration_url.clone()),
            ("MAYFLY_REGION", site.region.clone()),
            ("MAYFLY_RUNNER", probe.to_string()),
            ("MAYFLY_REACH", reach.join(" ")),
        ];
        let tags = [
            ("mayfly:stack", site.stack.clone()),
            ("mayfly:probe", pool.name.to_string()),
        ];
        let texts = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect()
        };
        Self {
            launch: LaunchRequest {
                environment: texts(&environment),
                tags: texts(&tags),
                ..like
            },
        }
    }

    /// What begins every line of its report.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(&self.launch.runner)
    }

    /// Its log stream, of the task with that id.
    #[must_use]
    pub fn log_stream(task_id: &str) -> String {
        // ECS's awslogs driver: <prefix>/<container>/<task id>.
        format!("{CONTAINER}/{CONTAINER}/{task_id}")
    }

    /// ECS's `clientToken`.
    #[must_use]
    pub fn client_token(&self) -> String {
        format!("probe-{}", self.launch.runner.runner)
    }
}

fn mark(probe: &RunnerAddress) -> String {
    format!("mayfly-probe/{}", probe.runner)
}

/// The script, and its name. Comments and indentation are for those who read the file: an override
/// has 8,192 characters.
fn command() -> Vec<String> {
    let script = without_comments(SCRIPT);
    vec![
        script.lines().map(str::trim).collect::<Vec<_>>().join("\n"),
        "mayfly".to_owned(),
    ]
}

/// Starts probes. They are looked at and stopped like every task ([`crate::DescribeTasks`],
/// [`crate::StopTask`]).
#[async_trait]
pub trait Prober: Send + Sync {
    /// Sends the request. The same probe twice is at most one task.
    ///
    /// Failures are answers, as with [`crate::RunTask::launch`].
    async fn probe(&self, probe: &Probe) -> LaunchAnswer;
}

#[async_trait]
impl Prober for Ecs {
    async fn probe(&self, probe: &Probe) -> LaunchAnswer {
        self.run(&probe.launch, &probe.client_token(), Some(command()))
            .await
    }
}
