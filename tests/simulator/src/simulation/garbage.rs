//! What should not be there, and how long it has been: I5 while the story settles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use super::final_checks::address_of_key;
use super::recorder::{Recorder, Shared};
use super::shadow_model::address_of;
use super::violation::Invariant;
use crate::system::System;
use mayfly_github_model::id;
use mayfly_github_model::jobs::Status;

const MINUTE: Duration = Duration::from_secs(60);

/// How long each thing may last once nothing goes wrong any more: the time in
/// `mayfly_domain::model::timeouts`, and some sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Stopped 10 min after it was created.
    TaskWithoutRow,
    /// ECS's word counts from 5 min on, twice.
    RowWithoutTask,
    /// Taken away two minutes after its runner's end, and again after 4, 8, 16 min while GitHub
    /// says that it has a job.
    RegistrationWithoutRow,
    /// The same where the follow-up for it met failures, and waits an hour at most.
    RegistrationAfterTrouble,
    /// GitHub is asked about jobs that are open for too long; a follow-up that met a failure waits
    /// an hour at most.
    RowOfOverJob,
    /// The same where the App may not see the job's repository: GitHub shows it as one that was
    /// never there, so the job is given up when its day is over.
    RowOutOfSight,
    /// Stopped 2 min after its job.
    TaskAfterJob,
    /// The same of a job whose last delivery may never have come: GitHub is asked about runners
    /// that work for long.
    TaskAfterUntoldJob,
    /// `idle_timeout`, and some sweeps.
    IdleRunner,
    /// `start_timeout` is 10 min.
    SilentTask,
}

impl Kind {
    /// `waited`: most runs whose jobs waited at a time.
    fn limit(self, idle_timeout: Duration, waited: usize) -> Duration {
        match self {
            Self::TaskWithoutRow => 14 * MINUTE,
            Self::RowWithoutTask => 12 * MINUTE,
            Self::RegistrationWithoutRow => 22 * MINUTE,
            Self::RegistrationAfterTrouble => 90 * MINUTE,
            // Where no delivery told of its end, a job is asked about in its turn.
            Self::RowOfOverJob => {
                75 * MINUTE + MINUTE * u32::try_from(waited / ASKED_A_MINUTE).unwrap_or(u32::MAX)
            }
            Self::RowOutOfSight => OUT_OF_SIGHT,
            Self::TaskAfterJob => 7 * MINUTE,
            Self::TaskAfterUntoldJob => 75 * MINUTE,
            Self::IdleRunner => idle_timeout + 6 * MINUTE,
            Self::SilentTask => 15 * MINUTE,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::TaskWithoutRow => "a task without a row",
            Self::RowWithoutTask => "a row without a task",
            Self::RegistrationWithoutRow | Self::RegistrationAfterTrouble => {
                "a registration without a row"
            }
            Self::RowOfOverJob => "a waiting row of a job that does not wait",
            Self::RowOutOfSight => {
                "a waiting row of a job that is over, in a repository out of sight"
            }
            Self::TaskAfterJob | Self::TaskAfterUntoldJob => "a task whose job is over",
            Self::IdleRunner => "a registered runner without a job",
            Self::SilentTask => "a task that never asked for its registration",
        }
    }
}

/// A job that GitHub does not show is given up after the day that jobs wait for, with the next
/// question, which may have its hour.
const OUT_OF_SIGHT: Duration = Duration::from_secs(
    timeouts::QUEUED_AT_MOST.as_secs() + timeouts::LONGEST_WAIT.as_secs() + 15 * 60,
);

/// What should not be there, since when.
#[derive(Debug)]
pub(super) struct Garbage {
    since: BTreeMap<(Kind, String), Timestamp>,
    /// Every delivery came.
    told: bool,
    /// The longest of any pool.
    idle_timeout: Duration,
    /// Most runs whose jobs waited at a time.
    waited: usize,
}

/// Of the runs whose jobs wait, sweeper asks GitHub about so many in a minute at least, whatever
/// else it has to ask: of one with several jobs it has all listed.
const ASKED_A_MINUTE: usize = 4;

impl Garbage {
    /// Nothing so far. `told`: nothing ever kept a delivery from coming.
    pub(super) fn new(told: bool, idle_timeout: Duration) -> Self {
        Self {
            since: BTreeMap::new(),
            told,
            idle_timeout,
            waited: 0,
        }
    }

