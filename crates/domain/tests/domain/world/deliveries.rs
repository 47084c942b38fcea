//! Deliveries about one job, and a ledger in memory that takes what `observe` says of them.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::id::{JobId, OwnerId, PoolName, RepositoryId, RunId, RunnerName};
use mayfly_domain::model::job::{AssignedRunner, JobAction, JobEvent, JobRecord, JobState, WaitingJob};
use mayfly_domain::model::pool::{Account, Pool, Pools};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::{Observation, Verdict, WaitingChange};
use mayfly_domain::transitions::observe::{Known, observe};

use crate::world::builders::{NOW, ago, installation, later, pool, pool_name, repository};

/// Two pools: `linux` takes `mayfly`, `other` takes `other`.
pub(crate) fn pools() -> Pools {
    let labels = |labels: &[&str]| labels.iter().copied().collect();
    let linux = Pool { labels: labels(&["self-hosted", "linux", "mayfly"]), ..pool() };
    let other = Pool { name: pool_name("other"), labels: labels(&["self-hosted", "linux", "other"]), ..pool() };
    let accounts = vec![Account { login: "acme".into(), id: Some(OwnerId(9)) }];
    Pools { accounts, pools: vec![linux, other], generation: 7 }
}

/// A delivery about job 77 of run 7 of `acme/app-1`, which asks for `self-hosted, mayfly`, was made a minute ago and queued right then.
pub(crate) fn delivery(guid: &str, action: JobAction) -> JobEvent {
    let begun = matches!(action, JobAction::InProgress | JobAction::Completed);
    JobEvent {
        action,
        delivery: guid.to_owned(),
        held: false,
        job: JobId(77),
        run: RunId(7),
        attempt: 1,
        name: "build".into(),
        labels: ["self-hosted", "mayfly"].into_iter().collect(),
        repository: repository(1),
        installation: installation(1),
        runner: None,
        conclusion: None,
        created_at: Some(ago(60)),
        started_at: Some(if begun { ago(30) } else { ago(60) }),
        completed_at: None,
        received_at: NOW,
    }
}

pub(crate) fn queued(guid: &str) -> JobEvent {
    delivery(guid, JobAction::Queued)
}

pub(crate) fn waiting(guid: &str) -> JobEvent {
    JobEvent { held: true, ..delivery(guid, JobAction::Waiting) }
}

pub(crate) fn in_progress(guid: &str, runner: AssignedRunner) -> JobEvent {
    JobEvent { runner: Some(runner), ..delivery(guid, JobAction::InProgress) }
}

pub(crate) fn completed(guid: &str, conclusion: &str, runner: Option<AssignedRunner>) -> JobEvent {
    JobEvent { runner, conclusion: Some(conclusion.into()), completed_at: Some(ago(5)), ..delivery(guid, JobAction::Completed) }
}

/// The runner as GitHub names it.
pub(crate) fn named(runner: &Runner) -> AssignedRunner {
    AssignedRunner { id: runner.github.unwrap(), name: runner.name().to_string() }
}

/// What the ledger holds, for any number of jobs, and who was woken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) records: BTreeMap<JobId, JobRecord>,
    pub(crate) waiting: BTreeMap<(PoolName, JobId), WaitingJob>,
    pub(crate) runners: Vec<Runner>,
    pub(crate) woken: Vec<PoolName>,
}

impl Ledger {
    pub(crate) fn with(runners: impl IntoIterator<Item = Runner>) -> Self {
        Self { runners: runners.into_iter().collect(), ..Self::default() }
    }

    /// Looks up what webhook looks up: the record, and the open row of the runner whose address the name has.
    pub(crate) fn look(&self, event: &JobEvent, pools: &Pools) -> Observation {
        let name = event.runner.as_ref().and_then(|runner| runner.name.parse::<RunnerName>().ok());
        let runner = name.and_then(|name| self.runners.iter().find(|runner| runner.address() == name.address));
        observe(event, Known { pools, record: self.records.get(&event.job), runner })
    }

