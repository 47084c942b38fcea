//! The time limits of every runner. A runner that GitHub may know is deregistered there before its
//! task is stopped: GitHub refuses if the runner has a job.

use anyhow::Context;
use futures::StreamExt;
use mayfly_domain::model::id::{GithubRunnerId, PoolName, RunnerAddress};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::runner::{Runner, StopKind};
use mayfly_domain::model::story::{Reason, StoryEvent};
use mayfly_domain::model::target::Target;
use mayfly_domain::transitions::liveness::{LivenessCheck, liveness_check};
use mayfly_domain::transitions::time_limits::{RunnerAction, runner_action, runners_to_evict};
use mayfly_github::{CallError, Deleted};
use mayfly_ledger::Store;
use mayfly_ledger::runners::Changed;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};

/// Runners handled at a time: most take a call to GitHub, a write and a call to ECS. GitHub asks
/// for few concurrent calls.
const AT_ONCE: usize = 5;

/// What sweeper does about a runner.
enum Step {
    /// Carry out this action.
    Act(RunnerAction),
    /// Ask GitHub about it at once: a job waits for the answer.
    Check,
}

/// The outcome of deregistering a runner at GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deregistered {
    /// GitHub has no such runner now: its task may be stopped.
    Gone,
    /// It has a job.
    Busy,
    /// GitHub shows neither the runner nor its repository or organization: nothing is known.
    Unknown,
}

impl From<Deleted> for Deregistered {
    fn from(deleted: Deleted) -> Self {
        match deleted {
            Deleted::Gone
            | Deleted::NotFound {
                target_visible: true,
            } => Self::Gone,
            Deleted::Busy => Self::Busy,
            Deleted::NotFound {
                target_visible: false,
            } => Self::Unknown,
        }
    }
}

