//! The active pools file, and what the ledger knows of starts and jobs that wait.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_config::pools_file::{Problem, Review, Vcpus, review};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::{Ledger, Store};

use super::finding::{Area, Finding};
use crate::commands::status::report::StatusReport;
use crate::deployment::drift::{self, Drift};
use crate::deployment::pools_store::{PoolsStore, Version};
use crate::deployment::start_summary::StartSummary;
use crate::deployment::wait_reason::WaitKind;
use crate::failure::Failure;
use crate::terminal::text_format::counted;
use crate::terminal::time_format::age;

/// A job that waits for longer deserves a word; a start takes a minute.
const LONG: Duration = Duration::from_secs(10 * 60);

/// The most problems of a broken file that are shown one by one.
const TOLD: usize = 3;

/// The pools file.
#[derive(Clone, Debug)]
pub struct File {
    /// The newest version; none if none was ever applied.
    pub newest: Option<Version>,
    /// What is active; none if no version can be used.
    pub active_pools: Option<Pools>,
    /// That the newest version was written by other means than `mayfly apply`.
    pub drift: Result<Option<Drift>, Failure>,
}

/// Versions before the newest that functions look at. As `mayfly_config` has it: they find the last
/// good one among five.
const BEFORE: u64 = 5;

/// Reads the pools file as functions do: the newest version that can be used.
///
/// # Errors
///
/// If it cannot be read.
pub async fn gather<S: Store>(
    parameter: &impl PoolsStore,
    ledger: &Ledger<S>,
    now: Timestamp,
) -> Result<File, Failure> {
    let newest = parameter.version(None).await?;
    let Some(first) = newest.as_ref() else {
        return Ok(File {
            newest,
            active_pools: None,
            drift: Ok(None),
        });
    };
    let drift = drift::find(ledger, parameter, first, now).await;
    let mut active_pools = review(&first.text, first.number, Vcpus::default())
        .pools
        .ok();
    let mut number = first.number;
    while active_pools.is_none() && number > 1 && number + BEFORE > first.number {
        number -= 1;
        let earlier = parameter.version(Some(number)).await?;
        active_pools =
            earlier.and_then(|earlier| review(&earlier.text, number, Vcpus::default()).pools.ok());
    }
    Ok(File {
        newest,
        active_pools,
        drift,
    })
}

/// What follows for the file.
#[must_use]
pub fn file(file: &File, now: Timestamp) -> Vec<Finding> {
    let mut findings = content(file, now);
    findings.extend(match &file.drift {
        Ok(drift) => drift
            .as_ref()
            .map(|drift| Finding::warning(Area::Pools, drift.problem(), drift.fix())),
        Err(failure) => Some(Finding::not_seen(Area::Pools, failure)),
    });
    findings
}

/// The findings about its content.
fn content(file: &File, now: Timestamp) -> Vec<Finding> {
    let Some(newest) = &file.newest else {
        return vec![Finding::error(
            Area::Pools,
            "no pools file is active: Mayfly takes no job",
            "write one (docs/REFERENCE.md, \"The pools file\") and mayfly apply it",
        )];
    };
    let Review {
        pools, warnings, ..
    } = review(&newest.text, newest.number, Vcpus::default());
    if let Err(problems) = pools {
        let told: Vec<String> = problems
            .iter()
            .take(TOLD)
            .map(ToString::to_string)
            .collect();
        let what = format!(
            "version {} of the pools file is broken: {}",
            newest.number,
            told.join("; ")
        );
        let mend = "fix it: mayfly pools --file > pools.toml, mayfly check, mayfly apply";
        return vec![match &file.active_pools {
            Some(pools) => Finding::error(
                Area::Pools,
                format!("{what}. Version {} stays active", pools.version),
                mend,
            ),
            None => Finding::error(
                Area::Pools,
                format!("{what}. No earlier one can be used either: Mayfly takes no job"),
                mend,
            ),
        }];
    }
    let names: Vec<&str> = file
        .active_pools
        .iter()
        .flat_map(|pools| &pools.pools)
        .map(|pool| pool.name.as_str())
        .collect();
    let since = newest
        .at
        .map(|at| format!(" for {}", age(now, at)))
        .unwrap_or_default();
    let what = format!(
        "version {} of the pools file has been active{since}: {}",
        newest.number,
        names.join(", ")
    );
    let mut findings = vec![Finding::good(Area::Pools, what)];
    findings.extend(warnings.iter().map(warning));
    findings
}

