//! What must be so while it lasts, and what must be so when it is over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use mayfly_domain::model::id::{JobId, RunnerId, RunnerName};
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::runner::Runner;

use super::account::Account;
use super::fixture::{Delivery, Fixture, Job, LOOK, Registration};
use super::participants::Part;
use crate::ecs_tasks::most_live;

/// The pools of the local stack and their `max` (`infra/local/pools.toml`).
pub(super) const MAX: [(&str, usize); 3] = [("linux", 20), ("small", 4), ("arm", 4)];

/// What GitHub says of a job whose runner fell silent.
const LOST_RUNNER: &str = "The self-hosted runner lost communication with the server.";

/// What is looked at again and again while it lasts.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Most open rows of each pool.
    pub(super) most_rows: RefCell<BTreeMap<String, usize>>,
    pub(super) looks: Cell<usize>,
}

impl Samples {
    /// Counts, for ever.
    pub(super) async fn take(&self, fixture: &Fixture<'_>) -> Infallible {
        loop {
            let ledger = fixture.stage.watch.ledger.snapshot().await.unwrap();
            for (pool, _) in MAX {
                let rows = ledger
                    .open
                    .iter()
                    .filter(|runner| runner.pool.as_str() == pool)
                    .count();
                let mut most = self.most_rows.borrow_mut();
                let most = most.entry(pool.to_owned()).or_default();
                *most = rows.max(*most);
            }
            self.looks.set(self.looks.get() + 1);
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What may be left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Row,
    Waiting,
    Record,
    Job,
    Registration,
    Task,
    Delivery,
}

/// How it came to rest.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What was left after the limit.
    pub(super) left: Vec<(Kind, String)>,
    /// When there was something of each kind for the last time.
    pub(super) last: BTreeMap<Kind, Duration>,
}

/// Waits until nothing is left to do, at most until the limit.
pub(super) async fn settle(fixture: &Fixture<'_>, parts: &[Part], limit: Duration) -> Settled {
    let begun = Instant::now();
    let mut last = BTreeMap::new();
    loop {
        let left = left(fixture, parts).await;
        if left.is_empty() || begun.elapsed() > limit {
            return Settled { left, last };
        }
        last.extend(left.into_iter().map(|(kind, _)| (kind, begun.elapsed())));
        tokio::time::sleep(LOOK).await;
    }
}

async fn left(fixture: &Fixture<'_>, parts: &[Part]) -> Vec<(Kind, String)> {
    let ledger = fixture.stage.watch.ledger.snapshot().await.unwrap();
    let row = |runner: &Runner| {
        format!(
            "{}/{} {:?}, stop {:?}, {:?}",
            runner.pool, runner.id, runner.state, runner.stop, runner.story
        )
    };
    let mut left: Vec<_> = ledger
        .open
        .iter()
        .map(|runner| (Kind::Row, row(runner)))
        .collect();
    left.extend(
        ledger
            .waiting
            .iter()
            .map(|job| (Kind::Waiting, format!("{job:?}"))),
    );
    for part in parts {
        match ledger.job(part.job) {
            None => left.push((Kind::Record, format!("job {} has none", part.job))),
            Some(job) if job.state != JobState::Closed => {
                left.push((
                    Kind::Record,
                    format!("job {} is {:?}: {:?}", job.id, job.state, job.story),
                ));
            }
            Some(_) => {}
        }
    }
    let jobs = fixture
        .jobs()
        .await
        .into_iter()
        .filter(|job| job.status != "completed");
    left.extend(jobs.map(|job| (Kind::Job, format!("{job:?}"))));
    let registered = fixture
        .registrations()
        .await
        .into_iter()
        .filter(|one| one.removed_at.is_none());
    left.extend(registered.map(|one| (Kind::Registration, format!("{one:?}"))));
    let live = fixture
        .tasks()
        .await
        .into_iter()
        .filter(|task| task.last_status != "STOPPED");
    left.extend(live.map(|task| (Kind::Task, format!("{task:?}"))));
    left.extend(
        unheard(&fixture.deliveries().await)
            .into_iter()
            .map(|what| (Kind::Delivery, what)),
    );
    left
}

/// Events of which no delivery was answered well.
fn unheard(deliveries: &[Delivery]) -> Vec<String> {
    let good = |one: &&Delivery| {
        one.stage == "over"
            && one
                .status_code
                .is_some_and(|code| (200..300).contains(&code))
    };
    let heard: BTreeSet<&String> = deliveries
        .iter()
        .filter(good)
        .map(|one| &one.guid)
        .collect();
    let unheard = deliveries.iter().filter(|one| !heard.contains(&one.guid));
    let words = unheard.map(|one| {
        format!(
            "{} of job {:?} ({})",
            one.action.as_deref().unwrap_or("?"),
            one.job_id,
            one.guid
        )
    });
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Everything that is not as it must be.
pub(super) async fn wrong(
    fixture: &Fixture<'_>,
    account: &Account,
    samples: &Samples,
) -> Vec<String> {
    let mut wrong: Vec<String> = account
        .settled
        .left
        .iter()
        .map(|(kind, what)| format!("left: {kind:?} {what}"))
        .collect();
    let (jobs, registrations, tasks) = (
        fixture.jobs().await,
        fixture.registrations().await,
        fixture.tasks().await,
    );
    let killed: BTreeSet<&RunnerId> = account.reaped.iter().map(|one| &one.runner).collect();
    for part in &account.parts {
        match jobs.iter().find(|job| job.id == part.job) {
            None => wrong.push(format!("GitHub does not know job {}", part.job)),
            Some(job) if ended_well(part, job, &killed) => {}
            Some(job) => wrong.push(format!("ended as it should not have: {job:?}")),
        }
    }
    wrong.extend(disagreements(fixture, &jobs).await);
    wrong.extend(shared(&registrations, &jobs));
    for (pool, max) in MAX {
        let rows = samples
            .most_rows
            .borrow()
            .get(pool)
            .copied()
            .unwrap_or_default();
        let live = most_live(&tasks, pool);
        wrong.extend(
            (rows > max).then(|| format!("{rows} rows of pool {pool} at a time, max is {max}")),
        );
        wrong.extend(
            (live > max).then(|| format!("{live} tasks of pool {pool} at a time, max is {max}")),
        );
    }
    wrong.extend(harmless(fixture, account).await);
    wrong
}

fn ended_well(part: &Part, job: &Job, killed: &BTreeSet<&RunnerId>) -> bool {
    let runner = job
        .runner_name
        .as_ref()
        .and_then(|name| name.parse::<RunnerName>().ok())
        .map(|name| name.address.runner);
    match job.conclusion.as_deref() {
        Some("success") => job.steps_run > 0 && runner.is_some(),
        Some("failure") => {
            job.annotation.as_deref() == Some(LOST_RUNNER)
                && runner.is_some_and(|runner| killed.contains(&runner))
        }
        Some("cancelled") => part.cancelled && (job.started_at.is_some() || job.steps_run == 0),
        _ => false,
    }
}

/// Jobs of which the ledger believes what GitHub does not say.
async fn disagreements(fixture: &Fixture<'_>, jobs: &[Job]) -> Vec<String> {
    let ledger = fixture.stage.watch.ledger.snapshot().await.unwrap();
    let record = |job: &Job| {
        ledger
            .jobs
            .iter()
            .find(|record| record.id == JobId(job.id))
            .map(|record| record.conclusion.clone())
    };
    let different = jobs
        .iter()
        .filter(|job| record(job).is_some_and(|believed| believed != job.conclusion));
    different
        .map(|job| format!("the ledger says {:?} of {job:?}", record(job)))
        .collect()
}

/// Runners that used two registrations, and registrations that ran two jobs.
fn shared(registrations: &[Registration], jobs: &[Job]) -> Vec<String> {
    let mut used: BTreeMap<RunnerId, Vec<&str>> = BTreeMap::new();
    for one in registrations.iter().filter(|one| one.connected) {
        let name: RunnerName = one
            .name
            .parse()
            .expect("Mayfly alone registers runners here");
        used.entry(name.address.runner).or_default().push(&one.name);
    }
    let twice = used
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| format!("one runner, two registrations: {names:?}"));
    let mut ran: BTreeMap<&String, Vec<i64>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.started_at.is_some()) {
        ran.entry(job.runner_name.as_ref().expect("who ran it"))
            .or_default()
            .push(job.id);
    }
    let both = ran
        .into_iter()
        .filter(|(_, jobs)| jobs.len() > 1)
        .map(|(name, jobs)| format!("{name} ran {jobs:?}"));
    twice.chain(both).collect()
}

/// Chaos that does not hurt proves nothing: what should have struck and did not.
async fn harmless(fixture: &Fixture<'_>, account: &Account) -> Vec<String> {
    let lost = fixture
        .log
        .lost_invocations(&fixture.places, &fixture.stage.stack)
        .unwrap();
    let spared = lost
        .iter()
        // No one looks at the dashboard meanwhile, so it is never at work.
        .filter(|(function, lost)| **lost == 0 && *function != "dashboard")
        .map(|(function, _)| format!("no kill hit {function} at work"));
    let mut harmless: Vec<String> = spared.collect();
    let unused = account
        .struck
        .iter()
        .filter(|(_, times)| **times == 0)
        .map(|(kind, _)| format!("{kind} never struck"));
    harmless.extend(unused);
    let deliveries = fixture.deliveries().await;
    let failed = deliveries.iter().any(|one| one.status_code == Some(0));
    harmless.extend((!failed).then(|| "no delivery was lost".to_owned()));
    harmless.extend(
        account
            .reaped
            .is_empty()
            .then(|| "no container was killed".to_owned()),
    );
    harmless
}