/// True for an action that waits until the pools file can be read. Without the file sweeper cannot
/// know whether an idle runner is still wanted or how long a busy one may work.
fn needs_pools(action: &RunnerAction) -> bool {
    matches!(
        action,
        RunnerAction::Deregister(_) | RunnerAction::ForceStop(_)
    )
}

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Acts on every runner of a pool that needs it, oldest first. Returns those to ask GitHub about
    /// later.
    pub(crate) async fn reconcile_runners(
        &self,
        runners: &[Runner],
        name: &PoolName,
        pools: Option<&Pools>,
        budget: &Budget,
    ) -> Vec<Runner> {
        let pool = pools.and_then(|pools| pools.get(name));
        let now = self.now();
        let (quiet, others): (Vec<_>, Vec<_>) = runners
            .iter()
            .map(|runner| (runner, runner_action(runner, pool, now)))
            .partition(|(_, action)| *action == RunnerAction::None);
        let actions = others
            .into_iter()
            .map(|(runner, action)| (runner, Step::Act(action)));
        let liveness_checks = quiet
            .into_iter()
            .filter_map(|(runner, _)| Some((runner, liveness_check(runner, now)?)));
        let (urgent, later): (Vec<_>, Vec<_>) =
            liveness_checks.partition(|(_, check)| matches!(check, LivenessCheck::Reserved(_)));
        let checks = urgent.into_iter().map(|(runner, _)| (runner, Step::Check));
        futures::stream::iter(actions.chain(checks))
            .for_each_concurrent(AT_ONCE, |(runner, step)| {
                self.reconcile_runner(runner, step, pools, budget)
            })
            .await;
        later
            .into_iter()
            .map(|(runner, _)| runner.clone())
            .collect()
    }

    async fn reconcile_runner(
        &self,
        runner: &Runner,
        step: Step,
        pools: Option<&Pools>,
        budget: &Budget,
    ) {
        if budget.over() {
            return;
        }
        let may_ask = match (&step, &runner.target) {
            (
                Step::Act(
                    RunnerAction::Deregister(_)
                    | RunnerAction::ForceStop(_)
                    | RunnerAction::RefuseJob,
                ),
                Some(target),
            ) => self.may_ask(target.installation, budget).await,
            _ => true,
        };
        let done = match step {
            Step::Check => match pools {
                Some(pools) => self.check_runner(runner, pools, budget).await,
                None => Ok(()),
            },
            Step::Act(RunnerAction::None) => Ok(()),
            Step::Act(RunnerAction::LocateTask) => self.find_task(runner).await,
            Step::Act(RunnerAction::MarkForStop(kind, why)) => self.mark(runner, kind, &why).await,
            Step::Act(action) if pools.is_none() && needs_pools(&action) => Ok(()),
            Step::Act(RunnerAction::Deregister(why)) if may_ask => {
                self.deregister_idle(runner, &why).await
            }
            Step::Act(RunnerAction::Deregister(_)) => Ok(()),
            Step::Act(RunnerAction::RefuseJob) => {
                self.refuse(runner, may_ask && pools.is_some()).await
            }
            Step::Act(RunnerAction::ForceStop(why)) => self.end(runner, may_ask, &why).await,
        };
        if let Err(problem) = done {
            if let Some(target) = &runner.target {
                self.note_rate_limit(target.installation, &problem, budget)
                    .await;
            }
            warn!(runner.id = %runner.id, pool.name = %runner.pool, error = format!("{problem:#}"), "could not check the runner: the next sweep tries again");
        }
    }

    /// At `max`, or at `max_per_repository` for one repository, a pool starts nothing, and GitHub
    /// gives a registered runner jobs of its own target only. So registered runners without a job to
    /// wait for are deregistered, one for each job that waits.
    pub(crate) async fn make_room(
        &self,
        runners: &[Runner],
        jobs: &[WaitingJob],
        pool: &Pool,
        pools: &Pools,
        budget: &Budget,
    ) {
        let full = runners.len() >= usize::try_from(pool.max).unwrap_or(usize::MAX)
            || pool.max_per_repository.is_some();
        if jobs.is_empty() || !full {
            return;
        }
        let limits = match self
            .ledger
            .limits(jobs.iter().map(|job| job.installation).collect())
            .await
        {
            Ok(github) => Limits {
                github,
                ..Limits::default()
            },
            Err(problem) => {
                return warn!(pool.name = %pool.name, error = %problem, "could not make room in the pool: the next sweep tries again");
            }
        };
        for id in runners_to_evict(pool, &limits, jobs, runners, self.now()) {
            let Some(runner) = runners.iter().find(|runner| runner.id == id) else {
                continue;
            };
            self.reconcile_runner(
                runner,
                Step::Act(RunnerAction::Deregister(Reason::MakesRoom)),
                Some(pools),
                budget,
            )
            .await;
        }
    }

    /// Marks an unregistered runner for stopping, and stops its task at once if one is known.
    async fn mark(&self, runner: &Runner, kind: StopKind, why: &Reason) -> anyhow::Result<()> {
        let now = self.now();
        let mark = |row: &Runner| row.marked(kind, why, now);
        if let Changed::Yes(marked) = self.ledger.change_runner(&runner.address(), mark).await? {
            info!(runner.id = %runner.id, pool.name = %runner.pool, reason = %why, "marked the runner for stopping");
            if let Some(arn) = &marked.arn {
                self.deps.ecs.stop(arn, &why.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Takes an idle runner away at GitHub, and stops its task only if GitHub had no job on it.
    async fn deregister_idle(&self, runner: &Runner, why: &Reason) -> anyhow::Result<()> {
        match self.deregister(runner).await? {
            Deregistered::Gone => {
                // One that asked again meanwhile has a registration that GitHub was not asked
                // about: a later sweep looks again.
                if self.retired(runner, why).await? {
                    self.stop_task(runner, why).await
                } else {
                    Ok(())
                }
            }
            Deregistered::Busy => self.found_busy(&runner.address()).await,
            Deregistered::Unknown => self.left_alone(runner).await,
        }
    }

    /// Writes down, once, that it is not known if a runner has a job: it stays until it ends by
    /// itself or its time is over.
    async fn left_alone(&self, runner: &Runner) -> anyhow::Result<()> {
        let now = self.now();
        let tell = |row: &Runner| row.not_deregistered(now);
        if let Changed::Yes(_) = self.ledger.change_runner(&runner.address(), tell).await? {
            warn!(runner.id = %runner.id, pool.name = %runner.pool, "{}", StoryEvent::NotDeregistered);
        }
        Ok(())
    }

    /// Writes down that a runner will be given nothing more: until its task is gone it must not
    /// pass for one that waits for a job. False if it has another registration by now, or works:
    /// then what GitHub said is no reason to stop it.
    async fn retired(&self, runner: &Runner, why: &Reason) -> anyhow::Result<bool> {
        let now = self.now();
        let retire = |row: &Runner| row.deregistered(runner, why, now);
        Ok(
            match self
                .ledger
                .change_runner(&runner.address(), retire)
                .await
                .context("record that it is retired")?
            {
                Changed::Yes(_) => true,
                Changed::No(row) => row.is_idle_as(runner),
                Changed::Closed => false,
            },
        )
    }

    /// Refuses a runner whose job runs and was never admitted, and ends it.
    async fn refuse(&self, runner: &Runner, may_ask: bool) -> anyhow::Result<()> {
        let now = self.now();
        let Changed::Yes(refused) = self
            .ledger
            .change_runner(&runner.address(), |row| row.refused_unadmitted(now))
            .await?
        else {
            // It was admitted, or ended, meanwhile.
            return Ok(());
        };
        error!(runner.id = %refused.id, pool.name = %refused.pool, run.id = refused.work.as_ref().map(|work| work.run.0), "job refused: {}", Reason::Unadmitted);
        self.wake(&refused.pool).await;
        self.end(&refused, may_ask, &Reason::Unadmitted).await
    }

    /// Stops a runner whose time is over. The runner is deregistered first, if GitHub may be called
    /// now, so that it gets no further job; the answer changes nothing.
    async fn end(&self, runner: &Runner, may_ask: bool, why: &Reason) -> anyhow::Result<()> {
        if may_ask && let Err(problem) = self.deregister(runner).await {
            warn!(runner.id = %runner.id, pool.name = %runner.pool, error = format!("{problem:#}"), "could not deregister the runner at GitHub");
        }
        self.stop_task(runner, why).await
    }

    async fn stop_task(&self, runner: &Runner, why: &Reason) -> anyhow::Result<()> {
        let Some(arn) = &runner.arn else {
            return Ok(());
        };
        info!(runner.id = %runner.id, pool.name = %runner.pool, task.arn = %arn, reason = %why, "stopped the runner's task");
        self.deps
            .ecs
            .stop(arn, &why.to_string())
            .await
            .context("stop its task")
    }

    /// Takes every registration of a runner away: the one in its row, or, if none is, whatever
    /// carries one of its names.
    pub(crate) async fn deregister(&self, runner: &Runner) -> anyhow::Result<Deregistered> {
        let Some(target) = &runner.target else {
            return Ok(Deregistered::Gone);
        };
        let by = Instant::now() + GITHUB_CALL;
        let github = &self.deps.github;
        if let Some(id) = runner.github {
            return self.delete(github, target, id, by).await;
        }
        let listed = match github.list(target, by).await {
            Ok(listed) => listed,
            Err(CallError::Refused { .. }) => return Ok(Deregistered::Unknown),
            Err(problem) => {
                return Err(anyhow::Error::new(problem).context("list the runners there"));
            }
        };
        for found in listed
            .iter()
            .filter(|found| runner.is_registered_as(found.id, &found.name))
        {
            let away = self.delete(github, target, found.id, by).await?;
            if away != Deregistered::Gone {
                return Ok(away);
            }
        }
        Ok(Deregistered::Gone)
    }

    pub(crate) async fn delete(
        &self,
        github: &G,
        target: &Target,
        id: GithubRunnerId,
        by: Instant,
    ) -> anyhow::Result<Deregistered> {
        Ok(github
            .delete(target, id, by)
            .await
            .context("take it away at GitHub")?
            .into())
    }

    /// GitHub says that a runner has a job of which we knew nothing.
    async fn found_busy(&self, address: &RunnerAddress) -> anyhow::Result<()> {
        let now = self.now();
        let busy = |row: &Runner| row.found_busy(now);
        self.ledger.change_runner(address, busy).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_github_shows_the_place_of_is_gone() {
        let not_found = |target_visible| Deleted::NotFound { target_visible };
        assert_eq!(
            [
                Deleted::Gone,
                Deleted::Busy,
                not_found(true),
                not_found(false)
            ]
            .map(Deregistered::from),
            [
                Deregistered::Gone,
                Deregistered::Busy,
                Deregistered::Gone,
                Deregistered::Unknown
            ]
        );
    }

    #[test]
    fn what_depends_on_the_pools_file_waits_for_it_and_nothing_else_does() {
        let why = Reason::NotNeeded;
        let actions = [
            RunnerAction::None,
            RunnerAction::LocateTask,
            RunnerAction::RefuseJob,
            RunnerAction::MarkForStop(StopKind::Surplus, why.clone()),
            RunnerAction::Deregister(why.clone()),
            RunnerAction::ForceStop(why),
        ];
        assert_eq!(
            actions.each_ref().map(needs_pools),
            [false, false, false, false, true, true]
        );
    }
}
