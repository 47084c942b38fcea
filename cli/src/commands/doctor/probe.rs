//! The probe: for each way in which runners live here, a task that lives like them and tells how
//! that goes.

pub mod kind;
pub mod result;
pub mod run;
pub mod start;

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_config::store::system_clock;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::probe::Report;
use mayfly_ecs::{Ecs, LaunchConfig};
use mayfly_github::{Releases as _, Unauthenticated, api_url};
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError};
use tokio::time::Instant;

use self::kind::{Kind, kinds};
use self::result::{LIMIT, ProbeContext, ProbeResult, Probed};
use self::run::Prober;
use super::finding::{Area, Finding};
use super::image_pull::{self, Pulls};
use super::network;
use super::runner_version::{self, Newest};
use crate::commands::logs::CloudWatch;
use crate::deployment::connect::Connected;
use crate::deployment::launch_config::launch_config;
use crate::failure::Failure;

/// Most ways of living that are tried: they run at once, a quarter of a vCPU each, and a new
/// account has six at the most.
const MOST: usize = 8;

/// How long GitHub has to say which releases of the runner there are.
const RELEASES_WITHIN: Duration = Duration::from_secs(10);

/// Days whose starts are counted.
const COUNTED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Records that are read to count them.
const MOST_RECORDS: usize = 5_000;

/// Everything that follows from probes.
#[must_use]
pub fn judged(probed: &[Probed], around: &ProbeContext) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Probed { kind, came, left } in probed {
        match came {
            ProbeResult::NotStarted {
                kind: failure,
                reason,
            } => findings.push(start::not_started(kind, *failure, reason)),
            ProbeResult::Ended { task, report } if *report == Report::default() => {
                findings.extend(start::silent(kind, task))
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
            ProbeResult::Late { task } => findings.push(start::late(kind, task.as_deref())),
            ProbeResult::Unseen(why) => {
                let what = format!(
                    "{}: the state of the probe cannot be read: {}",
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
                "it ends two minutes after its container began; sweeper stops it when it is ten minutes old",
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
    let site = launch_config(connected);
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
            "not tried: {MOST} probes at a time is the limit: {}",
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
            format!("the operating system's random number source failed: {error}"),
            "",
        )
    })?;
    let millis = u128::try_from(system_clock().millis()).unwrap_or_default();
    Ok(RunnerId::from_ulid(
        millis << 80 | u128::from_be_bytes(chance),
    ))
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

/// The newest release of the runner, asked for without authentication.
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
            TimeRange {
                from: now.minus(COUNTED),
                to: now,
            },
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
