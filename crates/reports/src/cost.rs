//! Costs by repository, pool, workflow, job name or day, beside GitHub's hosted runners.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mayfly_domain::model::id::{PoolName, RepositoryId};
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::price::{HOSTED_AS_OF, NanoDollars, NoPrice};
use mayfly_domain::model::spend::Spend;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::TimeRange;
use mayfly_ledger::{History, Ledger, LedgerError};
use serde::Serialize;

use crate::ended::{Ended, EndedJob, EndedRunner, read_ended};
use crate::hosted;
use crate::time_format::Rfc3339;

/// What costs are summed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By repository
    #[default]
    Repository,
    /// By pool
    Pool,
    /// By workflow
    Workflow,
    /// By the job's name in its workflow
    Job,
    /// By day, in UTC
    Day,
}

/// Which costs to sum.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of this pool.
    pub pool: Option<PoolName>,
    /// Of repositories like this.
    pub repository: Option<RepositoryPattern>,
    /// Of runners that ended since then.
    pub since: Timestamp,
    /// Summed by this.
    pub by: By,
}

/// Money in billionths of a dollar that may be negative.
pub type NanoDollarsDifference = i64;

/// A sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CostLine {
    /// What of: a repository, a pool, a day and so on.
    pub what: String,
    /// Jobs that ran.
    pub jobs: usize,
    /// Runners that ended.
    pub runners: usize,
    /// Those of them that had no job.
    pub unused_runners: usize,
    /// What the runners cost.
    pub cost_nanodollars: NanoDollars,
    /// What that bought: start-ups, work, or nothing.
    pub spend_nanodollars: Spend,
    /// What the jobs of private repositories would have cost on GitHub's hosted runners of like
    /// size. In public repositories those are free.
    pub hosted_nanodollars: NanoDollars,
    /// That, less what all runners cost but those of public repositories.
    pub saved_nanodollars: NanoDollarsDifference,
    /// Runners whose cost is not known: they are in no sum of money.
    pub runners_without_cost: usize,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostReport {
    /// When it was read.
    pub at: Rfc3339,
    /// Runners that ended since then are in it.
    pub since: Rfc3339,
    /// What the lines are of.
    pub by: By,
    /// The sums, the dearest first; days in their order.
    pub lines: Vec<CostLine>,
    /// All of them together.
    pub total: CostLine,
    /// How many records were read.
    pub records_read: usize,
    /// More ended than was to be read: nothing later is in it.
    pub cut_at: Option<Rfc3339>,
    /// Why it is not known what some runners cost.
    pub no_cost: Vec<String>,
    /// The day that GitHub's prices are of.
    pub hosted_as_of: &'static str,
}

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    filter: &Filter,
    now: Timestamp,
) -> Result<CostReport, LedgerError> {
    let ended = read_ended(
        ledger,
        TimeRange {
            from: filter.since,
            to: now,
        },
        now,
    )
    .await?;
    Ok(sum(&ended, pools, filter, now))
}

/// Where the cost of a runner belongs.
struct Place<'a> {
    /// The job that it ran, or was started for.
    job: Option<&'a EndedJob>,
    /// The repository's name, as its newest job tells it.
    repository: Option<&'a str>,
}

/// Of runners that were started for no job and ran none.
const IDLE_FLOOR: &str = "(idle floor)";

/// Of runners of which nothing tells the repository.
const NOT_KNOWN: &str = "(not known)";

/// Sums what was read.
#[must_use]
pub fn sum(ended: &Ended, pools: Option<&Pools>, filter: &Filter, now: Timestamp) -> CostReport {
    let names = newest_names(ended);
    let mut lines: BTreeMap<String, CostLine> = BTreeMap::new();
    let mut total = CostLine {
        what: "total".to_owned(),
        ..CostLine::default()
    };
    let mut no_cost: BTreeSet<NoPrice> = BTreeSet::new();
    for runner in &ended.runners {
        let place = place(runner, ended, &names);
        if !filter.takes(runner, &place) {
            continue;
        }
        let what = filter.by.of(runner, &place);
        let hosted = hosted(runner, place.job, pools);
        let line = lines.entry(what.clone()).or_insert_with(|| CostLine {
            what,
            ..CostLine::default()
        });
        line.add(runner, &place, hosted);
        total.add(runner, &place, hosted);
        no_cost.extend(runner.no_price.clone());
    }
    let mut lines: Vec<CostLine> = lines.into_values().collect();
    if filter.by != By::Day {
        lines.sort_by(|one, other| {
            let by_cost = other.cost_nanodollars.cmp(&one.cost_nanodollars);
            by_cost.then_with(|| one.what.cmp(&other.what))
        });
    }
    CostReport {
        at: Rfc3339(now),
        since: Rfc3339(filter.since),
        by: filter.by,
        lines,
        total,
        records_read: ended.read,
        cut_at: ended.cut_at.map(Rfc3339),
        no_cost: no_cost.iter().map(ToString::to_string).collect(),
        hosted_as_of: HOSTED_AS_OF,
    }
}

