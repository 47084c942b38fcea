//! A story in numbers, and many of them added up.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::model::runner::Outcome;

use super::final_checks::FinalState;
use super::recorder::{CallName, Calls, Recorder};
use mayfly_github_model::jobs::{Conclusion, Status};

/// What became of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobEnd {
    /// Over, well.
    Done,
    /// Over, badly: its runner was lost, or it was rejected.
    Failed,
    /// Cancelled.
    Cancelled,
    /// Still waits, and no one can help it: no pool, no App, a refusal, a gate.
    Waits,
    /// Still at work, or waiting, and it should not.
    Unserved,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How many stories.
    pub seeds: u64,
    /// Stories with a violation.
    pub failed: u64,
    /// Stories by the situation that they tell.
    pub situations: BTreeMap<String, u64>,
    /// What was turned away for want of capacity: by route of the API, by function, and at
    /// the table.
    pub turned_away: BTreeMap<&'static str, u64>,
    /// Jobs by what became of them.
    pub jobs: BTreeMap<JobEnd, u64>,
    /// Jobs that still wait, by what they wait for.
    pub waiting: BTreeMap<&'static str, u64>,
    /// Runners by how they ended.
    pub runners: BTreeMap<String, u64>,
    /// Calls of functions.
    pub calls: BTreeMap<CallName, Calls>,
    /// Happenings by kind.
    pub happenings: BTreeMap<&'static str, u64>,
    /// How long tasks were paid for: from the image pull on.
    pub paid: Duration,
    /// How long jobs ran on them.
    pub used: Duration,
    /// Time that passed in the stories.
    pub lasted: Duration,
    /// The most looks at pools in one minute.
    pub most_looks: u64,
    /// The most requests for tasks in one minute.
    pub most_requests: u64,
}

impl Figures {
    /// Of one story.
    pub(super) fn of(final_state: &FinalState<'_>, recorder: &Recorder) -> Self {
        let mut figures = Self {
            seeds: 1,
            failed: u64::from(!recorder.violations.is_empty()),
            situations: final_state
                .scenario
                .situation
                .iter()
                .map(|name| (name.clone(), 1))
                .collect(),
            turned_away: final_state.system.world.turned_away(),
            calls: recorder.calls.clone(),
            happenings: recorder.kinds.clone(),
            lasted: recorder.since(final_state.now),
            most_looks: recorder
                .pace
                .per_minute()
                .map(|minute| minute.looks)
                .max()
                .unwrap_or_default(),
            most_requests: recorder
                .pace
                .per_minute()
                .map(|minute| minute.run_task)
                .max()
                .unwrap_or_default(),
            ..Self::default()
        };
        for job in final_state.jobs.iter().filter(|job| !job.hosted) {
            let open = !matches!(job.status, Status::Completed | Status::InProgress);
            let exemption = open.then(|| final_state.exemption(job)).flatten();
            if let Some(exemption) = exemption {
                *figures.waiting.entry(exemption.words()).or_default() += 1;
            }
            let end = match (job.status, job.conclusion) {
                (Status::Completed, Some(Conclusion::Success)) => JobEnd::Done,
                (Status::Completed, Some(Conclusion::Cancelled)) => JobEnd::Cancelled,
                (Status::Completed, _) => JobEnd::Failed,
                (Status::InProgress, _) => JobEnd::Unserved,
                _ if exemption.is_some() => JobEnd::Waits,
                _ => JobEnd::Unserved,
            };
            *figures.jobs.entry(end).or_default() += 1;
            if let Some((began, ended)) = job.began.zip(job.ended) {
                figures.used += ended.since(began);
            }
        }
        for runner in final_state.system.closed_runners() {
            let outcome = runner.outcome.unwrap_or(Outcome::Unknown);
            let name = serde_json::to_value(outcome)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default();
            *figures.runners.entry(name).or_default() += 1;
            if let Some((began, ended)) = runner.timeline.pull_started.zip(runner.timeline.stopped)
            {
                figures.paid += ended.since(began);
            }
        }
        figures
    }

    /// Adds another story, or several.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.failed += other.failed;
        sum(&mut self.situations, &other.situations);
        sum(&mut self.turned_away, &other.turned_away);
        sum(&mut self.jobs, &other.jobs);
        sum(&mut self.waiting, &other.waiting);
        sum(&mut self.runners, &other.runners);
        sum(&mut self.happenings, &other.happenings);
        for (name, calls) in &other.calls {
            let own = self.calls.entry(name.clone()).or_default();
            own.made += calls.made;
            sum(&mut own.struck, &calls.struck);
        }
        self.paid += other.paid;
        self.used += other.used;
        self.lasted += other.lasted;
        self.most_looks = self.most_looks.max(other.most_looks);
        self.most_requests = self.most_requests.max(other.most_requests);
    }

    /// All jobs.
    #[must_use]
    pub fn all_jobs(&self) -> u64 {
        self.jobs.values().sum()
    }

    /// The share of what was paid for in which no job ran.
    #[must_use]
    pub fn waste(&self) -> f64 {
        if self.paid.is_zero() {
            0.0
        } else {
            1.0 - self.used.as_secs_f64() / self.paid.as_secs_f64()
        }
    }
}

fn sum<K: Ord + Clone>(own: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        *own.entry(key.clone()).or_default() += count;
    }
}
