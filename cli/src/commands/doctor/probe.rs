//! The probe: for each way in which runners live here, a task that lives like them and tells how
//! that goes.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_config::store::system_clock;
use mayfly_domain::model::id::{PoolName, RunnerId, TaskArn};
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::size::Capacity;
use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::probe::Report;
use mayfly_ecs::{Ecs, LaunchConfig, LaunchFailure};
use mayfly_github::{Releases as _, Unauthenticated, api_url};
use mayfly_ledger::history::Order;
use mayfly_ledger::{History, Ledger, LedgerError};
use tokio::time::Instant;

use super::finding::{Area, Finding};
use super::image_pull::{self, Pulls};
use super::network;
use super::probe_run::Prober;
use super::probe_start;
use super::runner_version::{self, Newest};
use crate::commands::logs::CloudWatch;
use crate::deployment::Connected;
use crate::failure::Failure;

/// Most ways of living that are tried: they run at once, a quarter of a vCPU each, and a new
/// account has six at the most.
const MOST: usize = 8;

/// How long one may take from the call to the last line: Fargate needs about a minute, and what
/// needs five will not live.
pub const LIMIT: Duration = Duration::from_secs(5 * 60);

/// How long GitHub has to say which releases of the runner there are.
const RELEASES_WITHIN: Duration = Duration::from_secs(10);

/// Days whose starts are counted.
const COUNTED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Records that are read to count them.
const MOST_RECORDS: usize = 5_000;

/// A way in which runners live: what of their pools decides whether they can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The pools whose runners live so.
    pub pools: Vec<PoolName>,
    /// One of them, with the largest disk of all: the image may need it.
    pub pool: Pool,
    /// ARN of the role of their tasks.
    pub role: String,
}

impl Kind {
    /// Whom it is about, in words.
    #[must_use]
    pub fn whose(&self) -> String {
        let names: Vec<&str> = self.pools.iter().map(PoolName::as_str).collect();
        match names.as_slice() {
            [one] => format!("pool {one}"),
            [first, .., last] if names.len() > 4 => {
                format!("{} pools ({first} … {last})", names.len())
            }
            _ => format!("pools {}", names.join(", ")),
        }
    }

    /// The role's name.
    #[must_use]
    pub fn role_name(&self) -> &str {
        self.role.rsplit('/').next().unwrap_or(&self.role)
    }
}

/// The ways in which runners of these pools live: by image, architecture, capacity and role.
#[must_use]
pub fn kinds(pools: &Pools, site: &LaunchConfig) -> Vec<Kind> {
    let mut kinds: BTreeMap<_, Kind> = BTreeMap::new();
    for pool in &pools.pools {
        let role = site.role_of(pool);
        let alike = (
            pool.image.clone(),
            pool.size.architecture,
            pool.size.capacity,
            role.clone(),
        );
        let kind = kinds.entry(alike).or_insert_with(|| Kind {
            pools: Vec::new(),
            pool: pool.clone(),
            role,
        });
        kind.pools.push(pool.name.clone());
        kind.pool.size.disk_gib = kind.pool.size.disk_gib.max(pool.size.disk_gib);
    }
    let mut kinds: Vec<Kind> = kinds.into_values().collect();
    kinds.sort_by(|one, other| one.pools.cmp(&other.pools));
    kinds
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// ECS took no task definition, or started no task.
    NotStarted {
        /// Why, by what can be done about it; none: who asks may not, or ECS did not say.
        kind: Option<LaunchFailure>,
        /// ECS's words.
        reason: String,
    },
    /// Its task ended, or said all it had to say.
    Ended {
        /// What ECS says of it.
        task: Box<Task>,
        /// What it said.
        report: Report,
    },
    /// Its time was over.
    Late {
        /// How far ECS came with it; none: it never showed it.
        task: Option<Box<Task>>,
    },
    /// What became of it cannot be seen.
    Unseen(Failure),
}

/// A probe, and its task if it may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// What it tried.
    pub kind: Kind,
    /// What came of it.
    pub came: ProbeResult,
    /// A task that could not be stopped.
    pub left: Option<TaskArn>,
}