fn warning(
    Problem {
        line,
        path,
        message,
        hint,
        ..
    }: &Problem,
) -> Finding {
    Finding::warning(Area::Pools, format!("line {line}: {path}: {message}"), hint)
}

/// The findings about starts and waiting jobs.
#[must_use]
pub fn ledger(answer: &StatusReport) -> Vec<Finding> {
    let now = answer.at.0;
    let mut findings = Vec::new();
    for pool in &answer.pools {
        for starts in &pool.starts {
            findings.extend(start(pool.pool.as_str(), starts, now));
        }
    }
    let mut waiting: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    // Jobs that wait for failed starts are covered by the starts; waiting behind the pool's max is
    // as intended.
    let normal = |waits: WaitKind| {
        matches!(
            waits,
            WaitKind::FailedStarts
                | WaitKind::Trial
                | WaitKind::PoolMax
                | WaitKind::Paused
                | WaitKind::RepositoryMax
        )
    };
    let long = answer
        .oldest_waiting
        .iter()
        .filter(|line| now.since(line.queued_at.0) > LONG && !normal(line.waits.waits_for));
    for line in long {
        *waiting
            .entry((line.waits.because.clone(), line.waits.help.clone()))
            .or_default() += 1;
    }
    findings.extend(waiting.into_iter().map(|((because, help), count)| {
        let what = format!(
            "{} for over {} min: {because}",
            if count == 1 {
                "a job waits".to_owned()
            } else {
                format!("{count} jobs wait")
            },
            LONG.as_secs() / 60
        );
        Finding::warning(
            Area::Pools,
            what,
            help.unwrap_or_else(|| {
                "see mayfly jobs --state queued, and mayfly explain for one of them".to_owned()
            }),
        )
    }));
    findings.extend(answer.github_limits.iter().map(|(installation, until)| {
        let what = format!(
            "GitHub told installation {installation} to wait until {}: nothing starts for it",
            until.near(now)
        );
        Finding::warning(
            Area::Pools,
            what,
            "it then continues by itself; check who else uses the App's installation",
        )
    }));
    findings.extend(failures(answer, !findings.is_empty()));
    findings.extend(unplaced(answer));
    findings
}

/// Jobs that no pool takes: most often a label that is mistyped.
fn unplaced(answer: &StatusReport) -> Option<Finding> {
    let oldest = answer.oldest_unplaced.first()?;
    let verb = if answer.unplaced == 1 { "is" } else { "are" };
    let because = oldest
        .because
        .as_deref()
        .map(|because| format!(": {because}"))
        .unwrap_or_default();
    let what = format!(
        "{} {verb} taken by no pool; the oldest, {} of {}, for {}{because}",
        counted(answer.unplaced, "job"),
        oldest.job,
        oldest.repository,
        age(answer.at.0, oldest.queued_at.0)
    );
    Some(Finding::warning(
        Area::Pools,
        what,
        format!("see {}, and mayfly jobs --state unplaced", oldest.ask),
    ))
}

fn start(pool: &str, starts: &StartSummary, now: Timestamp) -> Option<Finding> {
    if starts.failures == 0 {
        return starts.verified.then(|| {
            Finding::good(
                Area::Pools,
                format!(
                    "runners of {pool} start ({})",
                    crate::terminal::text_format::size(&starts.size)
                ),
            )
        });
    }
    let times = counted(
        usize::try_from(starts.failures).unwrap_or(usize::MAX),
        "failure",
    );
    let next = starts
        .probes_at
        .map(|at| format!(", the next try {}", at.near(now)))
        .unwrap_or_default();
    let reason = starts.reason.as_deref().unwrap_or("no reason is known");
    let what = format!("runners of {pool} do not start ({times} in a row{next}): {reason}");
    let help = starts.help.clone().unwrap_or_default();
    Some(if starts.breaker_open {
        Finding::error(Area::Pools, what, help)
    } else {
        Finding::warning(Area::Pools, what, help)
    })
}

/// Runners that ended badly, where nothing above tells why already.
fn failures(answer: &StatusReport, told: bool) -> Option<Finding> {
    let newest = answer.last_failures.first().filter(|_| !told)?;
    let reason = newest.reason.as_deref().unwrap_or("no reason is known");
    let ended = if answer.failures == 1 {
        "a runner ended badly".to_owned()
    } else {
        format!("{} runners ended badly", answer.failures)
    };
    let what = format!(
        "{ended} in the last hour, the last one {} ago: {reason}",
        age(answer.at.0, newest.at.0)
    );
    Some(Finding::warning(
        Area::Pools,
        what,
        "see mayfly status and mayfly runners --since 1h",
    ))
}
