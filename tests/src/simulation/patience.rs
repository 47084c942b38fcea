//! Jobs that wait although their pool has room: I1 while the story goes on, by what GitHub and ECS know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::id::JobId;
use mayfly_domain::time::Timestamp;

use super::mirror::{Address, Mirror, address_of, pool_of};
use super::scenario::{Asked, PoolSpec, PoolsFile};
use super::violation::Invariant;
use super::watch::{Shared, Watch};
use crate::system::System;

/// A job that no runner has, as GitHub has it.
#[derive(Debug)]
struct Waiting {
    id: JobId,
    queued: Timestamp,
    repository: String,
    private: bool,
    labels: Vec<String>,
    /// Registered runners without a job that GitHub could give it to.
    fitting: BTreeSet<Address>,
}

/// How long jobs have waited in vain.
#[derive(Debug)]
pub(super) struct Patience {
    since: BTreeMap<JobId, Timestamp>,
    limit: Duration,
}

impl Patience {
    /// Nobody has waited yet, and nobody is to wait longer than this.
    pub(super) fn new(limit: Duration) -> Self {
        Self { since: BTreeMap::new(), limit }
    }

    /// Looks once more.
    pub(super) fn look(&mut self, system: &System, watch: &Shared) {
        let now = system.world.clock.now();
        // Before the witness is held: asking GitHub may tell it something.
        let waiting = waiting(system);
        let mut watch = watch.get();
        let Some(file) = watch.files.last() else { return };
        let found = unserved(&watch.mirror, file, &waiting);
        self.judge(now, found, &mut watch);
    }

    /// These jobs wait in vain now.
    fn judge(&mut self, now: Timestamp, found: BTreeSet<JobId>, watch: &mut Watch) {
        self.since.retain(|job, _| found.contains(job));
        for job in found {
            let since = *self.since.entry(job).or_insert(now);
            if now.since(since) > self.limit {
                self.since.insert(job, Timestamp::from_millis(i64::MAX / 2));
                let words =
                    format!("job {job} has waited for {} s while its pool had room and no runner for it", now.since(since).as_secs());
                watch.broken(Invariant::I1, now, &[&job.to_string()], words);
            }
        }
    }
}

/// Jobs that wait at GitHub for a runner of anybody's, the oldest first.
fn waiting(system: &System) -> Vec<Waiting> {
    system.world.with_github(|github, _| {
        let free: Vec<_> = github.registered().filter(|runner| runner.job.is_none() && !runner.too_old).collect();
        let accounts = github.accounts();
        let jobs = github.jobs().filter(|job| job.is_waiting() && !job.is_hosted());
        let mut waiting: Vec<Waiting> = jobs
            .map(|job| Waiting {
                id: JobId(job.id.0),
                queued: Timestamp::from_millis(job.queued_at.as_millisecond()),
                repository: accounts.full_name(job.repository),
                private: accounts.repository(job.repository).is_none_or(|one| one.private),
                labels: job.wish.labels.clone(),
                fitting: free.iter().filter(|runner| github.fits(runner, job)).filter_map(|runner| address_of(&runner.name)).collect(),
            })
            .collect();
        waiting.sort_by_key(|job| (job.queued, job.id));
        waiting
    })
}

/// Those of the jobs that were told of and have no runner on its way, although one may be started.
fn unserved(mirror: &Mirror, file: &PoolsFile, waiting: &[Waiting]) -> BTreeSet<JobId> {
    let mut free = Free::of(mirror);
    let mut unserved = BTreeSet::new();
    for job in waiting.iter().filter(|job| mirror.told.get(&job.id).is_some_and(|told| *told >= job.queued)) {
        let asked = Asked { repository: &job.repository, private: job.private, labels: &job.labels };
        // Of two pools that take a job, either may.
        let mut pools = file.pools.iter().filter(|pool| pool.takes(asked));
        let (Some(pool), None) = (pools.next(), pools.next()) else { continue };
        if !free.take(&pool.name, job) && has_room(mirror, pool) {
            unserved.insert(job.id);
        }
    }
    unserved
}

/// A pool that limits its repositories may keep its room for others.
fn has_room(mirror: &Mirror, pool: &PoolSpec) -> bool {
    let live = mirror.live.get(&pool.name).copied().unwrap_or_default();
    pool.max_per_repository.is_none() && live < usize::try_from(pool.max).unwrap_or(usize::MAX)
}

/// Runners that have no job and are to have one.
struct Free {
    /// By pool: those that may be registered for any job of theirs.
    unregistered: BTreeMap<String, usize>,
    registered: BTreeSet<Address>,
}