    /// Looks once more.
    pub(super) fn look(&mut self, system: &System, recorder: &Shared) {
        let now = system.world.clock.now();
        let (rows, waiting) = keys(system);
        let runs: BTreeSet<_> = system
            .waiting()
            .into_iter()
            .map(|row| (row.run, row.attempt))
            .collect();
        self.waited = self.waited.max(runs.len());
        let hidden = hidden(system, &waiting);
        let mut recorder = recorder.get();
        let found = found(&recorder, &rows, (&waiting, &hidden), self.told);
        self.since.retain(|key, _| found.contains(key));
        for key in found {
            let since = *self.since.entry(key.clone()).or_insert(now);
            let (kind, what) = key;
            if now.since(since) > kind.limit(self.idle_timeout, self.waited) {
                let words = format!(
                    "{}: {what}, for {} min",
                    kind.words(),
                    now.since(since).as_secs() / 60
                );
                let about = what.split(' ').next().unwrap_or_default().to_owned();
                self.since
                    .insert((kind, what), Timestamp::from_millis(i64::MAX / 2));
                recorder.broken(Invariant::I5, now, &[&about], words);
            }
        }
    }
}

/// Addresses of open runners, and waiting jobs.
fn keys(system: &System) -> (BTreeSet<String>, Vec<JobId>) {
    system.world.table.with(|table| {
        let (mut rows, mut waiting) = (BTreeSet::new(), Vec::new());
        for (key, _) in table.settled_in("pool#") {
            rows.extend(address_of_key(&key.pk, &key.sk));
            waiting.extend(
                key.sk
                    .strip_prefix("job#")
                    .and_then(|digits| digits.parse().ok())
                    .map(JobId),
            );
        }
        (rows, waiting)
    })
}

/// Those of the jobs whose repository the App may not see.
fn hidden(system: &System, jobs: &[JobId]) -> BTreeSet<JobId> {
    system.world.see_github(|github, _| {
        let accounts = github.accounts();
        let seen = |repository| {
            accounts
                .installation_for(repository)
                .is_some_and(|one| one.suspended_at.is_none())
        };
        let is_hidden = |job: &&JobId| {
            github
                .job(id::JobId(job.0))
                .is_some_and(|job| !seen(job.repository))
        };
        jobs.iter().filter(is_hidden).copied().collect()
    })
}

fn found(
    recorder: &Recorder,
    rows: &BTreeSet<String>,
    (waiting, hidden): (&[JobId], &BTreeSet<JobId>),
    told: bool,
) -> BTreeSet<(Kind, String)> {
    let shadow = &recorder.shadow;
    let mut found = BTreeSet::new();
    let mut with_task = BTreeSet::new();
    for (id, task) in shadow.live_tasks() {
        if task.copy {
            found.insert((Kind::TaskWithoutRow, format!("{id} of {}", task.runner)));
            continue;
        }
        with_task.insert(task.runner.as_str());
        let runner = shadow.runners.get(&task.runner);
        let kind = if !rows.contains(&task.runner) {
            Kind::TaskWithoutRow
        } else if runner.is_some_and(|runner| runner.done.is_some()) {
            if told {
                Kind::TaskAfterJob
            } else {
                Kind::TaskAfterUntoldJob
            }
        } else if runner.is_some_and(|runner| runner.asked.is_none()) {
            Kind::SilentTask
        } else if runner.is_some_and(|runner| !runner.handed_out.is_empty() && runner.job.is_none())
        {
            Kind::IdleRunner
        } else {
            continue;
        };
        found.insert((kind, task.runner.clone()));
    }
    found.extend(
        rows.iter()
            .filter(|row| !with_task.contains(row.as_str()))
            .map(|row| (Kind::RowWithoutTask, row.clone())),
    );
    for (name, _) in shadow.registrations.values() {
        if address_of(name).is_some_and(|address| !rows.contains(&address)) {
            let kind = if told {
                Kind::RegistrationWithoutRow
            } else {
                Kind::RegistrationAfterTrouble
            };
            found.insert((kind, name.clone()));
        }
    }
    for job in waiting {
        if shadow
            .jobs
            .get(job)
            .is_some_and(|job| matches!(job.status, Status::Completed | Status::InProgress))
        {
            let kind = if hidden.contains(job) {
                Kind::RowOutOfSight
            } else {
                Kind::RowOfOverJob
            };
            found.insert((kind, job.to_string()));
        }
    }
    found
}