    /// Records a delivery, and holds every promise of a single step.
    pub(crate) fn record(&mut self, event: &JobEvent, pools: &Pools) -> Verdict {
        let before = self.clone();
        let observation = self.look(event, pools);
        let Observation { verdict, record, waiting, runner, wake, errand: _, settled: _ } = observation;
        if let Some(record) = record {
            let rev = before.records.get(&event.job).map_or(0, |record| record.rev);
            assert_eq!((record.id, record.rev), (event.job, rev + 1), "a write expects the number it read");
            self.records.insert(event.job, record);
        }
        match waiting {
            WaitingChange::Keep => {}
            WaitingChange::Put(pool, row) => {
                assert!(!self.waiting.keys().any(|(_, job)| *job == row.id), "a second waiting row");
                assert!(
                    row.rev >= 1 << 20 && before.records.get(&row.id).is_none_or(|record| row.rev > record.rev << 20),
                    "a row's number came twice"
                );
                self.waiting.insert((pool, row.id), row);
            }
            WaitingChange::Remove(pool, job) => {
                self.waiting.remove(&(pool, job)).unwrap();
            }
        }
        if let Some(after) = runner {
            let row = self.runners.iter_mut().find(|row| row.id == after.id).unwrap();
            assert_eq!(after.rev, row.rev + 1, "a write expects the number it read");
            *row = after;
        }
        self.holds_its_promises(&before, event, &wake);
        self.woken.extend(wake);
        verdict
    }

    fn holds_its_promises(&self, before: &Self, event: &JobEvent, wake: &BTreeSet<PoolName>) {
        for record in self.records.values() {
            let rows: Vec<_> = self.waiting.keys().filter(|(_, job)| *job == record.id).collect();
            assert_eq!(rows.len(), usize::from(record.state == JobState::Queued), "a waiting row, if and only if the job waits");
        }
        let runner_of = |job: JobId| self.runners.iter().find(|runner| runner.work.as_ref().is_some_and(|work| work.job == Some(job)));
        for (pool, job) in self.waiting.keys().filter(|key| !before.waiting.contains_key(*key)) {
            assert!(wake.contains(pool), "job {job} waits and {pool} was not woken");
        }
        for (pool, job) in before.waiting.keys().filter(|key| !self.waiting.contains_key(*key)) {
            // A job that its own runner began leaves nothing to decide.
            let own = runner_of(*job).is_some_and(|runner| runner.reserved == Some(*job));
            assert!(own || wake.contains(pool), "job {job} waits no longer and {pool} was not woken");
        }
        for (was, is) in before.runners.iter().zip(&self.runners) {
            let job = |runner: &Runner| runner.work.as_ref().and_then(|work| work.job);
            if job(was).is_none() && job(is).is_some() && job(is) != is.reserved {
                assert!(wake.contains(&is.pool), "{} took a job that was not its own and {} was not woken", is.id, is.pool);
            }
        }
        let concerned = before.waiting.keys().chain(self.waiting.keys()).map(|(pool, _)| pool);
        let concerned: BTreeSet<_> =
            concerned.chain(self.runners.iter().filter(|runner| event_names(event, runner)).map(|r| &r.pool)).collect();
        assert!(wake.iter().all(|pool| concerned.contains(pool)), "a pool was woken that has nothing to do with it");
    }
}

fn event_names(event: &JobEvent, runner: &Runner) -> bool {
    event.runner.as_ref().is_some_and(|named| named.name == runner.name().to_string())
}

/// What must be the same, in whatever order deliveries came: all but counters, stories, and what only tells when something was heard.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    state: JobState,
    place: (Option<PoolName>, Option<mayfly_domain::model::size::Size>, Option<mayfly_domain::model::target::Target>),
    conclusion: Option<String>,
    runner: (Option<String>, Option<mayfly_domain::model::id::RunnerId>),
    times: (Option<Timestamp>, Option<Timestamp>, Option<i64>),
    reason: Option<Reason>,
    repository: Repository,
    waiting: Vec<(PoolName, WaitingJob)>,
    runners: Vec<Runner>,
}

impl Ledger {
    pub(crate) fn outcome(&self, job: i64) -> Option<Outcome> {
        let JobRecord { state, pool, size, target, conclusion, runner_name, runner, running_at, closed_at, .. } =
            self.records.get(&JobId(job))?.clone();
        let record = &self.records[&JobId(job)];
        let row = |row: &WaitingJob| WaitingJob { rev: 0, queued_at: NOW, ..row.clone() };
        let untold = |runner: &Runner| Runner { rev: 0, story: Vec::new(), ..runner.clone() };
        Some(Outcome {
            state,
            place: (pool, size, target),
            conclusion,
            runner: (runner_name, runner),
            times: (running_at, closed_at, record.expires_at),
            reason: record.reason.clone(),
            repository: record.repository.clone(),
            waiting: self.waiting.iter().map(|((pool, _), waiting)| (pool.clone(), row(waiting))).collect(),
            runners: self.runners.iter().map(untold).collect(),
        })
    }
}

/// A delivery about another repository than the job's own.
pub(crate) fn elsewhere(event: JobEvent) -> JobEvent {
    let repository = Repository { id: RepositoryId(999), name: "acme/elsewhere".into(), ..event.repository };
    JobEvent { repository, received_at: later(0), ..event }
}