/// Each repository's name by its newest job: a rename makes no second line.
fn newest_names(ended: &Ended) -> HashMap<RepositoryId, &str> {
    let mut newest: HashMap<RepositoryId, &EndedJob> = HashMap::new();
    for job in ended.jobs.values() {
        let known = newest.entry(job.repository).or_insert(job);
        if job.closed_at > known.closed_at {
            *known = job;
        }
    }
    newest
        .into_iter()
        .map(|(id, job)| (id, job.repository_name.as_str()))
        .collect()
}

fn place<'a>(
    runner: &'a EndedRunner,
    ended: &'a Ended,
    names: &HashMap<RepositoryId, &'a str>,
) -> Place<'a> {
    let job = runner
        .job
        .or(runner.intended)
        .and_then(|job| ended.jobs.get(&job));
    let repository = job
        .map(|job| job.repository)
        .or(runner.repository)
        .and_then(|id| names.get(&id).copied())
        .or(runner.place.as_deref());
    Place { job, repository }
}

/// What the job would have cost on a hosted runner: if it ran on this one, in a private repository.
fn hosted(
    runner: &EndedRunner,
    job: Option<&EndedJob>,
    pools: Option<&Pools>,
) -> Option<NanoDollars> {
    let job = job.filter(|job| job.private && runner.job.is_some())?;
    hosted::hosted(&runner.size, job.ran?, pools)
}

impl Filter {
    fn takes(&self, runner: &EndedRunner, place: &Place<'_>) -> bool {
        let named = |pattern: &RepositoryPattern| {
            place.repository.is_some_and(|name| pattern.matches(name))
        };
        self.pool.as_ref().is_none_or(|pool| runner.pool == *pool)
            && self.repository.as_ref().is_none_or(named)
    }
}

impl By {
    fn of(self, runner: &EndedRunner, place: &Place<'_>) -> String {
        let unknown = if runner.job.is_none() && runner.intended.is_none() {
            IDLE_FLOOR
        } else {
            NOT_KNOWN
        };
        let repository = place.repository.unwrap_or(unknown);
        let workflow = |job: &EndedJob| {
            let workflow = job.workflow.as_deref().unwrap_or("(workflow not known)");
            format!("{repository} / {workflow}")
        };
        match (self, place.job) {
            (Self::Pool, _) => runner.pool.to_string(),
            (Self::Day, _) => Rfc3339(runner.closed_at).day(),
            (Self::Workflow, Some(job)) => workflow(job),
            (Self::Job, Some(job)) => format!("{} / {}", workflow(job), job.name),
            (Self::Repository | Self::Workflow | Self::Job, _) => repository.to_owned(),
        }
    }
}