/// What is known besides.
#[derive(Clone, Debug)]
pub struct ProbeContext {
    /// Where the deployment is.
    pub region: String,
    /// Tasks have public addresses.
    pub public_ip: bool,
    /// Where the front door is.
    pub url: String,
    /// What must answer: its name, its URL.
    pub reach: Vec<(String, String)>,
    /// What GitHub says of the runner's versions.
    pub newest: Newest,
    /// The present.
    pub now: Timestamp,
}

/// Everything that follows from probes.
#[must_use]
pub fn judged(probed: &[Probed], around: &ProbeContext) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Probed { kind, came, left } in probed {
        match came {
            ProbeResult::NotStarted {
                kind: failure,
                reason,
            } => findings.push(probe_start::not_started(kind, *failure, reason)),
            ProbeResult::Ended { task, report } if *report == Report::default() => {
                findings.extend(probe_start::silent(kind, task))
            }
            ProbeResult::Ended { task, report } => {
                findings.extend(network::judged(kind, task, report, around));
                findings.extend(runner_version::judged(
                    &kind.whose(),
                    report.image.runner.as_deref(),
                    &around.newest,
                    around.now,
                ));
            }
            ProbeResult::Late { task } => findings.push(probe_start::late(kind, task.as_deref())),
            ProbeResult::Unseen(why) => {
                let what = format!(
                    "{}: what became of the probe cannot be seen: {}",
                    kind.whose(),
                    why.problem
                );
                findings.push(Finding::unknown(Area::Network, what, &why.hint));
            }
        }
        findings.extend(left.as_ref().map(|task| {
            let what = format!("the probe's task {} could not be stopped", task.task_id());
            Finding::warning(
                Area::Network,
                what,
                "it ends two minutes after its container began, and sweeper stops it when it is ten minutes old",
            )
        }));
    }
    findings
}

/// Starts probes, waits for them, stops them, and tells what they found.
///
/// # Errors
///
/// If it is interrupted.
pub async fn look(
    connected: &Connected,
    pools: &Pools,
    github_url: &str,
) -> Result<Vec<Finding>, Failure> {
    let site = site(connected);
    let mut kinds = kinds(pools, &site);
    let reach = match reach(github_url) {
        Ok(reach) => reach,
        Err(problem) => {
            return Ok(vec![Finding::error(
                Area::Network,
                problem,
                "mayfly init --replace --github-url https://<host> stores it with the App's key",
            )]);
        }
    };
    let left_out = kinds.split_off(kinds.len().min(MOST));
    let ecs = Ecs::new(
        aws_sdk_ecs::Client::new(&connected.sdk),
        connected.deployment.cluster.clone(),
    );
    let logs = CloudWatch::of(connected);
    let prober = Prober {
        ecs: &ecs,
        logs: &logs,
        site: &site,
        reach: &reach,
        limit: LIMIT,
        new_id: &new_id,
    };
    let ledger = connected.ledger();
    let (probed, newest, pulls) = tokio::join!(
        prober.probe_all(&kinds, interrupted()),
        newest(github_url),
        pulls(&ledger, &kinds, &site, system_clock())
    );
    let around = ProbeContext {
        region: site.region.clone(),
        public_ip: site.public_ip,
        url: site.registration_url.clone(),
        reach,
        newest,
        now: system_clock(),
    };
    let mut findings = judged(&probed?, &around);
    findings.extend(image_pull::judged(&kinds, &site, &pulls));
    findings.extend(not_tried(&left_out));
    Ok(findings)
}

fn not_tried(left_out: &[Kind]) -> Option<Finding> {
    let names: Vec<String> = left_out.iter().map(Kind::whose).collect();
    (!names.is_empty()).then(|| {
        let what = format!(
            "not tried, since {MOST} probes are the most at a time: {}",
            names.join("; ")
        );
        Finding::unknown(Area::Network, what, "")
    })
}

/// Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A ULID: the time, and chance.
fn new_id() -> Result<RunnerId, Failure> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance[6..]).map_err(|error| {
        Failure::new(
            format!("the operating system gives no randomness: {error}"),
            "",
        )
    })?;
    let millis = u128::try_from(system_clock().millis()).unwrap_or_default();
    Ok(RunnerId::from_ulid(
        millis << 80 | u128::from_be_bytes(chance),
    ))
}

/// Where runners are launched, as scaler knows it.
#[must_use]
pub fn site(connected: &Connected) -> LaunchConfig {
    let deployment = &connected.deployment;
    LaunchConfig {
        stack: connected.stack.clone(),
        region: connected
            .sdk
            .region()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cluster: deployment.cluster.clone(),
        subnets: deployment.subnets.split(',').map(str::to_owned).collect(),
        security_groups: vec![deployment.security_group.clone()],
        public_ip: deployment.assign_public_ip == "ENABLED",
        task_role: deployment.task_role.clone(),
        execution_role: deployment.execution_role.clone(),
        log_group: deployment.runner_logs.clone(),
        registration_url: deployment.url.trim_end_matches('/').to_owned(),
    }
}

/// What a runner needs to reach at this GitHub. The third is what the runner's own check asks
/// (actions/runner, docs/checks/actions.md): it stands for `*.actions.githubusercontent.com`, which
/// GitHub's documentation calls essential.
///
/// # Errors
///
/// If the URL is none.
pub fn reach(github_url: &str) -> Result<Vec<(String, String)>, String> {
    let api = api_url(github_url).map_err(|problem| problem.to_string())?;
    let mut reach = vec![("api".to_owned(), format!("{api}/zen"))];
    if runner_version::enforced(github_url) {
        reach.push((
            "github".to_owned(),
            github_url.trim_end_matches('/').to_owned(),
        ));
    }
    if github_url
        .trim_end_matches('/')
        .eq_ignore_ascii_case("https://github.com")
    {
        reach.push((
            "actions".to_owned(),
            "https://pipelines.actions.githubusercontent.com/_apis/health".to_owned(),
        ));
    }
    Ok(reach)
}

/// Which release of the runner is the newest, asked for as no one in particular.
async fn newest(github_url: &str) -> Newest {
    if !runner_version::enforced(github_url) {
        return Newest::OwnRules;
    }
    let asked = match Unauthenticated::new("https://github.com", system_clock) {
        Ok(github) => github
            .runner_releases(Instant::now() + RELEASES_WITHIN)
            .await
            .map_err(|error| error.to_string()),
        Err(problem) => Err(problem.to_string()),
    };
    match asked {
        Ok(releases) if releases.is_empty() => {
            Newest::NotKnown("GitHub lists no release".to_owned())
        }
        Ok(releases) => Newest::Known(releases),
        Err(why) => Newest::NotKnown(why),
    }
}

/// How often images were pulled in the last days, where that costs by the pull.
async fn pulls<S: History>(
    ledger: &Ledger<S>,
    kinds: &[Kind],
    site: &LaunchConfig,
    now: Timestamp,
) -> Option<Result<Pulls, LedgerError>> {
    if site.public_ip
        || kinds
            .iter()
            .all(|kind| image_pull::is_near(&kind.pool.image, &site.region))
    {
        return None;
    }
    let closed = ledger
        .closed(
            (now.minus(COUNTED), now),
            Order::NewestFirst,
            MOST_RECORDS,
            now,
        )
        .await;
    Some(closed.map(|closed| {
        let mut by_pool = BTreeMap::new();
        for runner in closed
            .runners
            .iter()
            .filter(|runner| runner.timeline.pull_started.is_some())
        {
            *by_pool.entry(runner.pool.clone()).or_insert(0) += 1;
        }
        Pulls {
            by_pool,
            all: closed.cut_at.is_none(),
        }
    }))
}

/// On which capacity, in words.
#[must_use]
pub fn capacity(kind: &Kind) -> &'static str {
    match kind.pool.size.capacity {
        Capacity::OnDemand => "Fargate",
        Capacity::Spot => "Fargate Spot",
    }
}
