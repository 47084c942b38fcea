//! Jobs that wait although their pool has room: I1 while the story goes on, in every story, by what
//! GitHub and ECS know.
//!
//! Orderly stories have one limit, counted from the moment at which a job begins to wait in vain.
//! In the others it counts from the last fault, or from the calm, and what the product's own waits
//! may add is added where there is a reason for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use super::recorder::{Recorder, Shared};
use super::scenario::{Asked, PoolSpec, PoolsFile};
use super::shadow_model::{Address, ShadowModel, address_of, pool_of};
use super::violation::Invariant;
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
pub(super) struct LivenessMonitor {
    since: BTreeMap<JobId, Timestamp>,
    limit: Duration,
    /// Nothing goes wrong: faults are no reason to wait longer.
    orderly: bool,
}

/// A job that has waited in vain for longer than any job may for which nothing speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) job: JobId,
    /// Since it began to wait in vain, or since the last fault.
    pub(super) waited: Duration,
}

/// Why the product may make a job wait that could be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// For how long the ledger has known that it waits; none: no delivery that tells of it was
    /// taken.
    pub(super) known_for: Option<Duration>,
    /// GitHub gave nothing to a runner of its own, or refused one.
    pub(super) tried: bool,
    /// A start in its pool has failed.
    pub(super) failed_starts: bool,
}

/// What a fault may leave behind: a row that stands for a task which never asks, or which is not
/// there, until its time is over and a sweep has found so; or a runner of which GitHub knows
/// nothing.
const LEFT_BEHIND: Duration =
    Duration::from_secs(timeouts::START_TIMEOUT.as_secs() + 3 * timeouts::TICK.as_secs());

/// What GitHub could not deliver is asked for once an hour at last, and what it never delivers is
/// found within ten minutes more.
const UNTOLD: Duration = Duration::from_secs(timeouts::LONGEST_WAIT.as_secs() + 15 * 60);

/// GitHub is asked about a job that was tried in vain before it is tried again: some four a minute,
/// in their turn.
const ASKED: Duration = Duration::from_secs(timeouts::CHECK_WAITING.as_secs() + 5 * 60);

impl Held {
    /// What that may add.
    fn adds(self) -> Duration {
        let when = |is: bool, more: Duration| if is { more } else { Duration::ZERO };
        when(self.known_for.is_none(), UNTOLD)
            + when(self.tried, timeouts::NOT_ASSIGNED_PROBE + ASKED)
            + when(self.failed_starts, timeouts::BACK_OFF_MAX + timeouts::TICK)
    }
}

impl LivenessMonitor {
    /// No job has waited yet; `limit` is how long one may in an orderly story.
    pub(super) fn new(limit: Duration, orderly: bool) -> Self {
        Self {
            since: BTreeMap::new(),
            limit: if orderly { limit } else { limit + LEFT_BEHIND },
            orderly,
        }
    }

    /// Looks once more. The jobs that have waited too long, unless there is a reason.
    pub(super) fn look(&mut self, system: &System, recorder: &Shared) -> Vec<Overdue> {
        let now = system.world.clock.now();
        let waiting = waiting(system);
        let recorder = recorder.get();
        let Some(file) = recorder.files.last() else {
            return Vec::new();
        };
        let found = unserved(&recorder.shadow, file, &waiting, self.orderly);
        self.overdue(now, &found, recorder.quiet.last(now))
    }

    /// These jobs wait in vain now.
    fn overdue(
        &mut self,
        now: Timestamp,
        found: &BTreeSet<JobId>,
        fault: Option<Timestamp>,
    ) -> Vec<Overdue> {
        self.since.retain(|job, _| found.contains(job));
        let fault = fault.filter(|_| !self.orderly);
        let mut overdue = Vec::new();
        for job in found {
            let since = *self.since.entry(*job).or_insert(now);
            let waited = now.since(fault.map_or(since, |fault| fault.max(since)));
            if waited > self.limit {
                overdue.push(Overdue { job: *job, waited });
            }
        }
        overdue
    }