impl CostLine {
    fn add(&mut self, runner: &EndedRunner, place: &Place<'_>, hosted: Option<NanoDollars>) {
        self.runners += 1;
        self.jobs += usize::from(runner.job.is_some());
        self.unused_runners += usize::from(runner.job.is_none());
        let Some(spend) = runner.spend else {
            self.runners_without_cost += 1;
            return;
        };
        self.spend_nanodollars = self.spend_nanodollars.plus(spend);
        self.cost_nanodollars = self.spend_nanodollars.total();
        let hosted = hosted.unwrap_or_default();
        self.hosted_nanodollars.0 = self.hosted_nanodollars.0.saturating_add(hosted.0);
        if place.job.is_none_or(|job| job.private) {
            let signed = |money: NanoDollars| i64::try_from(money.0).unwrap_or(i64::MAX);
            self.saved_nanodollars = self
                .saved_nanodollars
                .saturating_add(signed(hosted).saturating_sub(signed(spend.total())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mayfly_domain::model::id::JobId;
    use mayfly_domain::model::job_timeline::JobTimeline;
    use mayfly_domain::model::size::{Architecture, Capacity, Size};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// A job of repository 1, private unless it is changed, that ran for a minute.
    fn job() -> EndedJob {
        EndedJob {
            repository: RepositoryId(1),
            repository_name: "acme/app".to_owned(),
            private: true,
            workflow: Some("CI".to_owned()),
            name: "build".to_owned(),
            conclusion: Some("success".to_owned()),
            ran: Some(Duration::from_secs(60)),
            queued_at: NOW.minus(Duration::from_secs(110)),
            waited: Some(Duration::from_secs(50)),
            timeline: JobTimeline::default(),
            pool: Some("linux".parse().unwrap()),
            closed_at: NOW,
        }
    }

    /// A runner that ran job 1: $0.001 for its start-up, $0.002 for the work.
    fn runner() -> EndedRunner {
        EndedRunner {
            pool: "linux".parse().unwrap(),
            size: Size {
                cpu: 2048,
                memory_mib: 8192,
                disk_gib: 20,
                architecture: Architecture::X64,
                capacity: Capacity::OnDemand,
            },
            job: Some(JobId(1)),
            intended: Some(JobId(1)),
            repository: Some(RepositoryId(1)),
            place: None,
            timeline: JobTimeline::default(),
            usage: None,
            out_of_memory: false,
            outcome: None,
            failure: None,
            spend: Some(Spend {
                start_up: NanoDollars(1_000_000),
                work: NanoDollars(2_000_000),
                unused: NanoDollars(0),
            }),
            no_price: None,
            closed_at: NOW,
        }
    }

    /// A runner that had no job and cost $0.0005.
    fn unused(intended: Option<JobId>) -> EndedRunner {
        EndedRunner {
            job: None,
            intended,
            repository: None,
            spend: Some(Spend {
                unused: NanoDollars(500_000),
                ..Spend::default()
            }),
            ..runner()
        }
    }

    fn ended(jobs: Vec<(i64, EndedJob)>, runners: Vec<EndedRunner>) -> Ended {
        Ended {
            jobs: jobs.into_iter().map(|(id, job)| (JobId(id), job)).collect(),
            runners,
            ..Ended::default()
        }
    }

    fn by(ended: &Ended, by: By) -> CostReport {
        let filter = Filter {
            pool: None,
            repository: None,
            since: NOW.minus(Duration::from_secs(3600)),
            by,
        };
        sum(ended, None, &filter, NOW)
    }

    fn whats(report: &CostReport) -> Vec<&str> {
        report.lines.iter().map(|line| line.what.as_str()).collect()
    }

    #[test]
    fn a_private_repositorys_jobs_are_compared_with_hosted_runners_and_waste_counts_against_us() {
        let public = EndedJob {
            private: false,
            repository: RepositoryId(2),
            repository_name: "acme/open".to_owned(),
            ..job()
        };
        let report = by(
            &ended(
                vec![(1, job()), (2, public)],
                vec![
                    runner(),
                    EndedRunner {
                        job: Some(JobId(2)),
                        intended: Some(JobId(2)),
                        repository: Some(RepositoryId(2)),
                        ..runner()
                    },
                    unused(Some(JobId(1))),
                    unused(None),
                ],
            ),
            By::Repository,
        );
        assert_eq!(whats(&report), ["acme/app", "acme/open", IDLE_FLOOR]);
        let [app, open, floor] = &report.lines[..] else {
            panic!("{report:?}")
        };
        assert_eq!((app.jobs, app.runners, app.unused_runners), (1, 2, 1));
        assert_eq!(app.cost_nanodollars, NanoDollars(3_500_000));
        // A minute of GitHub's runner with 2 vCPUs.
        assert_eq!(app.hosted_nanodollars, NanoDollars(6_000_000));
        assert_eq!(app.saved_nanodollars, 2_500_000);
        assert_eq!(
            (open.hosted_nanodollars, open.saved_nanodollars),
            (NanoDollars(0), 0)
        );
        assert_eq!(floor.saved_nanodollars, -500_000);
        assert_eq!(report.total.saved_nanodollars, 2_000_000);
    }

    #[test]
    fn a_runner_without_a_known_price_is_in_no_sum_and_is_counted() {
        let unknown = EndedRunner {
            spend: None,
            no_price: Some(NoPrice::NotRecorded),
            ..runner()
        };
        let report = by(&ended(vec![(1, job())], vec![unknown]), By::Pool);
        assert_eq!(report.total.runners_without_cost, 1);
        assert_eq!(report.total.hosted_nanodollars, NanoDollars(0));
        assert_eq!(report.no_cost.len(), 1);
    }

    #[test]
    fn a_renamed_repository_has_one_line_under_its_newest_name() {
        let before = EndedJob {
            repository_name: "acme/old".to_owned(),
            closed_at: NOW.minus(Duration::from_secs(60)),
            ..job()
        };
        let second = EndedRunner {
            job: Some(JobId(2)),
            intended: None,
            ..runner()
        };
        let report = by(
            &ended(vec![(1, before), (2, job())], vec![runner(), second]),
            By::Repository,
        );
        assert_eq!(whats(&report), ["acme/app"]);
    }

    #[test]
    fn costs_go_by_the_job_that_ran_and_only_without_one_by_the_job_it_was_for() {
        let other = EndedJob {
            name: "test".to_owned(),
            workflow: None,
            ..job()
        };
        let stolen = EndedRunner {
            job: Some(JobId(2)),
            ..runner()
        };
        let all = ended(
            vec![(1, job()), (2, other)],
            vec![stolen, unused(Some(JobId(1))), unused(Some(JobId(9)))],
        );
        assert_eq!(
            whats(&by(&all, By::Job)),
            [
                "acme/app / (workflow not known) / test",
                NOT_KNOWN,
                "acme/app / CI / build"
            ]
        );
    }
}
