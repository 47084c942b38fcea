//! GitHub's choice: any free runner whose labels and group fit gets any job that waits, not the one
//! it was meant for.

use super::Model;
use super::journal::Change;
use crate::id::{JobId, RunnerId};
use crate::jobs::{Executor, Job};
use crate::runners::{Runner, Scope};
use crate::settings::after;
use jiff::Timestamp;

impl Model {
    /// Gives jobs to runners while any pair fits.
    pub(super) fn assign(&mut self, now: Timestamp) {
        while let Some((job, runner)) = self.next_pair(now) {
            self.give(job, runner, now);
        }
    }

    /// The oldest job that a free runner fits, and one such runner by chance. A thief goes first;
    /// so does the newest job, when that fault strikes.
    fn next_pair(&mut self, now: Timestamp) -> Option<(JobId, RunnerId)> {
        let idle = self.runners.idle();
        if idle.is_empty() {
            return None;
        }
        self.jobs.sort_out_waiting();
        let mut waiting: Vec<_> = self
            .jobs
            .waiting()
            .filter(|job| {
                !job.is_hosted() && !self.jobs.is_forgotten(job) && now >= self.offered_at(job)
            })
            .map(|job| (!job.wish.thief, job.queued_at, job.id))
            .collect();
        waiting.sort_unstable();
        if self.chance.hits(self.faults.stolen) {
            waiting.sort_by_key(|(honest, queued_at, id)| {
                (*honest, std::cmp::Reverse((*queued_at, *id)))
            });
        }
        for (_, _, job) in waiting {
            let Some(job) = self.jobs.get(job) else {
                continue;
            };
            let fitting: Vec<RunnerId> = idle
                .iter()
                .copied()
                .filter(|id| {
                    self.runners
                        .get(*id)
                        .is_some_and(|runner| self.fits(runner, job))
                })
                .collect();
            if !fitting.is_empty() {
                let pick = self.chance.below(fitting.len());
                return fitting.get(pick).map(|runner| (job.id, *runner));
            }
        }
        None
    }

    /// When GitHub offers a job to runners.
    pub(super) fn offered_at(&self, job: &Job) -> Timestamp {
        after(job.queued_at, self.settings.assign_after)
    }

    /// Whether a runner may get a job: scope, group, labels.
    #[must_use]
    pub fn fits(&self, runner: &Runner, job: &Job) -> bool {
        let asked = job.wish.runner_group.as_deref();
        if job.wish.labels.is_empty() && asked.is_none() {
            return false;
        }
        let in_scope = match runner.scope {
            Scope::Repository(repository) => repository == job.repository && asked.is_none(),
            Scope::Organization(owner) => {
                let repository = self
                    .accounts
                    .repository(job.repository)
                    .filter(|one| one.owner == owner);
                let group = self.accounts.group(owner, runner.group);
                repository.zip(group).is_some_and(|(repository, group)| {
                    self.accounts.group_serves(group, repository)
                        && asked.is_none_or(|name| name.eq_ignore_ascii_case(&group.name))
                })
            }
        };
        in_scope && runner.covers(&job.wish.labels)
    }

    fn give(&mut self, job: JobId, runner: RunnerId, now: Timestamp) {
        let Some(executor) = self.executor(runner) else {
            return;
        };
        self.assignments += 1;
        self.journal.note(|| Change::Given {
            id: job,
            runner: Some(executor.name.clone()),
        });
        if let Some(job) = self.jobs.get_mut(job) {
            job.executor = Some(executor);
            job.assigned_at = Some(now);
        }
        if let Some(runner) = self.runners.get_mut(runner) {
            runner.job = Some(job);
        }
    }

    /// A runner as its job shows it.
    fn executor(&self, id: RunnerId) -> Option<Executor> {
        let runner = self.runners.get(id)?;
        Some(Executor {
            id,
            name: runner.name.clone(),
            group: runner.group,
            group_name: self.group_name(runner.scope, runner.group),
        })
    }
}
