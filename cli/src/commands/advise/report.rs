//! Which sizes pools and jobs need, by what their runners used, and what another size would cost.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::price::{NanoDollars, PriceList};
use mayfly_domain::model::right_size::{Evidence, Run, Verdict};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::TimeRange;
use mayfly_ledger::{History, Ledger, LedgerError};
use serde::Serialize;

use super::pools_diff::patch;
use crate::commands::cost::report::NanoDollarsDifference;
use crate::deployment::ended::{Ended, EndedRunner, read_ended};
use crate::terminal::time_format::Rfc3339;

/// Which runs to go by.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of this pool.
    pub pool: Option<PoolName>,
    /// Of runners that ended since then.
    pub since: Timestamp,
    /// Nothing is proposed for fewer runs.
    pub least_runs: usize,
}

/// What is known besides the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The pools in force.
    pub pools: &'a Pools,
    /// The file that they are of.
    pub file: Option<&'a str>,
    /// What sizes cost.
    pub prices: PriceList<'a>,
}

/// A task's size, as the pools file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskSize {
    /// CPU units: 1024 are one vCPU.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
}

impl From<Size> for TaskSize {
    fn from(size: Size) -> Self {
        Self {
            cpu: size.cpu,
            memory_mib: size.memory_mib,
        }
    }
}

/// What the runs cost, and what they would have cost with the size that is proposed, had they taken
/// as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Money {
    /// What they cost.
    pub cost_nanodollars: NanoDollars,
    /// What they would have cost.
    pub would_cost_nanodollars: NanoDollars,
    /// The difference: negative if the size that is proposed costs more.
    pub saved_nanodollars: NanoDollarsDifference,
}

/// What is advised for a pool, or for one of its jobs by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The pool.
    pub pool: PoolName,
    /// The job: repository, workflow and name. None: the whole pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The pool's current size.
    pub size: TaskSize,
    /// What runs of that size used.
    pub evidence: Evidence,
    /// Runs of that size that did not report.
    pub silent_runs: usize,
    /// A run came near its memory, or was killed for want of it.
    pub near_memory_limit: bool,
    /// What follows.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The size that is proposed, and what it means in money; none where a cost is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
}

