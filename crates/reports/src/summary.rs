//! What happened within some time: jobs, waits by phase, failures and costs.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::job_timeline::{JobTimeline, Phase};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::TimeRange;
use mayfly_ledger::{History, Ledger, LedgerError};
use serde::Serialize;

use crate::cost::{By, CostReport, Filter, sum};
use crate::ended::{Ended, EndedJob, EndedRunner, read_ended};
use crate::time_format::{Rfc3339, seconds};

/// How long something took, of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them took no longer.
    pub p50_seconds: f64,
    /// 95 of a hundred took no longer.
    pub p95_seconds: f64,
    /// The longest one.
    pub longest_seconds: f64,
}

/// A phase of the waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseSpread {
    /// Which.
    pub phase: Phase,
    /// How long it took.
    pub took: Spread,
    /// Its part of all waiting, from 0 to 1.
    pub share: f64,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolLine {
    /// Its name.
    pub pool: PoolName,
    /// Its jobs that ended.
    pub jobs: usize,
    /// Those that did not end well: any conclusion but success, skipped and neutral.
    pub failed: usize,
    /// How long they waited for their runner.
    pub wait: Spread,
    /// How long they ran.
    pub run: Spread,
}

/// A day, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DayLine {
    /// As `2026-11-22`.
    pub day: String,
    /// Jobs that ended.
    pub jobs: usize,
    /// Those that did not end well.
    pub failed: usize,
    /// How long they waited.
    pub wait: Spread,
}

/// Runners that ended the same way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeLine {
    /// How.
    pub outcome: Option<Outcome>,
    /// How many.
    pub runners: usize,
}

/// Runners that failed for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureLine {
    /// The reason.
    pub reason: String,
    /// How many.
    pub runners: usize,
    /// The last one.
    pub last_at: Rfc3339,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// When it was read.
    pub at: Rfc3339,
    /// What ended since then is in it.
    pub since: Rfc3339,
    /// Jobs of pools that ended.
    pub jobs: usize,
    /// How many ended how, in GitHub's words.
    pub conclusions: BTreeMap<String, usize>,
    /// Those that never began.
    pub never_began: usize,
    /// How long jobs waited for their runner.
    pub wait: Spread,
    /// The phases of that, in order.
    pub phases: Vec<PhaseSpread>,
    /// By pool.
    pub pools: Vec<PoolLine>,
    /// By day; days without a job are left out.
    pub days: Vec<DayLine>,
    /// How runners ended.
    pub runners: Vec<OutcomeLine>,
    /// Why some failed, the most frequent reasons first.
    pub failures: Vec<FailureLine>,
    /// What it cost, by repository.
    pub cost: CostReport,
}

/// The most reasons of failures that are shown: each may have its own text.
const MOST_FAILURES: usize = 20;

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    since: Timestamp,
    now: Timestamp,
) -> Result<(Report, Ended), LedgerError> {
    let ended = read_ended(
        ledger,
        TimeRange {
            from: since,
            to: now,
        },
        now,
    )
    .await?;
    Ok((report(&ended, pools, None, since, now), ended))
}

/// Jobs of pools that ended since then, in the order of their ends.
pub fn jobs_since(ended: &Ended, since: Timestamp) -> Vec<(JobId, &EndedJob)> {
    let mut jobs: Vec<_> = ended
        .jobs
        .iter()
        .filter(|(_, job)| job.closed_at >= since && job.pool.is_some())
        .map(|(id, job)| (*id, job))
        .collect();
    jobs.sort_by_key(|(id, job)| (job.closed_at, *id));
    jobs
}

/// The runner that ran each job.
pub fn runners_by_job(ended: &Ended) -> HashMap<JobId, &EndedRunner> {
    ended
        .runners
        .iter()
        .filter_map(|runner| Some((runner.job?, runner)))
        .collect()
}

/// The report of what was read; costs are those of these repositories.
#[must_use]
pub fn report(
    ended: &Ended,
    pools: Option<&Pools>,
    repository: Option<&RepositoryPattern>,
    since: Timestamp,
    now: Timestamp,
) -> Report {
    let jobs = jobs_since(ended, since);
    let runners = runners_by_job(ended);
    let timelines: Vec<JobTimeline> = jobs
        .iter()
        .filter(|(_, job)| job.waited.is_some())
        .map(|(id, job)| match runners.get(id) {
            Some(runner) => job.timeline.with(&runner.timeline),
            None => job.timeline.clone(),
        })
        .collect();
    let mut conclusions = BTreeMap::new();
    for (_, job) in &jobs {
        let word = job.conclusion.clone().unwrap_or_else(|| "unknown".into());
        *conclusions.entry(word).or_default() += 1;
    }
    let filter = Filter {
        pool: None,
        repository: repository.cloned(),
        since,
        by: By::Repository,
    };
    Report {
        at: Rfc3339(now),
        since: Rfc3339(since),
        jobs: jobs.len(),
        conclusions,
        never_began: jobs.iter().filter(|(_, job)| job.waited.is_none()).count(),
        wait: waits(jobs.iter().map(|(_, job)| *job)),
        phases: phases(&timelines),
        pools: by_pool(&jobs),
        days: by_day(&jobs),
        runners: outcomes(&ended.runners),
        failures: failures(&ended.runners),
        cost: sum(ended, pools, &filter, now),
    }
}