    /// A job may wait, or has been told about: its time begins from nothing. None: that was enough.
    pub(super) fn forgive(&mut self, job: JobId, now: Option<Timestamp>) {
        self.since
            .insert(job, now.unwrap_or(Timestamp::from_millis(i64::MAX / 2)));
    }

    /// Judges how long a job has waited: too long, or not, for what held it.
    pub(super) fn judge(
        &mut self,
        Overdue { job, waited }: Overdue,
        held: Held,
        now: Timestamp,
        recorder: &mut Recorder,
    ) {
        // What was found late waits for a runner from then on.
        let waited = held.known_for.map_or(waited, |known| waited.min(known));
        let limit = if self.orderly {
            self.limit
        } else {
            self.limit + held.adds()
        };
        if waited > limit {
            self.forgive(job, None);
            let since = if self.orderly {
                ""
            } else {
                " since the last fault"
            };
            let words = format!(
                "job {job} has waited for {} s{since} while its pool had room and no runner for it, and may for {} s ({held:?})",
                waited.as_secs(),
                limit.as_secs()
            );
            recorder.broken(Invariant::I1, now, &[&job.to_string()], words);
        }
    }
}

/// Jobs that wait at GitHub for a runner of anyone's, the oldest first.
fn waiting(system: &System) -> Vec<Waiting> {
    system.world.see_github(|github, _| {
        // One that GitHub takes for too old counts, too: GitHub says so to no one.
        let free: Vec<_> = github
            .registered()
            .filter(|runner| runner.job.is_none())
            .collect();
        let accounts = github.accounts();
        let jobs = github
            .open_jobs()
            .filter(|job| job.is_waiting() && !job.is_hosted());
        let mut waiting: Vec<Waiting> = jobs
            .map(|job| Waiting {
                id: JobId(job.id.0),
                queued: Timestamp::from_millis(job.queued_at.as_millisecond()),
                repository: accounts.full_name(job.repository),
                private: accounts
                    .repository(job.repository)
                    .is_none_or(|one| one.private),
                labels: job.wish.labels.clone(),
                fitting: free
                    .iter()
                    .filter(|runner| github.fits(runner, job))
                    .filter_map(|runner| address_of(&runner.name))
                    .collect(),
            })
            .collect();
        waiting.sort_by_key(|job| (job.queued, job.id));
        waiting
    })
}

impl ShadowModel {
    /// True if a delivery was taken that says that the job waits.
    fn knows(&self, job: &Waiting) -> bool {
        self.told
            .get(&job.id)
            .is_some_and(|told| *told >= job.queued)
    }
}

/// Those of the jobs that have no runner on its way, although one may be started: of those that
/// were told of, or of all.
fn unserved(
    shadow: &ShadowModel,
    file: &PoolsFile,
    waiting: &[Waiting],
    told_only: bool,
) -> BTreeSet<JobId> {
    let mut free = Free::of(shadow);
    let mut unserved = BTreeSet::new();
    let (told, untold): (Vec<&Waiting>, Vec<&Waiting>) =
        waiting.iter().partition(|job| shadow.knows(job));
    for job in told
        .into_iter()
        .chain(untold.into_iter().filter(|_| !told_only))
    {
        let asked = Asked {
            repository: &job.repository,
            private: job.private,
            labels: &job.labels,
        };
        // Of two pools that take a job, either may.
        let mut pools = file.pools.iter().filter(|pool| pool.takes(asked));
        let (Some(pool), None) = (pools.next(), pools.next()) else {
            continue;
        };
        if !free.take(&pool.name, job) && has_room(shadow, pool) {
            unserved.insert(job.id);
        }
    }
    unserved
}

