//! When something happens to jobs and runners by itself. What changed is looked at again, and
//! nothing else: hundreds of runners at work cost nothing while nothing happens to them.

use super::Model;
use crate::id::{JobId, RunnerId};
use crate::settings::Settings;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A job: its end, or that it is cancelled.
    Job(JobId),
    /// A job that is offered to runners.
    Offer(JobId),
    /// A runner: that it is given up, or forgotten.
    Runner(RunnerId),
}

/// All deadlines as they were when each was looked at last.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines {
    /// The times that they were reckoned by.
    by: Option<(Settings, f64)>,
    of: BTreeMap<Who, Timestamp>,
    order: BTreeSet<(Timestamp, Who)>,
}

impl Deadlines {
    fn set(&mut self, who: Who, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.of.insert(who, at),
            None => self.of.remove(&who),
        };
        if let Some(before) = before {
            self.order.remove(&(before, who));
        }
        if let Some(at) = at {
            self.order.insert((at, who));
        }
    }
}

impl Model {
    /// When [`Model::advance`] or [`Model::take_due`] next has something to do, if no one calls
    /// before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let current = self
            .deadlines
            .by
            .as_ref()
            .is_some_and(|(settings, idle)| self.is_reckoned_by(settings, *idle));
        let touched = if current {
            self.touched()
        } else {
            self.everybody()
        };
        // An offer that was made is no deadline any more.
        let ahead = |at: Timestamp, who: Who| !matches!(who, Who::Offer(_)) || at > self.clock;
        let known = self
            .deadlines
            .order
            .iter()
            .filter(|_| current)
            .find(|(at, who)| !touched.contains(who) && ahead(*at, *who));
        let fresh = touched
            .iter()
            .filter_map(|who| self.deadline(*who).filter(|at| ahead(*at, *who)))
            .min();
        [known.map(|(at, _)| *at), fresh, self.deliveries.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The same, and what was looked at is not looked at again.
    pub fn look_ahead(&mut self) -> Option<Timestamp> {
        self.look_again();
        self.next_deadline()
    }

    /// Jobs whose time has come, oldest first.
    pub(super) fn due_jobs(&mut self, now: Timestamp) -> BTreeSet<JobId> {
        let job = |who| match who {
            Who::Job(id) => Some(id),
            Who::Offer(_) | Who::Runner(_) => None,
        };
        self.due(now).into_iter().filter_map(job).collect()
    }

    /// Runners whose time has come, oldest first.
    pub(super) fn due_runners(&mut self, now: Timestamp) -> BTreeSet<RunnerId> {
        let runner = |who| match who {
            Who::Runner(id) => Some(id),
            Who::Job(_) | Who::Offer(_) => None,
        };
        self.due(now).into_iter().filter_map(runner).collect()
    }

    fn due(&mut self, now: Timestamp) -> Vec<Who> {
        self.look_again();
        let due: Vec<Who> = self
            .deadlines
            .order
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, who)| *who)
            .collect();
        for offer in due.iter().filter(|who| matches!(who, Who::Offer(_))) {
            self.deadlines.set(*offer, None);
        }
        due
    }

    /// Brings the deadlines up to what jobs, runners and settings are now.
    fn look_again(&mut self) {
        let current = self
            .deadlines
            .by
            .as_ref()
            .is_some_and(|(settings, idle)| self.is_reckoned_by(settings, *idle));
        let whom = if current {
            self.touched()
        } else {
            self.everybody()
        };
        if !current {
            let by = Some((self.settings.clone(), self.faults.forgets_idle_after));
            self.deadlines = Deadlines {
                by,
                ..Deadlines::default()
            };
        }
        self.jobs.touched.clear();
        self.runners.touched.clear();
        for who in whom {
            let at = self.deadline(who);
            self.deadlines.set(who, at);
        }
    }

    #[expect(clippy::float_cmp, reason = "the same number, or another one was set")]
    fn is_reckoned_by(&self, settings: &Settings, forgets_idle_after: f64) -> bool {
        self.settings == *settings && self.faults.forgets_idle_after == forgets_idle_after
    }

    /// Whose deadline may be another one than it was.
    fn touched(&self) -> BTreeSet<Who> {
        // What a runner may be silent for depends on its job, too.
        let runner_of = |id: &JobId| {
            self.jobs
                .get(*id)
                .and_then(|job| Some(Who::Runner(job.executor.as_ref()?.id)))
        };
        let jobs = self
            .jobs
            .touched
            .iter()
            .flat_map(|id| [Some(Who::Job(*id)), Some(Who::Offer(*id)), runner_of(id)]);
        jobs.flatten()
            .chain(self.runners.touched.iter().map(|id| Who::Runner(*id)))
            .collect()
    }

    fn everybody(&self) -> BTreeSet<Who> {
        let jobs = self
            .jobs
            .open()
            .flat_map(|job| [Who::Job(job.id), Who::Offer(job.id)]);
        jobs.chain(self.runners.live().map(|runner| Who::Runner(runner.id)))
            .collect()
    }

    fn deadline(&self, who: Who) -> Option<Timestamp> {
        match who {
            Who::Job(id) => self
                .jobs
                .get_open(id)
                .and_then(|job| self.job_deadline(job)),
            Who::Offer(id) => self
                .jobs
                .get_open(id)
                .filter(|job| job.is_waiting())
                .map(|job| self.offered_at(job)),
            Who::Runner(id) => self
                .runners
                .get_live(id)
                .and_then(|runner| self.runner_deadline(runner)),
        }
    }
}
