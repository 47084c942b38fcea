//! What ended within some time, read a day at a time and reduced to what reports are made of: the
//! records of a month are hundreds of megabytes, and each adds one line to a report.

use std::collections::HashMap;
use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName, RepositoryId};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::job_timeline::{JobTimeline, Step};
use mayfly_domain::model::price::NoPrice;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::spend::Spend;
use mayfly_domain::model::target::TargetScope;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::usage::Usage;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError};

use crate::killed::Killed;

/// Most records that one report is made of: 25 days of 10,000 jobs, each with its runner.
pub const MOST_RECORDS: usize = 500_000;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// So much earlier jobs are read than runners: a runner ends after its job, by minutes as a rule.
const JOBS_BEFORE: Duration = Duration::from_secs(60 * 60);

/// A job that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedJob {
    /// Its repository's number, which a rename leaves.
    pub repository: RepositoryId,
    /// Its repository's name.
    pub repository_name: String,
    /// Only members see the repository: GitHub's hosted runners cost money there.
    pub private: bool,
    /// Its workflow's name, if a delivery told it.
    pub workflow: Option<String>,
    /// Its name.
    pub name: String,
    /// How it ended, in GitHub's word.
    pub conclusion: Option<String>,
    /// How long it ran; none if it never began.
    pub ran: Option<Duration>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// How long it waited; none if it never began.
    pub waited: Option<Duration>,
    /// Its steps.
    pub timeline: JobTimeline,
    /// The pool that took it.
    pub pool: Option<PoolName>,
    /// When it ended.
    pub closed_at: Timestamp,
}

/// A runner that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedRunner {
    /// Its pool.
    pub pool: PoolName,
    /// How large it was.
    pub size: Size,
    /// The job that it ran.
    pub job: Option<JobId>,
    /// The job that it was started for; none for the idle floor.
    pub intended: Option<JobId>,
    /// The repository that it was started or registered for.
    pub repository: Option<RepositoryId>,
    /// Where it was registered: a repository or an organization, by name.
    pub place: Option<String>,
    /// Its steps.
    pub timeline: JobTimeline,
    /// What its container used, if it reported that.
    pub usage: Option<Usage>,
    /// Its container was killed for want of memory, as far as is known.
    pub out_of_memory: bool,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so, if that was a failure.
    pub failure: Option<String>,
    /// What its cost bought; none if its price is not known.
    pub spend: Option<Spend>,
    /// Why it is not.
    pub no_price: Option<NoPrice>,
    /// When it ended.
    pub closed_at: Timestamp,
}

/// What ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// Jobs by their ids: those that ended within the time, and for an hour before it.
    pub jobs: HashMap<JobId, EndedJob>,
    /// Runners that ended within the time.
    pub runners: Vec<EndedRunner>,
    /// How many records were read.
    pub read: usize,
    /// There is more than was to be read: nothing that ended later is in it.
    pub cut_at: Option<Timestamp>,
}

/// Reads what ended within a time range.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn read_ended<S: History>(
    ledger: &Ledger<S>,
    range: TimeRange,
    now: Timestamp,
) -> Result<Ended, LedgerError> {
    let mut ended = Ended::default();
    let mut begin = range.from.minus(JOBS_BEFORE);
    while begin <= range.to {
        let end = begin.plus(DAY).min(range.to);
        let left = MOST_RECORDS.saturating_sub(ended.read);
        let closed = ledger
            .closed(
                TimeRange {
                    from: begin,
                    to: end,
                },
                Order::OldestFirst,
                left,
                now,
            )
            .await?;
        ended.read += closed.jobs.len() + closed.runners.len();
        ended.jobs.extend(
            closed
                .jobs
                .iter()
                .filter_map(|job| Some((job.id, EndedJob::of(job)?))),
        );
        ended.runners.extend(
            closed
                .runners
                .iter()
                .filter_map(EndedRunner::of)
                .filter(|runner| runner.closed_at >= range.from),
        );
        if closed.cut_at.is_some() {
            ended.cut_at = closed.cut_at;
            break;
        }
        // Both ends belong to a range, and times are whole milliseconds.
        begin = end.plus(Duration::from_millis(1));
    }
    Ok(ended)
}

impl EndedJob {
    /// True for a job that did not fail. GitHub's words:
    /// <https://docs.github.com/en/rest/actions/workflow-jobs>, `conclusion`.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        matches!(
            self.conclusion.as_deref(),
            Some("success" | "skipped" | "neutral")
        )
    }

    fn of(job: &JobRecord) -> Option<Self> {
        let closed_at = job.closed_at?;
        Some(Self {
            repository: job.repository.id,
            repository_name: job.repository.name.clone(),
            private: job.repository.private,
            workflow: job.workflow.clone(),
            name: job.name.clone(),
            conclusion: job.conclusion.clone(),
            ran: job.running_at.map(|began| closed_at.since(began)),
            queued_at: job.queued_at,
            waited: job.running_at.map(|began| began.since(job.queued_at)),
            timeline: JobTimeline::of_job(job),
            pool: job.pool.clone(),
            closed_at,
        })
    }
}

/// True if something went wrong with a runner that ended so.
fn failed(outcome: Outcome) -> bool {
    match outcome {
        Outcome::FailedStart | Outcome::NeverAssigned | Outcome::Refused | Outcome::Unknown => true,
        Outcome::Ran | Outcome::Surplus => false,
    }
}

impl EndedRunner {
    /// How long its container ran, by ECS's clock.
    #[must_use]
    pub fn container_ran(&self) -> Option<Duration> {
        let to = self.timeline.at(Step::Stopped)?;
        Some(to.since(self.timeline.at(Step::ContainerStarted)?))
    }

    /// How long its task was paid for.
    #[must_use]
    pub fn billed(&self) -> Option<Duration> {
        let from = self
            .timeline
            .at(Step::PullStarted)
            .or(self.timeline.at(Step::ContainerStarted))?;
        Some(self.timeline.at(Step::Stopped)?.since(from))
    }

    fn of(runner: &Runner) -> Option<Self> {
        let place = runner.target.as_ref().map(|target| match &target.scope {
            TargetScope::Repository { name, .. } => name.clone(),
            TargetScope::Organization { login, .. } => login.clone(),
        });
        Some(Self {
            pool: runner.pool.clone(),
            size: runner.size,
            job: runner.work.as_ref().and_then(|work| work.job),
            intended: runner.intended,
            repository: runner.repository,
            place,
            timeline: JobTimeline::of_runner(runner),
            usage: runner.usage,
            out_of_memory: matches!(Killed::of(runner), Some(Killed::OutOfMemory { .. })),
            outcome: runner.outcome,
            failure: runner
                .reason
                .as_ref()
                .filter(|_| runner.outcome.is_some_and(failed))
                .map(ToString::to_string),
            spend: runner.spend(),
            no_price: runner.no_cost(),
            closed_at: runner.closed_at?,
        })
    }
}
