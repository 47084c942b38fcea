//! `POST /registration`: the oldest job that still waits gets the runner that is alive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::job::{RefusalScope, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::refusal::RefusedPlace;
use mayfly_domain::transitions::registration::{
    Caller, RefusedRegistration, RegistrationStep, ask_again, candidate_order, registration_step,
};
use mayfly_ecs::DescribeTasks;
use mayfly_github::{Call, RegisterError, Registration};
use mayfly_ledger::registrations::{Candidates, Reservation, ReservationWrites};
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::answer::Answer;
use crate::{BUSY_RETRY, FAILURE_RETRY, GitHub, Registrar};

/// The most jobs that GitHub may refuse for good in one request before the runner is told to ask
/// again.
const MOST_REFUSALS: u32 = 3;

/// That all jobs of a pool which a runner could be given have to wait for GitHub is believed for so
/// long.
const IN_VAIN: Duration = Duration::from_secs(10);

/// What is done after one try to register.
enum Next {
    /// That is the answer.
    Answer(Answer),
    /// The job was refused for good: the runner as it is now, for another one, and what else GitHub
    /// refuses with that.
    Again(Box<Versioned<Runner>>, RefusalScope),
}

/// What one request has come to so far.
struct Round {
    runner: Versioned<Runner>,
    /// The pool's health, if the runner's first request changes it and that is not written yet.
    health: Option<Versioned<PoolHealth>>,
    choice: Candidates,
    refusals: u32,
    /// Where GitHub refuses every runner, as this request has found out.
    refused: BTreeSet<RefusedPlace>,
}

impl<S: Store, F: DescribeTasks, G: GitHub, W: Wakes> Registrar<S, F, G, W> {
    pub(crate) async fn registration(
        &self,
        caller: &Caller,
        address: &RunnerAddress,
    ) -> anyhow::Result<Answer> {
        let by = Instant::now() + timeouts::GITHUB_BUDGET;
        let runner = match self.identified(caller, address).await? {
            Ok(runner) => runner,
            Err(answer) => return Ok(answer),
        };
        if let Some(answer) = not_served(&runner) {
            return Ok(answer);
        }
        let pools = self.settings.pools().await.context("read the pools file")?;
        let health = self.ledger.health_after_request(&runner).await?;
        self.serve(runner, health, &pools, by).await
    }

    /// Tries the jobs that fit, until one is registered for, or none is left, or the time is up.
    /// The runner's own job first; the others only if that one is not available, or its
    /// installation has to wait.
    async fn serve(
        &self,
        runner: Versioned<Runner>,
        health: Option<Versioned<PoolHealth>>,
        pools: &Arc<Pools>,
        by: Instant,
    ) -> anyhow::Result<Answer> {
        let pool = pools.get(&runner.pool);
        let choice = Candidates::of(
            pool.and_then(|pool| pool.max_per_repository),
            pool.map_or(0, |pool| pool.max),
        );
        let mut round = Round {
            runner,
            health,
            choice,
            refusals: 0,
            refused: BTreeSet::new(),
        };
        let own = self
            .ledger
            .own_job(&round.runner, &mut round.choice, self.now())
            .await?;
        let has_own = own.is_some();
        if let Some(answer) = self
            .try_jobs(&mut round, own.into_iter().collect(), by)
            .await?
        {
            return Ok(answer);
        }
        if !has_own || round.refusals > 0 {
            let jobs = candidate_order(
                &round.runner,
                self.others(&round.runner, &mut round.choice).await?,
            );
            if let Some(answer) = self.try_jobs(&mut round, jobs, by).await? {
                return Ok(answer);
            }
        }
        // Whatever the answer, the runner was heard of: a silent one is taken for dead.
        let parked = self
            .ledger
            .park(&round.runner, round.health.as_ref(), self.now())
            .await?;
        Ok(match (parked, round.choice.limited(self.now())) {
            (None, _) => Answer::later(BUSY_RETRY, "this runner's row has just changed"),
            (Some(row), Some(wait)) => told_to_wait(&row, wait, self.now()),
            (Some(_), None) => Answer::parked(),
        })
    }