impl Advice {
    /// The size that is proposed.
    #[must_use]
    pub fn proposed(&self) -> Option<TaskSize> {
        match self.verdict {
            Verdict::Smaller { cpu, memory_mib } | Verdict::Larger { cpu, memory_mib } => {
                Some(TaskSize { cpu, memory_mib })
            }
            Verdict::TooFewRuns | Verdict::Right | Verdict::Largest => None,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdviceReport {
    /// When it was read.
    pub at: Rfc3339,
    /// Runners that ended since then are in it.
    pub since: Rfc3339,
    /// Nothing is proposed for fewer runs.
    pub least_runs: usize,
    /// Each pool in force.
    pub pools: Vec<Advice>,
    /// Jobs that would do with another size than what their pool needs, and those near their memory:
    /// these first.
    pub jobs: Vec<Advice>,
    /// The change of the pools file that gives pools the sizes proposed.
    pub diff: Option<String>,
    /// Sizes are proposed, and the file is written so that no change of its lines can be shown.
    pub no_diff: bool,
    /// How many records were read.
    pub records_read: usize,
    /// More ended than was to be read: nothing later is in it.
    pub cut_at: Option<Rfc3339>,
}

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: History>(
    ledger: &Ledger<S>,
    known: &Known<'_>,
    filter: &Filter,
    now: Timestamp,
) -> Result<AdviceReport, LedgerError> {
    let range = TimeRange {
        from: filter.since,
        to: now,
    };
    let ended = read_ended(ledger, range, now).await?;
    Ok(advise(&ended, known, filter, now))
}

/// Runs of one pool or job.
#[derive(Default)]
struct Runs<'a> {
    runs: Vec<Run>,
    runners: Vec<&'a EndedRunner>,
}

/// Makes advice of what was read.
#[must_use]
pub fn advise(ended: &Ended, known: &Known<'_>, filter: &Filter, now: Timestamp) -> AdviceReport {
    let mut pools = Vec::new();
    let mut jobs = Vec::new();
    let mut sizes = BTreeMap::new();
    let wanted = |pool: &&Pool| filter.pool.as_ref().is_none_or(|name| pool.name == *name);
    for pool in known.pools.pools.iter().filter(wanted) {
        let (all, by_job) = runs_of(pool, ended);
        let whole = advice(pool, None, &all, known, filter);
        if let Some(size) = whole.verdict.proposed(pool.size) {
            sizes.insert(pool.name.clone(), size);
        }
        for (job, runs) in by_job {
            let own = advice(pool, Some(job), &runs, known, filter);
            let other = own.proposed().is_some() && own.proposed() != whole.proposed();
            if own.near_memory_limit || other {
                jobs.push(own);
            }
        }
        pools.push(whole);
    }
    jobs.sort_by_key(|job| {
        let saved = job.money.map_or(0, |money| money.saved_nanodollars);
        (
            !job.near_memory_limit,
            std::cmp::Reverse(job.evidence.killed),
            std::cmp::Reverse(saved),
        )
    });
    let diff = known.file.and_then(|file| patch(file, &sizes));
    AdviceReport {
        at: Rfc3339(now),
        since: Rfc3339(filter.since),
        least_runs: filter.least_runs,
        no_diff: diff.is_none() && !sizes.is_empty(),
        pools,
        jobs,
        diff,
        records_read: ended.read,
        cut_at: ended.cut_at.map(Rfc3339),
    }
}

/// Runs of a pool's current size, and the same by job.
fn runs_of<'a>(pool: &Pool, ended: &'a Ended) -> (Runs<'a>, BTreeMap<String, Runs<'a>>) {
    let mut all = Runs::default();
    let mut by_job: BTreeMap<String, Runs<'a>> = BTreeMap::new();
    let of_pool = ended.runners.iter().filter(|runner| {
        runner.pool == pool.name
            && (runner.size.cpu, runner.size.memory_mib) == (pool.size.cpu, pool.size.memory_mib)
    });
    for runner in of_pool {
        let (Some(job), Some(ran)) = (runner.job, runner.container_ran()) else {
            continue;
        };
        let run = Run {
            usage: runner.usage,
            ran,
            out_of_memory: runner.out_of_memory,
        };
        let add = |runs: &mut Runs<'a>| {
            runs.runs.push(run);
            runs.runners.push(runner);
        };
        add(&mut all);
        if let Some(job) = ended.jobs.get(&job) {
            let workflow = job.workflow.as_deref().unwrap_or("(workflow not known)");
            let name = format!("{} / {workflow} / {}", job.repository_name, job.name);
            add(by_job.entry(name).or_default());
        }
    }
    (all, by_job)
}

fn advice(
    pool: &Pool,
    job: Option<String>,
    of: &Runs<'_>,
    known: &Known<'_>,
    filter: &Filter,
) -> Advice {
    let evidence = Evidence::of(&of.runs);
    let verdict = evidence.verdict(pool.size, filter.least_runs);
    Advice {
        pool: pool.name.clone(),
        job,
        size: pool.size.into(),
        silent_runs: of.runs.len() - evidence.runs,
        near_memory_limit: evidence.is_near_limit(pool.size),
        evidence,
        verdict,
        money: verdict
            .proposed(pool.size)
            .and_then(|size| money(of, size, known)),
    }
}

/// What another size means in money, by runs whose cost is known.
fn money(of: &Runs<'_>, proposed: Size, known: &Known<'_>) -> Option<Money> {
    let mut sum = Money::default();
    let capacities: BTreeSet<_> = of.runners.iter().map(|it| it.size.capacity).collect();
    let prices: BTreeMap<_, _> = capacities
        .into_iter()
        .filter_map(|capacity| {
            let size = Size {
                capacity,
                ..proposed
            };
            Some((capacity, known.prices.hourly(&size).ok()?))
        })
        .collect();
    let mut counted = false;
    for runner in &of.runners {
        let (Some(spend), Some(billed), Some(price)) = (
            runner.spend,
            runner.billed(),
            prices.get(&runner.size.capacity),
        ) else {
            continue;
        };
        counted = true;
        let add = |sum: &mut NanoDollars, more: NanoDollars| sum.0 = sum.0.saturating_add(more.0);
        add(&mut sum.cost_nanodollars, spend.total());
        add(&mut sum.would_cost_nanodollars, price.cost(billed));
    }
    let signed = |money: NanoDollars| i64::try_from(money.0).unwrap_or(i64::MAX);
    sum.saved_nanodollars =
        signed(sum.cost_nanodollars).saturating_sub(signed(sum.would_cost_nanodollars));
    counted.then_some(sum)
}
