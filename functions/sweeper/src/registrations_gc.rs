//! Stale registrations: registrations at GitHub of runners that have ended. They cannot be used any
//! more, and GitHub takes a day to remove them itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use mayfly_domain::model::id::{RunnerAddress, RunnerId, RunnerName};
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::StoryEvent;
use mayfly_domain::model::target::Target;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::stale_registration::is_left_behind;
use mayfly_github::{CallError, RunnerInfo};
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Budget;
use crate::listed_runners::Listed;
use crate::runners::Deregistered;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};
use crate::work_outcome::WorkOutcome;

/// Runners that GitHub lists with one call.
const PAGE: usize = 100;

/// What is left at one place after a try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct GcResult {
    /// So many registrations were taken away.
    taken: u32,
    /// GitHub says that one has a job. Its container is gone: GitHub notices in about ten minutes.
    busy: bool,
    /// GitHub does not show the place, or one of the registrations, to the App.
    unseen: bool,
    /// The installation's calls are used up.
    unasked: bool,
}

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Takes away what a closed runner left. None if GitHub may not be asked now.
    pub(crate) async fn deregister_stale(
        &self,
        runner: &RunnerId,
        open: &OutboxEntry,
        budget: &Budget,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let Some(record) = self
            .ledger
            .runner_record(runner)
            .await
            .context("read its record")?
        else {
            return Ok(Some(WorkOutcome::Done));
        };
        if self.is_gone_by_itself(&record).await? {
            return Ok(Some(WorkOutcome::Done));
        }
        let mut left = GcResult::default();
        let address = record.address();
        for target in record.stale_registrations() {
            self.gc_registrations(target, |name| *name == address, &mut left, budget)
                .await?;
        }
        if left.taken > 0 {
            info!(runner.id = %record.id, pool.name = %record.pool, registrations = left.taken, "removed a closed runner's registration at GitHub");
            self.ledger
                .note_closed(&record.id, &StoryEvent::RegistrationsRemoved, self.now())
                .await
                .context("write it down")?;
        }
        let too_old = self.now().since(open.since) > timeouts::STALE_REGISTRATION_GONE;
        Ok(match left {
            GcResult { unasked: true, .. } if !too_old => None,
            GcResult {
                busy: false,
                unseen: false,
                unasked: false,
                ..
            } => Some(WorkOutcome::Done),
            _ if too_old => {
                warn!(runner.id = %record.id, pool.name = %record.pool, "could not remove a closed runner's registration within a day: GitHub removes it itself");
                Some(WorkOutcome::Done)
            }
            _ => Some(WorkOutcome::Again(timeouts::STALE_REGISTRATION_AFTER)),
        })
    }

    /// A runner's only registration is gone once its job is over, and deliveries about that may
    /// come after its end: a look at the job's record costs less than one at GitHub.
    async fn is_gone_by_itself(&self, record: &Runner) -> anyhow::Result<bool> {
        let job = record.work.as_ref().and_then(|work| work.job);
        let (Some(job), false) = (
            job,
            record.registration_attempt > 1 || record.attempt_outcome_unknown,
        ) else {
            return Ok(false);
        };
        let job = self.ledger.job(job).await.context("read its job")?;
        Ok(job.is_some_and(|job| job.is_over() && job.runner.as_ref() == Some(&record.id)))
    }

    /// Takes away whatever closed runners of ours left at a target's place: for anyone who lists
    /// repositories anyway. A name that the ledger does not know is left alone: another Mayfly may
    /// serve the same repository, and GitHub removes what stays offline for a day.
    pub(crate) async fn gc_registrations_at(
        &self,
        target: &Target,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let Some(Some(listed)) = self.listed(target, budget).await? else {
            return Ok(());
        };
        let idle = listed.iter().filter(|found| is_away(found));
        let mut ended = BTreeMap::new();
        for address in idle.filter_map(|found| Some(found.name.parse::<RunnerName>().ok()?.address))
        {
            if let std::collections::btree_map::Entry::Vacant(unknown) = ended.entry(address) {
                let records = match self.ledger.runner_records(unknown.key()).await {
                    Ok(records) => records,
                    Err(problem) => {
                        warn!(runner.id = %unknown.key().runner, error = format!("{problem:#}"), "could not read a runner that GitHub lists: it stays registered");
                        continue;
                    }
                };
                let (row, record) = (records.row.as_ref(), records.record.as_ref());
                unknown.insert(is_left_behind(row, record, self.now()));
            }
        }
        let ended = |name: &RunnerAddress| ended.get(name).copied().unwrap_or_default();
        self.gc_registrations(target, ended, &mut GcResult::default(), budget)
            .await
    }

    /// Takes away every registration at a place whose name says that it is one of these runners'.
    async fn gc_registrations(
        &self,
        target: &Target,
        of: impl Fn(&RunnerAddress) -> bool + Send + Sync,
        left: &mut GcResult,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let Some(listed) = self.listed(target, budget).await? else {
            left.unasked = true;
            return Ok(());
        };
        let Some(listed) = listed else {
            left.unseen = true;
            return Ok(());
        };
        let github = &self.deps.github;
        let mut first_problem = None;
        let is_of = |found: &&RunnerInfo| {
            found
                .name
                .parse::<RunnerName>()
                .is_ok_and(|name| of(&name.address))
        };
        for found in listed.iter().filter(is_of) {
            if !self.may_ask(target.installation, budget).await {
                left.unasked = true;
                return Ok(());
            }
            match self
                .delete(github, target, found.id, Instant::now() + GITHUB_CALL)
                .await
            {
                Ok(Deregistered::Gone) => left.taken += 1,
                Ok(Deregistered::Busy) => left.busy = true,
                Ok(Deregistered::Unknown) => left.unseen = true,
                Err(problem) => {
                    self.note_rate_limit(target.installation, &problem, budget)
                        .await;
                    first_problem = first_problem.or(Some(problem));
                }
            }
        }
        first_problem.map_or(Ok(()), Err)
    }

    /// The runners of a target's place, listed once in a sweep. None if GitHub may not be asked
    /// now.
    pub(crate) async fn listed(
        &self,
        target: &Target,
        budget: &Budget,
    ) -> anyhow::Result<Option<Listed>> {
        let mut lists = budget.lists.lock().await;
        if let Some((_, listed)) = lists.0.iter().find(|(known, _)| known.is_beside(target)) {
            return Ok(Some(listed.clone()));
        }
        if !self.may_ask(target.installation, budget).await {
            return Ok(None);
        }
        let github = &self.deps.github;
        let listed = match github.list(target, Instant::now() + GITHUB_CALL).await {
            Ok(listed) => {
                budget.also(
                    target.installation,
                    u32::try_from(listed.len() / PAGE).unwrap_or_default(),
                );
                Some(Arc::new(listed))
            }
            Err(CallError::Refused { .. }) => None,
            Err(problem) => {
                return Err(anyhow::Error::new(problem).context("list the runners there"));
            }
        };
        lists.0.push((target.clone(), listed.clone()));
        Ok(Some(listed))
    }
}

/// True for a runner that is not connected and has no job: what is connected is at work, or about to
/// be, whatever the ledger has of it.
fn is_away(found: &RunnerInfo) -> bool {
    !found.online && !found.busy
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::id::GithubRunnerId;

    use super::*;

    #[test]
    fn what_is_connected_or_has_a_job_is_not_taken_away() {
        let found = |online, busy| RunnerInfo {
            id: GithubRunnerId(7),
            name: "mayfly-linux-01jd0000000000000000000000-1".to_owned(),
            online,
            busy,
        };
        let away = |(online, busy)| is_away(&found(online, busy));
        assert_eq!(
            [(false, false), (true, false), (false, true), (true, true)].map(away),
            [true, false, false, false]
        );
    }
}