impl Free {
    fn of(mirror: &Mirror) -> Self {
        let at_github: BTreeSet<Address> = mirror.registrations.values().filter_map(|(name, _)| address_of(name)).collect();
        let mut free = Self { unregistered: BTreeMap::new(), registered: BTreeSet::new() };
        for (_, task) in mirror.live_tasks().filter(|(_, task)| task.to_stop.is_none()) {
            let runner = mirror.runners.get(&task.runner);
            if runner.is_some_and(|runner| runner.job.is_some() || runner.done.is_some() || runner.refused.is_some()) {
                continue;
            }
            if runner.is_none_or(|runner| runner.handed_out.is_empty()) {
                *free.unregistered.entry(pool_of(&task.runner).to_owned()).or_default() += 1;
            } else if at_github.contains(&task.runner) {
                free.registered.insert(task.runner.clone());
            }
        }
        free
    }

    /// Takes a runner for a job: one that is registered already, if that is to be had.
    fn take(&mut self, pool: &str, job: &Waiting) -> bool {
        if let Some(runner) = self.registered.intersection(&job.fitting).next().cloned() {
            return self.registered.remove(&runner);
        }
        match self.unregistered.get_mut(pool).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fargate::{DesiredStatus, LastStatus};
    use crate::simulation::watch::Keep;
    use crate::system::Happening;

    const RUNNER: &str = "linux/01kb0000000000000000000000";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
    }

    fn file() -> PoolsFile {
        serde_json::from_str(r#"{"accounts":["acme"],"pools":[{"name":"linux","labels":["mayfly"],"max":1}]}"#).unwrap()
    }

    fn job(number: i64) -> Waiting {
        let labels = vec!["mayfly".to_owned()];
        Waiting { id: JobId(number), queued: at(0), repository: "acme/app".to_owned(), private: true, labels, fitting: BTreeSet::new() }
    }

    /// Jobs 1 and 2 were told of; job 3 was not.
    fn mirror() -> Mirror {
        let mut mirror = Mirror::default();
        for number in [1, 2] {
            let (guid, action) = (number.to_string(), "queued".to_owned());
            mirror.saw(at(1), &Happening::DeliverySent { guid, delivery: number, action, job: Some(JobId(number)), redelivery: false });
            mirror.saw(at(2), &Happening::DeliveryAnswered { guid: number.to_string(), delivery: number, status: 202 });
        }
        mirror
    }

    fn unserved_of(mirror: &Mirror) -> Vec<i64> {
        unserved(mirror, &file(), &[job(1), job(2), job(3)]).into_iter().map(|job| job.0).collect()
    }

    #[test]
    fn a_job_that_waits_in_vain_for_longer_than_the_limit_breaks_i1_and_one_that_was_served_meanwhile_does_not() {
        let shared = Shared::new(at(0), Keep::default());
        let mut patience = Patience::new(Duration::from_secs(60));
        for (second, jobs) in [(0, vec![1, 2]), (40, vec![2]), (60, vec![1, 2]), (61, vec![1, 2]), (90, vec![1, 2])] {
            patience.judge(at(second), jobs.into_iter().map(JobId).collect(), &mut shared.get());
        }
        let broken: Vec<_> = shared.get().violations.iter().map(|one| (one.invariant, one.about.clone())).collect();
        assert_eq!(broken, [(Invariant::I1, vec!["2".to_owned()])]);
    }

    #[test]
    fn a_job_that_was_told_of_and_has_neither_a_runner_nor_a_full_pool_waits_in_vain() {
        assert_eq!(unserved_of(&mirror()), [1, 2]);
    }

    #[test]
    fn a_pool_that_is_full_and_a_runner_on_its_way_excuse() {
        let mut mirror = mirror();
        mirror.saw(at(3), &Happening::TaskStarted { task: "t".to_owned(), started_by: RUNNER.to_owned(), by: "scaler" });
        assert!(unserved_of(&mirror).is_empty());
        let stopped = Happening::TaskChanged {
            task: "t".to_owned(),
            started_by: RUNNER.to_owned(),
            last: LastStatus::Stopped,
            desired: DesiredStatus::Stopped,
            reason: None,
        };
        mirror.saw(at(9), &stopped);
        assert_eq!(unserved_of(&mirror), [1, 2]);
    }

    #[test]
    fn a_task_that_is_to_stop_is_nobodys_runner() {
        let mut mirror = mirror();
        mirror.saw(at(3), &Happening::TaskStarted { task: "t".to_owned(), started_by: RUNNER.to_owned(), by: "scaler" });
        let stop = Happening::StopAsked { task: "t".to_owned(), started_by: RUNNER.to_owned(), reason: String::new(), by: "scaler" };
        mirror.saw(at(5), &stop);
        let two = PoolSpec { max: 2, ..file().pools.remove(0) };
        let file = PoolsFile { pools: vec![two], ..file() };
        assert_eq!(unserved(&mirror, &file, &[job(1)]).len(), 1);
    }
}