    /// Jobs besides the runner's own. Once GitHub rate-limits an installation, each of its runners
    /// asks again and again, and usually all waiting jobs are of that installation: one runner's
    /// result holds for the others for a moment.
    async fn others(
        &self,
        runner: &Runner,
        choice: &mut Candidates,
    ) -> anyhow::Result<Vec<Versioned<WaitingJob>>> {
        let (key, now) = ((runner.pool.clone(), runner.size), self.now());
        let known = self
            .in_vain
            .lock()
            .ok()
            .and_then(|found| found.get(&key).copied());
        if let Some((_, until)) =
            known.filter(|(at, until)| now.since(*at) < IN_VAIN && *until > now)
        {
            choice.all_wait(until);
            return Ok(Vec::new());
        }
        let jobs = self.ledger.jobs_for(runner, choice, now).await?;
        if jobs.is_empty()
            && let Some(wait) = choice.limited(now)
            && let Ok(mut found) = self.in_vain.lock()
        {
            found.insert(key, (now, now.plus(wait)));
        }
        Ok(jobs)
    }

    async fn try_jobs(
        &self,
        round: &mut Round,
        jobs: Vec<Versioned<WaitingJob>>,
        by: Instant,
    ) -> anyhow::Result<Option<Answer>> {
        for job in jobs {
            if RefusedPlace::of(&job).any(|place| round.refused.contains(&place)) {
                continue;
            }
            let version = round.choice.version(&round.runner, &job);
            let beside = ReservationWrites {
                health: round.health.as_ref(),
                version,
            };
            let Some(reservation) = self
                .ledger
                .reserve(&round.runner, &job, beside, self.now())
                .await?
            else {
                if version.is_some() {
                    return Ok(Some(Answer::later(
                        BUSY_RETRY,
                        "other runners of the pool were given jobs at the same time",
                    )));
                }
                // Someone was at the job, or at this runner.
                let Some(row) = self.ledger.runner(&round.runner.address()).await? else {
                    return Ok(Some(Answer::closed()));
                };
                if let Some(answer) = not_served(&row) {
                    return Ok(Some(answer));
                }
                round.health = self.ledger.health_after_request(&row).await?;
                round.runner = row;
                continue;
            };
            round.health = None;
            match self.register(reservation, by).await? {
                Next::Answer(answer) => return Ok(Some(answer)),
                Next::Again(runner, scope) => {
                    round.runner = *runner;
                    round.refusals += 1;
                    round.refused.insert(RefusedPlace::at(scope, &job));
                }
            }
            if round.refusals >= MOST_REFUSALS || Instant::now() >= by {
                return Ok(Some(Answer::later(
                    BUSY_RETRY,
                    "GitHub refused several jobs, others are tried next",
                )));
            }
        }
        Ok(None)
    }

    /// Asks GitHub for a registration, and records the result before the runner gets it.
    async fn register(&self, reservation: Reservation, by: Instant) -> anyhow::Result<Next> {
        let github = &self.deps.github;
        let runner = &reservation.runner;
        let Some(target) = &runner.target else {
            return Ok(Next::Answer(Answer::later(
                FAILURE_RETRY,
                "the job's record is incomplete",
            )));
        };
        match github.register(target, &runner.name(), by).await {
            Ok(registration) => {
                let answer = self.hand_out(runner, &registration).await?;
                if reservation.waiting.refused.is_some()
                    && let Err(problem) = self.ledger.refused_no_more(&reservation).await
                {
                    warn!(job.id = %reservation.job.id, error = %problem, "jobs that it was tried for wait until it begins");
                }
                Ok(Next::Answer(answer))
            }
            Err(problem) => self.not_registered(&reservation, problem).await,
        }
    }

