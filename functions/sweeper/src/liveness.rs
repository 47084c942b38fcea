//! Runners at work: GitHub asked what deliveries did not say. Nothing here stops a runner; what its
//! limits say of one whose job is over does.

use std::collections::BTreeSet;

use anyhow::Context;
use futures::StreamExt;
use mayfly_domain::model::id::{GithubRunnerId, JobId};
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::target::Target;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::changes::Changes;
use mayfly_domain::transitions::liveness::{LivenessCheck, LivenessResult, liveness_check};
use mayfly_domain::transitions::reconcile::{GithubJob, GithubJobStatus};
use mayfly_github::{CallError, RunnerLookup};
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};

/// From so many runners at one place on, the place's list is asked for first: a call for each
/// hundred, instead of one or two for each runner.
const LISTED: usize = 3;

/// Answers that are written down at a time.
const WRITES_AT_ONCE: usize = 10;

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Asks GitHub about runners that have been at work for long, those that were asked about
    /// longest ago first. One that a list shows connected and with a job is well; about the others
    /// each is asked by itself, for a list may be a minute old.
    pub(crate) async fn check_runners(
        &self,
        mut runners: Vec<Runner>,
        pools: &Pools,
        budget: &Budget,
    ) {
        runners.sort_by_key(|runner| {
            (
                runner.liveness_checked_at.or(runner.registered_at),
                runner.id.clone(),
            )
        });
        let mut at_work = Vec::new();
        let mut asked: Vec<(Target, BTreeSet<GithubRunnerId>)> = Vec::new();
        for target in runners.iter().filter_map(|runner| runner.target.as_ref()) {
            let beside = |runner: &&Runner| {
                runner
                    .target
                    .as_ref()
                    .is_some_and(|other| other.is_beside(target))
            };
            if asked.iter().any(|(known, _)| known.is_beside(target))
                || runners.iter().filter(beside).count() < LISTED
            {
                continue;
            }
            let busy = match self.listed(target, budget).await {
                Ok(Some(Some(listed))) => listed
                    .iter()
                    .filter(|found| found.online && found.busy)
                    .map(|found| found.id)
                    .collect(),
                Ok(Some(None) | None) => BTreeSet::new(),
                Err(problem) => {
                    self.note_rate_limit(target.installation, &problem, budget)
                        .await;
                    warn!(installation.id = %target.installation, error = format!("{problem:#}"), "could not list the runners at work");
                    BTreeSet::new()
                }
            };
            asked.push((target.clone(), busy));
        }
        let shown = |runner: &Runner| {
            let (Some(target), Some(id)) = (&runner.target, runner.github) else {
                return false;
            };
            asked
                .iter()
                .any(|(place, busy)| place.is_beside(target) && busy.contains(&id))
        };
        runners.retain(|runner| {
            let well = shown(runner);
            if well {
                at_work.push(runner.clone());
            }
            !well
        });
        futures::stream::iter(&at_work)
            .for_each_concurrent(WRITES_AT_ONCE, |runner| async move {
                if let Err(problem) = self.answered(runner, LivenessResult::AtWork).await {
                    warn!(runner.id = %runner.id, error = format!("{problem:#}"), "could not record that the runner is at work: the next sweep asks again");
                }
            })
            .await;
        for runner in &runners {
            if budget.over() {
                break;
            }
            if let Err(problem) = self.check_runner(runner, pools, budget).await {
                if let Some(target) = &runner.target {
                    self.note_rate_limit(target.installation, &problem, budget)
                        .await;
                }
                warn!(runner.id = %runner.id, error = format!("{problem:#}"), "could not ask GitHub about the runner: the next sweep tries again");
            }
        }
    }

    /// Asks GitHub about a runner that has been busy for long, or whose job is unknown.
    pub(crate) async fn check_runner(
        &self,
        runner: &Runner,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let (Some(asked), Some(target)) = (liveness_check(runner, self.now()), &runner.target)
        else {
            return Ok(());
        };
        if !self.may_ask(target.installation, budget).await {
            return Ok(());
        }
        let answer = match asked {
            LivenessCheck::Reserved(job) => self.on_reserved(job, pools).await?,
            LivenessCheck::Itself => self.is_there(runner, target, pools).await?,
            LivenessCheck::Job(job) => match self.on_job(runner, job, pools).await? {
                Some(answer) => answer,
                None if !self.may_ask(target.installation, budget).await => return Ok(()),
                None => self.is_there(runner, target, pools).await?,
            },
        };
        self.answered(runner, answer).await
    }

    /// What GitHub says of the job that a runner works on. `None`: not that it works on it, and not
    /// that it is over.
    async fn on_job(
        &self,
        runner: &Runner,
        job: JobId,
        pools: &Pools,
    ) -> anyhow::Result<Option<LivenessResult>> {
        let Some(asked) = self.reconcile_with_github(job, pools).await? else {
            return Ok(None);
        };
        let closed = asked.told.record.closed_at;
        Ok(work_by_job(&asked.said, runner.github, closed))
    }

    /// What GitHub says of the job that a runner holds in reserve. Is it at work on that one, then
    /// that is written down by now.
    async fn on_reserved(&self, job: JobId, pools: &Pools) -> anyhow::Result<LivenessResult> {
        let asked = self.reconcile_with_github(job, pools).await?;
        Ok(match asked.and_then(|asked| asked.said.status()) {
            Some(GithubJobStatus::Queued | GithubJobStatus::Gated) => LivenessResult::NotOnReserved,
            _ => LivenessResult::AtWork,
        })
    }

    /// Whether GitHub has a registration of the runner. It leaves with its one job.
    async fn is_there(
        &self,
        runner: &Runner,
        target: &Target,
        pools: &Pools,
    ) -> anyhow::Result<LivenessResult> {
        let github = &self.deps.github;
        let by = Instant::now() + GITHUB_CALL;
        let gone = match runner.github {
            Some(id) => match github.get(target, id, by).await {
                Ok(RunnerLookup::Registered(_)) => false,
                Ok(RunnerLookup::NotFound { target_visible }) => target_visible,
                Err(CallError::Refused { .. }) => false,
                Err(problem) => return Err(problem).context("ask about the runner"),
            },
            // Admitted before its registration was written down: only its name tells.
            None => match github.list(target, by).await {
                Ok(listed) => !listed
                    .iter()
                    .any(|found| runner.is_registered_as(found.id, &found.name)),
                Err(CallError::Refused { .. }) => false,
                Err(problem) => return Err(problem).context("list the runners there"),
            },
        };
        if !gone {
            return Ok(LivenessResult::AtWork);
        }
        // Its job in reserve may be the one that is over: asked before the runner covers it no
        // more, so that no other one is started for it.
        if let Some(job) = runner
            .reserved
            .filter(|_| runner.unconfirmed_since.is_some())
        {
            self.reconcile_with_github(job, pools).await?;
        }
        Ok(LivenessResult::Gone)
    }

    async fn answered(&self, runner: &Runner, answer: LivenessResult) -> anyhow::Result<()> {
        let now = self.now();
        let change = |row: &Runner| {
            let after = row.record_liveness(answer, now)?;
            // What it worked on is known by its name: is it over, or does it wait again?
            let job = row
                .work
                .as_ref()
                .and_then(|work| work.job)
                .filter(|_| after.done_at.is_some() && answer == LivenessResult::Gone);
            let installation = row.target.as_ref().map(|target| target.installation);
            let follow_up = job.map(|job| {
                OutboxEntry::new(
                    FollowUp::CheckJob(job),
                    installation,
                    now,
                    timeouts::REREAD_AFTER,
                )
            });
            Some(Changes {
                follow_ups: follow_up.into_iter().collect(),
                ..Changes::of_runner(after)
            })
        };
        let after = self
            .ledger
            .change_runner_with_follow_up(&runner.address(), change, now)
            .await
            .context("record the answer")?;
        if let Some(after) =
            after.filter(|after| after.done_at.is_some() || after.reserved != runner.reserved)
        {
            info!(runner.id = %runner.id, pool.name = %runner.pool, over = after.done_at.is_some(), "GitHub says which job the runner works on");
            self.wake(&runner.pool).await;
        }
        Ok(())
    }
}