fn waits<'a>(jobs: impl Iterator<Item = &'a EndedJob>) -> Spread {
    spread(jobs.filter_map(|job| job.waited).collect())
}

fn phases(timelines: &[JobTimeline]) -> Vec<PhaseSpread> {
    let mut took: BTreeMap<Phase, Vec<Duration>> = BTreeMap::new();
    for phase in timelines.iter().flat_map(JobTimeline::phases) {
        if phase.phase.is_wait() {
            took.entry(phase.phase).or_default().push(phase.took);
        }
    }
    let all: Duration = took.values().flatten().sum();
    took.into_iter()
        .map(|(phase, took)| {
            let of_phase: Duration = took.iter().sum();
            let share = if all.is_zero() {
                0.0
            } else {
                seconds(of_phase) / seconds(all)
            };
            PhaseSpread {
                phase,
                took: spread(took),
                share,
            }
        })
        .collect()
}

fn by_pool(jobs: &[(JobId, &EndedJob)]) -> Vec<PoolLine> {
    let mut pools: BTreeMap<&PoolName, Vec<&EndedJob>> = BTreeMap::new();
    for (_, job) in jobs {
        if let Some(pool) = &job.pool {
            pools.entry(pool).or_default().push(job);
        }
    }
    pools
        .into_iter()
        .map(|(pool, jobs)| PoolLine {
            pool: pool.clone(),
            jobs: jobs.len(),
            failed: jobs.iter().filter(|job| !job.ended_well()).count(),
            wait: waits(jobs.iter().copied()),
            run: spread(jobs.iter().filter_map(|job| job.ran).collect()),
        })
        .collect()
}

fn by_day(jobs: &[(JobId, &EndedJob)]) -> Vec<DayLine> {
    let mut days: BTreeMap<String, Vec<&EndedJob>> = BTreeMap::new();
    for (_, job) in jobs {
        let day = Rfc3339(job.closed_at).day();
        days.entry(day).or_default().push(job);
    }
    days.into_iter()
        .map(|(day, jobs)| DayLine {
            day,
            jobs: jobs.len(),
            failed: jobs.iter().filter(|job| !job.ended_well()).count(),
            wait: waits(jobs.iter().copied()),
        })
        .collect()
}

fn outcomes(runners: &[EndedRunner]) -> Vec<OutcomeLine> {
    let mut lines: Vec<OutcomeLine> = Vec::new();
    for runner in runners {
        match lines.iter_mut().find(|line| line.outcome == runner.outcome) {
            Some(line) => line.runners += 1,
            None => lines.push(OutcomeLine {
                outcome: runner.outcome,
                runners: 1,
            }),
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.runners));
    lines
}

fn failures(runners: &[EndedRunner]) -> Vec<FailureLine> {
    let mut reasons: BTreeMap<&str, (usize, Timestamp)> = BTreeMap::new();
    for (runner, reason) in runners
        .iter()
        .filter_map(|runner| Some((runner, runner.failure.as_deref()?)))
    {
        let (count, last) = reasons.entry(reason).or_default();
        *count += 1;
        *last = runner.closed_at.max(*last);
    }
    let mut lines: Vec<FailureLine> = reasons
        .into_iter()
        .map(|(reason, (runners, last))| FailureLine {
            reason: reason.to_owned(),
            runners,
            last_at: Rfc3339(last),
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.runners));
    lines.truncate(MOST_FAILURES);
    lines
}

/// By nearest rank: each figure is one that was measured.
fn spread(mut took: Vec<Duration>) -> Spread {
    took.sort_unstable();
    let rank = |percent: usize| {
        let at = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(at).copied().map(seconds).unwrap_or_default()
    };
    Spread {
        count: took.len(),
        p50_seconds: rank(50),
        p95_seconds: rank(95),
        longest_seconds: rank(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_made_of_what_was_measured() {
        let of = |took: &[u64]| spread(took.iter().map(|s| Duration::from_secs(*s)).collect());
        let figures = |one: Spread| {
            (
                one.count,
                one.p50_seconds,
                one.p95_seconds,
                one.longest_seconds,
            )
        };
        assert_eq!(figures(of(&[])), (0, 0.0, 0.0, 0.0));
        assert_eq!(figures(of(&[7])), (1, 7.0, 7.0, 7.0));
        assert_eq!(figures(of(&[9, 1])), (2, 1.0, 9.0, 9.0));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(figures(of(&hundred)), (100, 50.0, 95.0, 100.0));
    }
}