    async fn hand_out(
        &self,
        runner: &Runner,
        registration: &Registration,
    ) -> anyhow::Result<Answer> {
        if !self
            .ledger
            .registered(runner, registration.id, self.now())
            .await
            .context("mark the runner registered")?
        {
            // Another request of the same runner minted after this one; what GitHub made here was
            // never handed out, and GitHub removes it after a day.
            warn!(runner.id = %runner.id, github.runner.id = %registration.id, "a registration came too late and is not handed out");
            return Ok(Answer::later(
                BUSY_RETRY,
                "this runner's row has just changed",
            ));
        }
        info!(runner.id = %runner.id, pool.name = %runner.pool, job.id = ?runner.reserved, github.runner.id = %registration.id, "registered");
        Ok(Answer::registered(
            registration.jit_config.expose(),
            &runner.name().to_string(),
        ))
    }

    async fn not_registered(
        &self,
        reservation: &Reservation,
        problem: RegisterError,
    ) -> anyhow::Result<Next> {
        let (runner, job) = (&reservation.runner, reservation.job.id);
        let now = self.now();
        let later = |wait, why| Ok(Next::Answer(Answer::later(wait, why)));
        match problem {
            RegisterError::RefusedForGood {
                status,
                scope,
                message,
                call,
            } => {
                warn!(runner.id = %runner.id, job.id = %job, http.status = status, call = %call, error = %message, "GitHub refuses a runner for the job");
                let refused = RefusedRegistration {
                    message: &message,
                    scope,
                };
                let freed = self.ledger.refused(reservation, refused, now).await?;
                Ok(freed.map_or_else(changed_meanwhile, |runner| {
                    Next::Again(Box::new(runner), scope)
                }))
            }
            RegisterError::RateLimited {
                until,
                message,
                call,
            } => {
                let installation = reservation.job.installation;
                warn!(installation.id = %installation, call = %call, error = %message, "GitHub rate-limits the installation");
                self.ledger.limited(installation, until).await?;
                self.ledger.unregistered(runner, &message, now).await?;
                Ok(Next::Answer(told_to_wait(runner, until.since(now), now)))
            }
            // A name that is taken is one that this runner never used before: only an answer that
            // got lost explains it. The next name is free.
            RegisterError::Conflict { message, call } | RegisterError::Unsure { message, call } => {
                unanswered(runner, &message, &call);
                later(FAILURE_RETRY, "GitHub does not answer")
            }
            RegisterError::Unavailable { message, call } => {
                unanswered(runner, &message, &call);
                self.ledger.unregistered(runner, &message, now).await?;
                later(FAILURE_RETRY, "GitHub does not answer")
            }
            RegisterError::Misconfigured { message } => {
                error!(settings_problems = 1, runner.id = %runner.id, error = %message, "a person must correct the GitHub App's settings");
                self.ledger.unregistered(runner, &message, now).await?;
                later(FAILURE_RETRY, "the GitHub App is misconfigured")
            }
        }
    }
}

/// The answer for a runner whose installation has to wait for so long.
fn told_to_wait(runner: &Runner, wait: Duration, now: Timestamp) -> Answer {
    Answer::later(
        ask_again(runner, wait, now),
        "GitHub told this installation to wait",
    )
}

fn changed_meanwhile() -> Next {
    Next::Answer(Answer::later(
        BUSY_RETRY,
        "this runner's row has just changed",
    ))
}

fn unanswered(runner: &Runner, message: &str, call: &Call) {
    warn!(runner.id = %runner.id, call = %call, error = %message, "GitHub gave no registration: the runner asks again");
}

/// The answer for a runner whose turn it is not.
fn not_served(runner: &Runner) -> Option<Answer> {
    match registration_step(runner) {
        RegistrationStep::Serve => None,
        RegistrationStep::Stopped => Some(Answer::stopped()),
        RegistrationStep::Registered => Some(Answer::has_registered()),
    }
}