/// What GitHub's answer about a job means for the runner that should have it; none if the answer is
/// neither that this runner has it, nor that the job is over.
fn work_by_job(
    said: &GithubJob,
    runner: Option<GithubRunnerId>,
    closed: Option<Timestamp>,
) -> Option<LivenessResult> {
    match said.status() {
        Some(GithubJobStatus::Completed) => Some(LivenessResult::Over(closed)),
        Some(GithubJobStatus::Running) if said.names(runner) => Some(LivenessResult::AtWork),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::job::AssignedRunner;
    use mayfly_domain::transitions::reconcile::GithubJobDetails;

    use super::*;

    #[test]
    fn a_job_that_runs_elsewhere_says_nothing_of_its_runner() {
        let said = |status, runner: Option<i64>| {
            GithubJob::Found(GithubJobDetails {
                status,
                runner: runner.map(|id| AssignedRunner {
                    id: GithubRunnerId(id),
                    name: format!("runner-{id}"),
                }),
                conclusion: None,
                created_at: None,
                started_at: None,
                completed_at: None,
            })
        };
        let (own, closed) = (Some(GithubRunnerId(7)), Some(Timestamp::from_millis(9)));
        let word = |said: &GithubJob| work_by_job(said, own, closed);
        let running = |runner| word(&said(GithubJobStatus::Running, runner));
        assert_eq!(running(Some(7)), Some(LivenessResult::AtWork));
        assert_eq!([running(Some(8)), running(None)], [None, None]);
        assert_eq!(
            word(&said(GithubJobStatus::Completed, Some(8))),
            Some(LivenessResult::Over(closed))
        );
        for unsaid in [said(GithubJobStatus::Queued, None), GithubJob::NotFound] {
            assert_eq!(word(&unsaid), None);
        }
    }
}