/// A pool that limits its repositories may keep its room for others.
fn has_room(shadow: &ShadowModel, pool: &PoolSpec) -> bool {
    let live = shadow.live.get(&pool.name).copied().unwrap_or_default();
    pool.max_per_repository.is_none() && live < usize::try_from(pool.max).unwrap_or(usize::MAX)
}

/// Runners that have no job and are to have one.
struct Free {
    /// By pool: those that may be registered for any job of theirs.
    unregistered: BTreeMap<String, usize>,
    registered: BTreeSet<Address>,
}

impl Free {
    fn of(shadow: &ShadowModel) -> Self {
        let at_github: BTreeSet<Address> = shadow
            .registrations
            .values()
            .filter_map(|(name, _)| address_of(name))
            .collect();
        let mut free = Self {
            unregistered: BTreeMap::new(),
            registered: BTreeSet::new(),
        };
        for (_, task) in shadow
            .live_tasks()
            .filter(|(_, task)| task.to_stop.is_none())
        {
            let runner = shadow.runners.get(&task.runner);
            if runner.is_some_and(|runner| {
                runner.job.is_some() || runner.done.is_some() || runner.refused.is_some()
            }) {
                continue;
            }
            if runner.is_none_or(|runner| runner.handed_out.is_empty()) {
                *free
                    .unregistered
                    .entry(pool_of(&task.runner).to_owned())
                    .or_default() += 1;
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
    use crate::simulation::recorder::Keep;
    use crate::system::Event;
    use mayfly_fargate_model::{DesiredStatus, LastStatus};

    const RUNNER: &str = "linux/01kb0000000000000000000000";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
    }

    fn file() -> PoolsFile {
        serde_json::from_str(
            r#"{"accounts":["acme"],"pools":[{"name":"linux","labels":["mayfly"],"max":1}]}"#,
        )
        .unwrap()
    }

    fn job(number: i64) -> Waiting {
        let labels = vec!["mayfly".to_owned()];
        Waiting {
            id: JobId(number),
            queued: at(0),
            repository: "acme/app".to_owned(),
            private: true,
            labels,
            fitting: BTreeSet::new(),
        }
    }

    /// Jobs 1 and 2 were told of; job 3 was not.
    fn shadow() -> ShadowModel {
        let mut shadow = ShadowModel::default();
        for number in [1, 2] {
            let (guid, action) = (number.to_string(), "queued".to_owned());
            shadow.saw(
                at(1),
                &Event::DeliverySent {
                    guid,
                    delivery: number,
                    action,
                    job: Some(JobId(number)),
                    redelivery: false,
                },
            );
            shadow.saw(
                at(2),
                &Event::DeliveryAnswered {
                    guid: number.to_string(),
                    delivery: number,
                    status: 202,
                },
            );
        }
        shadow
    }

    fn unserved_of(shadow: &ShadowModel) -> Vec<i64> {
        unserved(shadow, &file(), &[job(1), job(2), job(3)], true)
            .into_iter()
            .map(|job| job.0)
            .collect()
    }

    /// Which jobs broke I1, of those that waited in vain at these seconds.
    fn broken(
        mut liveness: LivenessMonitor,
        looks: &[(u64, Vec<i64>)],
        fault: Option<u64>,
        held: Held,
    ) -> Vec<String> {
        let shared = Shared::new(at(0), Keep::default());
        for (second, jobs) in looks {
            let found = jobs.iter().copied().map(JobId).collect();
            let fault = fault.filter(|fault| fault <= second).map(at);
            for overdue in liveness.overdue(at(*second), &found, fault) {
                liveness.judge(overdue, held, at(*second), &mut shared.get());
            }
        }
        let recorder = shared.get();
        recorder
            .violations
            .iter()
            .map(|one| format!("{} {}", one.invariant, one.about.join(" ")))
            .collect()
    }

    /// The ledger knows of the job, and nothing else holds it.
    const KNOWN: Held = Held {
        known_for: Some(Duration::from_secs(1_000_000)),
        tried: false,
        failed_starts: false,
    };

    #[test]
    fn a_job_that_waits_in_vain_for_longer_than_the_limit_breaks_i1_and_one_that_was_served_meanwhile_does_not()
     {
        let liveness = LivenessMonitor::new(Duration::from_secs(60), true);
        let looks = [
            (0, vec![1, 2]),
            (40, vec![2]),
            (60, vec![1, 2]),
            (61, vec![1, 2]),
            (90, vec![1, 2]),
        ];
        assert_eq!(broken(liveness, &looks, Some(50), KNOWN), ["I1 2"]);
    }

    #[test]
    fn where_things_go_wrong_the_wait_counts_from_the_last_fault_and_what_held_the_job_adds_to_it()
    {
        let limit = 60 + LEFT_BEHIND.as_secs();
        let looks: Vec<(u64, Vec<i64>)> = [0, limit + 1, limit + 50, limit + 101]
            .map(|second| (second, vec![1]))
            .to_vec();
        let waits = |fault, held| {
            broken(
                LivenessMonitor::new(Duration::from_secs(60), false),
                &looks,
                fault,
                held,
            )
        };
        assert_eq!(waits(None, KNOWN), ["I1 1"]);
        assert_eq!(waits(Some(100), KNOWN), ["I1 1"]);
        assert_eq!(waits(Some(101), KNOWN), [""; 0]);
        assert_eq!(
            waits(
                None,
                Held {
                    failed_starts: true,
                    ..KNOWN
                }
            ),
            [""; 0]
        );
        assert_eq!(
            waits(None, Held::default()),
            [""; 0],
            "no delivery told of it"
        );
        assert_eq!(
            waits(
                None,
                Held {
                    known_for: Some(Duration::from_secs(limit)),
                    ..KNOWN
                }
            ),
            [""; 0],
            "it was found late"
        );
    }

    #[test]
    fn a_job_that_was_not_told_of_waits_in_vain_where_it_must_be_found() {
        assert_eq!(unserved(&shadow(), &file(), &[job(3)], false).len(), 1);
        assert!(unserved(&shadow(), &file(), &[job(3)], true).is_empty());
    }

    #[test]
    fn a_job_that_was_told_of_and_has_neither_a_runner_nor_a_full_pool_waits_in_vain() {
        assert_eq!(unserved_of(&shadow()), [1, 2]);
    }

    #[test]
    fn a_pool_that_is_full_and_a_runner_on_its_way_excuse() {
        let mut shadow = shadow();
        shadow.saw(
            at(3),
            &Event::TaskStarted {
                task: "t".to_owned(),
                started_by: RUNNER.to_owned(),
                by: "scaler",
            },
        );
        assert!(unserved_of(&shadow).is_empty());
        let stopped = Event::TaskChanged {
            task: "t".to_owned(),
            started_by: RUNNER.to_owned(),
            last: LastStatus::Stopped,
            desired: DesiredStatus::Stopped,
            reason: None,
        };
        shadow.saw(at(9), &stopped);
        assert_eq!(unserved_of(&shadow), [1, 2]);
    }

    #[test]
    fn a_task_that_is_to_stop_is_nobodys_runner() {
        let mut shadow = shadow();
        shadow.saw(
            at(3),
            &Event::TaskStarted {
                task: "t".to_owned(),
                started_by: RUNNER.to_owned(),
                by: "scaler",
            },
        );
        let stop = Event::StopAsked {
            task: "t".to_owned(),
            started_by: RUNNER.to_owned(),
            reason: String::new(),
            by: "scaler",
        };
        shadow.saw(at(5), &stop);
        let two = PoolSpec {
            max: 2,
            ..file().pools.remove(0)
        };
        let file = PoolsFile {
            pools: vec![two],
            ..file()
        };
        assert_eq!(unserved(&shadow, &file, &[job(1)], true).len(), 1);
    }
}
