//! What a change of a pool means for what runs and waits in it now.

use std::collections::BTreeMap;

use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::placement::{JobRequirements, Placement};
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::runner::Runner;
use serde::Serialize;

use super::difference::{Differing, Kind};
use crate::terminal::text_format::counted;

/// What `max = 0` means.
const PAUSED: &str = "paused (max = 0): it takes jobs, but starts no runners until max is raised";

/// What is in a pool now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Runners with a job.
    pub busy: usize,
    /// Runners that GitHub is about to give a job.
    pub registered: usize,
    /// Runners that start, or wait for something to do.
    pub unregistered: usize,
    /// Jobs that wait.
    pub waiting: usize,
}

impl Live {
    /// Counts what a pool has.
    #[must_use]
    pub fn of(runners: &[Runner], waiting: usize) -> Self {
        let mut live = Self {
            waiting,
            ..Self::default()
        };
        for runner in runners {
            match runner.state {
                state if state.unregistered() => live.unregistered += 1,
                mayfly_domain::model::runner::RunnerState::Busy => live.busy += 1,
                _ => live.registered += 1,
            }
        }
        live
    }

    /// All runners.
    #[must_use]
    pub fn runners(&self) -> usize {
        self.busy + self.registered + self.unregistered
    }

    /// Nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the waiting jobs of a pool that goes would go: how many to each pool, and how many to
/// none, with a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// By pool.
    pub pools: BTreeMap<String, usize>,
    /// By reason.
    pub none: BTreeMap<String, usize>,
}

impl Destinations {
    /// Places each job by the new file.
    #[must_use]
    pub fn of(jobs: &[JobRecord], pools: &Pools) -> Self {
        let mut found = Self::default();
        for job in jobs {
            let wanted = JobRequirements {
                labels: &job.labels,
                repository: &job.repository,
                run: job.run,
                attempt: job.attempt,
            };
            let (counts, name) = match pools.place(wanted) {
                Placement::Pool(pool) => (&mut found.pools, pool.name.to_string()),
                Placement::Unplaced(why) => (&mut found.none, why.to_string()),
                Placement::Refused(why) => (&mut found.none, why.in_words().to_owned()),
                Placement::NotOurs => (
                    &mut found.none,
                    "no pool offers a label that it asks for".to_owned(),
                ),
            };
            *counts.entry(name).or_default() += 1;
        }
        found
    }
}

/// What a change means now, in words for the user.
#[must_use]
pub fn effects(differing: &Differing<'_>, live: &Live, destinations: &Destinations) -> Vec<String> {
    match differing.kind() {
        Kind::Add if differing.after.is_some_and(Pool::is_paused) => vec![PAUSED.to_owned()],
        Kind::Add => Vec::new(),
        Kind::Remove => removed(live, destinations),
        Kind::Change => changed(differing, live),
    }
}

fn removed(live: &Live, destinations: &Destinations) -> Vec<String> {
    let mut said = Vec::new();
    if live.busy > 0 {
        said.push(format!(
            "{} busy: each job runs to its end",
            counted(live.busy, "runner")
        ));
    }
    if live.registered > 0 {
        said.push(format!(
            "{} may still get a job from GitHub, or end without one",
            counted(live.registered, "registered runner")
        ));
    }
    if live.unregistered > 0 {
        said.push(format!(
            "{} without a job: stopped",
            counted(live.unregistered, "runner")
        ));
    }
    for (pool, count) in &destinations.pools {
        said.push(format!("{}: to pool {pool}", waiting(*count)));
    }
    for (why, count) in &destinations.none {
        said.push(format!("{}: to no pool: {why}", waiting(*count)));
    }
    let told: usize = destinations
        .pools
        .values()
        .chain(destinations.none.values())
        .sum();
    if live.waiting > told {
        said.push(format!("{}: re-matched", waiting(live.waiting - told)));
    }
    said
}

/// `2 jobs that wait`.
fn waiting(count: usize) -> String {
    format!(
        "{} that wait{}",
        counted(count, "job"),
        if count == 1 { "s" } else { "" }
    )
}

fn changed(differing: &Differing<'_>, live: &Live) -> Vec<String> {
    let mut said = Vec::new();
    let (Some(before), Some(after)) = (differing.before, differing.after) else {
        return said;
    };
    let runners = live.runners();
    if after.is_paused() && !before.is_paused() {
        said.push(PAUSED.to_owned());
    }
    if before.is_paused() && !after.is_paused() && live.waiting > 0 {
        said.push(format!(
            "{}: runners are started for them",
            waiting(live.waiting)
        ));
    }
    if usize::try_from(after.max).unwrap_or(usize::MAX) < runners {
        let until = match after.max {
            0 => String::new(),
            1 => " until they are gone".to_owned(),
            max => format!(" until fewer than {max} are left"),
        };
        said.push(format!(
            "{} now: each job runs to its end, but no more start{until}",
            counted(runners, "runner")
        ));
    }
    if before.size != after.size && live.waiting > 0 {
        said.push(format!(
            "{}: served at the size that they were matched with",
            waiting(live.waiting)
        ));
    }
    if before.size != after.size && live.unregistered > 0 {
        said.push(format!(
            "{} without a job: stopped unless a job of the old size waits",
            counted(live.unregistered, "runner")
        ));
    }
    if differing.touches(&["image", "task_role"]) && runners > 0 {
        said.push(format!(
            "{} now: the change applies to those that start from now on",
            counted(runners, "runner")
        ));
    }
    if differing.touches(&["scope", "runner_group"]) && live.waiting > 0 {
        said.push(format!(
            "{}: their runners register where they were meant to",
            waiting(live.waiting)
        ));
    }
    if differing.touches(&["repositories", "public"]) && (live.waiting > 0 || live.registered > 0) {
        said.push("jobs that the new rules do not admit are refused when they begin, even if they wait now".to_owned());
    }
    if differing.touches(&["labels", "any", "priority"]) && live.waiting > 0 {
        said.push(format!("{}: stay in this pool", waiting(live.waiting)));
    }
    said
}
